//! A real SMTP server on loopback, for the demo and the tests: `aiosmtpd`, which delivers into a Maildir. STARTTLS is
//! required of whoever brings mail.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::certificates::Identity;
use crate::failure::Failure;

/// A port that is free when asked for may be gone when used: another one is tried.
const TRIES: u32 = 5;
const POLLS: u32 = 500;
const POLL: Duration = Duration::from_millis(20);

/// A running mail server; it ends when this is dropped.
pub struct MailSink {
    server: Child,
    port: u16,
    maildir: PathBuf,
}

impl MailSink {
    /// Starts a server that shows `identity` and delivers into the Maildir `folder/mail`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if `aiosmtpd` is not installed or does not come up in ten seconds.
    pub async fn start(folder: &Path, identity: &Identity) -> Result<Self, Failure> {
        let maildir = folder.join("mail");
        for _ in 0..TRIES {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
            let mut server = spawn(port, identity, &maildir)?;
            if greets(&mut server, port).await? {
                return Ok(Self { server, port, maildir });
            }
        }
        Err(Failure::new("the mail server aiosmtpd does not come up"))
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it delivers.
    #[must_use]
    pub fn maildir(&self) -> &Path {
        &self.maildir
    }

    /// Stops the server.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the system refuses.
    pub async fn stop(mut self) -> Result<(), Failure> {
        Ok(self.server.kill().await?)
    }
}

fn spawn(port: u16, identity: &Identity, maildir: &Path) -> Result<Child, Failure> {
    Command::new("aiosmtpd")
        .args(["--nosetuid", "--smtputf8", "--listen"])
        .arg(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string())
        .args(["--tlscert".as_ref(), identity.certificate.as_os_str(), "--tlskey".as_ref(), identity.key.as_os_str()])
        .args(["--class".as_ref(), "aiosmtpd.handlers.Mailbox".as_ref(), maildir.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Failure::new(format!("cannot start aiosmtpd, the mail server: {error}; `make setup` installs it"))
        })
}

/// Whether the server speaks before it ends.
async fn greets(server: &mut Child, port: u16) -> Result<bool, Failure> {
    for _ in 0..POLLS {
        if server.try_wait()?.is_some() {
            return Ok(false);
        }
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            let mut greeting = [0; 3];
            if stream.read_exact(&mut greeting).await.is_ok() && greeting == *b"220" {
                return Ok(true);
            }
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(false)
}
