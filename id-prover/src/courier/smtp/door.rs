//! The way into the mail server: connections by lettre, kept while they lie idle, and the conversation step by step, so that
//! it is known how far a message got.
//!
//! Until its last line has left, a message has not been taken over: whatever fails before may be tried again, unless the
//! server refuses for good (5yz). After that, a 4yz says that it was not taken over (RFC 5321 §4.2.1, §4.2.5); silence, a
//! broken connection or an answer that cannot be read leave it in doubt.

use std::error::Error as _;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use lettre::address::Envelope;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::time::Instant;

use crate::courier::CourierError;
use crate::courier::attempts::Failure;

/// Connections that lie idle longer are closed.
const IDLE: Duration = Duration::from_secs(60);

/// How a connection is protected.
pub(super) enum Protection {
    Starttls(TlsParameters),
    Implicit(TlsParameters),
    None,
}

/// Where the mail server is, and how to get in.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protection: Protection,
    pub(super) credentials: Option<Credentials>,
    /// For each step.
    pub(super) step: Duration,
}

/// The way into a mail server.
pub(super) struct Door {
    address: Address,
    /// The oldest first.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    link: AsyncSmtpConnection,
    since: Instant,
}

impl Door {
    pub(super) fn new(address: Address) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// Hands one email over.
    ///
    /// # Errors
    ///
    /// [`Failure`] says whether it may be tried again.
    pub(super) async fn hand_over(&self, envelope: &Envelope, email: &[u8], deadline: Instant) -> Result<(), Failure> {
        // Beyond this, it is known no more whether the message was taken over.
        let mut left = false;
        let made = tokio::time::timeout_at(deadline, self.converse(envelope, email, &mut left)).await;
        made.unwrap_or(Err(Step::TooSlow)).map_err(|step| step.failure(left))
    }

    /// Takes leave on all connections at once, so that a silent server holds up the end by one step.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        let leave = async |Idle { mut link, .. }: Idle| {
            // A server that does not answer is left all the same.
            let _ = self.step(link.quit()).await;
        };
        join_all(idle.into_iter().map(leave)).await;
    }

    async fn converse(&self, envelope: &Envelope, email: &[u8], left: &mut bool) -> Result<(), Step> {
        let mut link = self.link().await?;
        let mut options = Vec::new();
        let mut addresses = envelope.to().iter().chain(envelope.from());
        for (needed, extension, option) in [
            (!addresses.all(is_ascii), Extension::SmtpUtfEight, MailParameter::SmtpUtfEight),
            (!email.is_ascii(), Extension::EightBitMime, MailParameter::Body(MailBodyParameter::EightBitMime)),
        ] {
            if needed && !link.server_info().supports_feature(extension) {
                return Err(Step::Unsupported);
            }
            options.extend(needed.then_some(option));
        }
        self.step(link.command(Mail::new(envelope.from().cloned(), options))).await?;
        for to in envelope.to() {
            self.step(link.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        }
        self.step(link.command(Data)).await?;
        *left = true;
        self.step(link.message(email)).await?;
        self.idle().push(Idle { link, since: Instant::now() });
        Ok(())
    }

    /// A connection that answers: one that lay idle, or a new one.
    async fn link(&self) -> Result<AsyncSmtpConnection, Step> {
        while let Some(mut link) = self.take_idle() {
            if tokio::time::timeout(self.address.step, link.test_connected()).await.unwrap_or(false) {
                return Ok(link);
            }
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Step> {
        let Address { host, port, protection, credentials, step } = &self.address;
        let (server, hello) = ((host.as_str(), *port), ClientId::default());
        let wrapped = match protection {
            Protection::Implicit(parameters) => Some(parameters.clone()),
            Protection::Starttls(_) | Protection::None => None,
        };
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(*step), &hello, wrapped, None);
        let mut link = self.step(connecting).await?;
        if let Protection::Starttls(parameters) = protection {
            self.step(link.starttls(parameters.clone(), &hello)).await?;
        }
        if let Some(credentials) = credentials {
            self.step(link.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        Ok(link)
    }

    async fn step<T>(&self, step: impl Future<Output = Result<T, smtp::Error>>) -> Result<T, Step> {
        match tokio::time::timeout(self.address.step, step).await {
            Ok(done) => done.map_err(|error| Step::of(&error)),
            Err(_) => Err(Step::TooSlow),
        }
    }

    /// The one that was used last; those that have lain too long are dropped.
    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE);
        idle.pop().map(|idle| idle.link)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a step of the conversation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// 5yz.
    Refused,
    /// 4yz.
    NotNow,
    /// The server cannot do what is needed.
    Unsupported,
    /// What came cannot be read. In a handshake: a certificate of another name or authority.
    Unreadable,
    /// The connection, or an answer that cannot be read.
    Broken,
    TooSlow,
}

impl Step {
    /// The error's own text may hold the server's words, and those the address: it is not logged.
    fn of(error: &smtp::Error) -> Self {
        let step = if error.is_permanent() {
            Self::Refused
        } else if error.is_transient() {
            Self::NotNow
        } else if error.is_client() {
            Self::Unsupported
        } else if is_unreadable(error) {
            Self::Unreadable
        } else {
            Self::Broken
        };
        tracing::warn!(status = error.status().map(u16::from), ?step, "an email was not handed over");
        step
    }

    /// `left`: whether the whole message may have reached the server.
    const fn failure(self, left: bool) -> Failure {
        match self {
            Self::Refused => Failure::Final(CourierError::Refused),
            Self::Unsupported => Failure::Final(CourierError::Unsupported),
            Self::NotNow => Failure::Passing { after: Duration::ZERO },
            Self::Unreadable | Self::Broken | Self::TooSlow if left => Failure::InDoubt,
            Self::Unreadable => Failure::Final(CourierError::Unavailable),
            Self::Broken | Self::TooSlow => Failure::Passing { after: Duration::ZERO },
        }
    }
}

fn is_ascii(address: &lettre::Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// Whether it comes from what was read, not from the connection below: rustls gives its errors as invalid data.
fn is_unreadable(error: &smtp::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        source = error.source();
    }
    error.is_tls()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::Barrier;
    use tokio::task::JoinSet;

    use super::*;

    const LINKS: usize = 5;

    /// A server that answers the greeting, and nothing more until all links have taken leave. On each: whether it was still
    /// open by then.
    async fn patient(listener: TcpListener) -> Vec<bool> {
        let all = Arc::new(Barrier::new(LINKS));
        let mut links = JoinSet::new();
        for _ in 0..LINKS {
            let ((mut link, _), all) = (listener.accept().await.unwrap(), Arc::clone(&all));
            links.spawn(async move {
                link.write_all(b"220 mail.example\r\n250 mail.example\r\n").await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"QUIT\r\n") {
                    assert_ne!(link.read_buf(&mut read).await.unwrap(), 0, "closed without leave");
                }
                all.wait().await;
                let is_open = link.try_read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
                // One that is closed cannot be answered; the test tells.
                let _ = link.write_all(b"221 mail.example\r\n").await;
                is_open
            });
        }
        links.join_all().await
    }

    #[tokio::test]
    async fn leave_is_taken_on_all_links_at_once() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (host, port) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let server = tokio::spawn(patient(listener));
        let step = Duration::from_secs(10);
        let door = Door::new(Address { host, port, protection: Protection::None, credentials: None, step });
        for _ in 0..LINKS {
            let link = door.connect().await.unwrap_or_else(|step| panic!("{step:?}"));
            door.idle().push(Idle { link, since: Instant::now() });
        }
        door.close().await;
        assert_eq!(server.await.unwrap(), [true; LINKS]);
        assert!(door.idle().is_empty());
    }

    #[test]
    fn what_may_be_tried_again_is_what_was_not_taken_over() {
        let passing = Failure::Passing { after: Duration::ZERO };
        for (step, before, after) in [
            (Step::Refused, Failure::Final(CourierError::Refused), Failure::Final(CourierError::Refused)),
            (Step::NotNow, passing, passing),
            (Step::Broken, passing, Failure::InDoubt),
            (Step::TooSlow, passing, Failure::InDoubt),
            (Step::Unreadable, Failure::Final(CourierError::Unavailable), Failure::InDoubt),
        ] {
            assert_eq!((step.failure(false), step.failure(true)), (before, after), "{step:?}");
        }
    }
}
