//! Where a user gets the one-time code from: the terminal, the development courier's outbox, or a mailbox.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::cpi::Cpi;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::mimi_uri::Msp;

use crate::failure::Failure;

/// How often a folder is looked at, and how long in all.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// Which message is waited for.
#[derive(Clone, Debug)]
pub struct Awaited<'a> {
    /// The number of the enrollment.
    pub id: &'a EnrollmentId,
    /// Where the message was sent.
    pub cpi: &'a Cpi,
    /// The MSP that it names.
    pub msp: &'a Msp,
    /// The fingerprint of the user's key that it names.
    pub fingerprint: &'a str,
}

/// A source of codes.
pub enum CodeSource {
    /// The person at the terminal.
    Terminal,
    /// The development courier's folder.
    Outbox(Outbox),
    /// A Maildir into which a mail server delivers.
    Maildir(Maildir),
}

impl CodeSource {
    /// Waits for the code of one enrollment.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it does not come in a minute, or nobody is at the terminal.
    pub async fn code(&self, awaited: &Awaited<'_>) -> Result<Code, Failure> {
        match self {
            Self::Terminal => prompt(),
            Self::Outbox(outbox) => wait(|| outbox.find(awaited)).await,
            Self::Maildir(maildir) => wait(|| maildir.find(awaited)).await,
        }
    }
}

async fn wait(mut find: impl FnMut() -> Option<Code>) -> Result<Code, Failure> {
    let poll = async {
        loop {
            if let Some(code) = find() {
                return code;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.map_err(|_| Failure::new("no message with a code came within a minute"))
}

fn prompt() -> Result<Code, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new("no terminal to ask for the code on; use --code-from-outbox"));
    }
    let mut stderr = std::io::stderr();
    loop {
        write!(stderr, "Code from the message: ")?;
        stderr.flush()?;
        let mut line = String::new();
        if stdin.lock().read_line(&mut line)? == 0 {
            return Err(Failure::new("no code was typed"));
        }
        match Code::parse(line.trim()) {
            Ok(code) => return Ok(code),
            Err(error) => writeln!(stderr, "{error}")?,
        }
    }
}

/// The files of a folder, each read once, however many wait for one.
struct Folder {
    path: PathBuf,
    looked: Option<Instant>,
    seen: HashSet<PathBuf>,
}

impl Folder {
    fn new(path: PathBuf) -> Self {
        Self { path, looked: None, seen: HashSet::new() }
    }

    /// What has come since the last call; nothing, if that was just now.
    fn unseen(&mut self) -> Vec<Vec<u8>> {
        if self.looked.is_some_and(|looked| looked.elapsed() < POLL) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        let Ok(entries) = std::fs::read_dir(&self.path) else { return Vec::new() };
        let visible = |path: &PathBuf| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(visible);
        paths.filter(|path| self.seen.insert(path.clone())).filter_map(|path| std::fs::read(path).ok()).collect()
    }
}

/// The folder of the development courier: each file has `Enrollment:` and `Code:` lines.
pub struct Outbox(Mutex<(Folder, HashMap<String, Code>)>);

impl Outbox {
    /// Watches `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(Mutex::new((Folder::new(path.to_owned()), HashMap::new())))
    }

    fn find(&self, awaited: &Awaited<'_>) -> Option<Code> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (folder, codes) = &mut *state;
        for message in folder.unseen() {
            let text = String::from_utf8_lossy(&message);
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let (Some(id), Some(Ok(code))) = (field("Enrollment:"), field("Code:").map(Code::parse)) {
                codes.insert(id.to_owned(), code);
            }
        }
        codes.remove(&awaited.id.to_string())
    }
}

/// A Maildir: the message for an enrollment is the one to its address that names its MSP and key.
pub struct Maildir(Mutex<(Folder, HashMap<String, Vec<String>>)>);

impl Maildir {
    /// Watches the `new` folder of the Maildir at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(Mutex::new((Folder::new(path.join("new")), HashMap::new())))
    }

    fn find(&self, awaited: &Awaited<'_>) -> Option<Code> {
        let Cpi::Email(address) = awaited.cpi else { return None };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (folder, messages) = &mut *state;
        for message in folder.unseen() {
            if let Some((to, text)) = read_mail(&message) {
                messages.entry(to).or_default().push(text);
            }
        }
        let texts = messages.get(address.as_address())?;
        let names = |text: &&String| text.contains(awaited.msp.domain()) && text.contains(awaited.fingerprint);
        texts.iter().rfind(names).and_then(|text| code_in(text))
    }
}

/// The recipient and the plain text of a mail.
fn read_mail(message: &[u8]) -> Option<(String, String)> {
    let mail = mail_parser::MessageParser::default().parse(message)?;
    let to = mail.to()?.first()?.address()?.to_owned();
    Some((to, mail.body_text(0)?.into_owned()))
}

/// The first run of digits, perhaps in groups, that is a code.
fn code_in(text: &str) -> Option<Code> {
    text.lines().flat_map(|line| line.split(|c: char| !c.is_ascii_digit() && c != ' ' && c != '-')).find_map(|run| {
        let run = run.trim_matches([' ', '-']);
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        if digits == 8 { Code::parse(run).ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaited<'a>(id: &'a EnrollmentId, cpi: &'a Cpi, msp: &'a Msp) -> Awaited<'a> {
        Awaited { id, cpi, msp, fingerprint: "a1b2-c3d4-e5" }
    }

    #[tokio::test]
    async fn the_outbox_is_searched_by_enrollment() {
        let folder = tempfile::tempdir().unwrap();
        let (id, cpi, msp) = (
            EnrollmentId::from_bytes([7; 16]),
            Cpi::parse("tel:+14155552671").unwrap(),
            Msp::parse("mimi://a.example").unwrap(),
        );
        std::fs::write(
            folder.path().join("1"),
            format!("To: tel:+14155552671\nEnrollment: {id}\nCode: 12345678\n\ntext"),
        )
        .unwrap();
        std::fs::write(folder.path().join("2"), "Enrollment: 00\nCode: 87654321\n").unwrap();
        std::fs::write(folder.path().join(".3"), format!("Enrollment: {id}\nCode: 11111111\n")).unwrap();
        let source = CodeSource::Outbox(Outbox::new(folder.path()));
        assert_eq!(source.code(&awaited(&id, &cpi, &msp)).await.unwrap().digits(), "12345678");
    }

    #[tokio::test]
    async fn a_mailbox_is_searched_by_address_provider_and_key() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("new")).unwrap();
        let mail = |msp: &str, code: &str| {
            format!(
                "From: x@prover.example\r\nTo: <bob@example.com>\r\nSubject: code\r\n\r\n{msp} asks, key a1b2-c3d4-e5: {code}\r\n"
            )
        };
        std::fs::write(folder.path().join("new/1"), mail("b.example", "1111 1111")).unwrap();
        std::fs::write(folder.path().join("new/2"), mail("a.example", "1234 5678")).unwrap();
        let (id, cpi, msp) = (
            EnrollmentId::from_bytes([7; 16]),
            Cpi::parse("mailto:bob@example.com").unwrap(),
            Msp::parse("mimi://a.example").unwrap(),
        );
        let source = CodeSource::Maildir(Maildir::new(folder.path()));
        assert_eq!(source.code(&awaited(&id, &cpi, &msp)).await.unwrap().digits(), "12345678");
    }
}
