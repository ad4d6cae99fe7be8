//! A real SMTP server: aiosmtpd, which keeps what it takes in a Maildir. `tests/smtpd/moody.py` gives it its moods.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/bin/aiosmtpd";
const MOODS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtpd");
/// Another process may take a free port before the server does.
const ATTEMPTS: usize = 5;

pub(crate) struct SmtpServer {
    process: Child,
    pub(crate) port: u16,
    maildir: PathBuf,
}

/// A mail as the server keeps it.
#[derive(Debug)]
pub(crate) struct Mail {
    head: String,
    body: String,
}

impl SmtpServer {
    /// Starts it with these arguments; it takes mail once this returns.
    pub(crate) fn start(maildir: &Path, arguments: &[&str]) -> Self {
        let free_port = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        (0..ATTEMPTS).find_map(|_| Self::start_on(free_port(), maildir, arguments)).expect("aiosmtpd does not start")
    }

    /// As [`Self::start`], on this port; none if it is taken.
    pub(crate) fn start_on(port: u16, maildir: &Path, arguments: &[&str]) -> Option<Self> {
        let mut process = Command::new(PROGRAM)
            .env("PYTHONPATH", MOODS)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-n", "-d", "-u", "-l", &format!("127.0.0.1:{port}"), "-c", "moody.Moody"])
            .args(arguments)
            .arg("--")
            .arg(maildir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("aiosmtpd is needed (Debian: python3-aiosmtpd)");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.by_ref().any(|line| line.contains("Server is listening"));
        // It must not be held up by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { process, port, maildir: maildir.to_owned() };
        listening.then_some(server)
    }

    /// All mails that it has taken over, in no order.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let Ok(new) = std::fs::read_dir(self.maildir.join("new")) else { return Vec::new() };
        new.map(|entry| Mail::parse(&std::fs::read_to_string(entry.unwrap().path()).unwrap())).collect()
    }

    /// How often a mail has been offered to it.
    pub(crate) fn offers(&self) -> usize {
        std::fs::read_to_string(self.maildir.with_extension("log")).map_or(0, |log| log.lines().count())
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // It may have ended already; what it kept is in a temporary folder.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Mail {
    fn parse(content: &str) -> Self {
        let content = content.replace("\r\n", "\n");
        let (head, body) = content.split_once("\n\n").unwrap();
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    /// The part of this media type, undecoded.
    pub(crate) fn part(&self, media_type: &str) -> &str {
        let start = format!("Content-Type: {media_type};");
        let (_, part) = self.body.split_once(&start).unwrap();
        let (_, content) = part.split_once("\n\n").unwrap();
        content.split("\n--").next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = |line: &'_ str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "));
        let line = self.head.lines().find(|line| value(line)).unwrap();
        &line[name.len() + 2..]
    }
}
