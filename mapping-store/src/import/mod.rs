//! Many documents from a file, into a store that nobody serves meanwhile.
//!
//! The file is a CBOR sequence (`Items`): authenticated mappings, removals, or entries of a change feed as
//! `GET /v1/changes` answers them. Every document is verified by the settings' anchors and issuers, as of when it was
//! signed, on all cores: holders' signatures one by one, those of each prover together. 4,096 documents are written in one step
//! with one sync, under the rules of every publication. What is refused goes to the report, a line of JSON each:
//! `{"offset": octets from the start of the file, "rule": the rule that it broke}`.
//!
//! How far it is stands in the database (note `import`), and never says more than what is durable: cut short, the next
//! import of the same file goes on from there.

mod input;

use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::StoreConfig;
use crate::cores;
use crate::follow::{PlaybackError, play_back};
use crate::record::Record;
use crate::storage::{LogEntry, Storage as _, StorageError};
use crate::store::{Clock, OpenError, PublishError, Store};
use crate::writer::{self, Answer, Document};
use input::{Item, Items};

pub use input::InputError;

/// Documents written in one step.
const GROUP: usize = 4096;
/// Steps between two notes of how far it is.
const NOTE_EVERY: usize = 8;
const NOTE: &str = "import";
const SCAN: usize = 1000;

/// What to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The CBOR sequence.
    pub file: PathBuf,
    /// Where what is refused is told, if anywhere.
    pub report: Option<PathBuf>,
    /// The file is this provider's own change feed, kept from before: a database restored from a backup is brought forward with
    /// it. Entries that it has must be the same; the others must follow without a gap and come to the same numbers.
    pub brings_forward: bool,
}

/// What an import came to, with what was done before it was cut short, if it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Imported {
    /// Documents published.
    pub taken: u64,
    /// Documents that had been published before.
    pub known: u64,
    /// Documents that do not verify, or break a rule of the store.
    pub refused: u64,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets of the file that are done.
    pub bytes: u64,
    /// Octets of the file.
    pub all_bytes: u64,
    /// What it came to so far.
    pub imported: Imported,
}

/// Why an import stops. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read on.
    #[error("{path}: {reason}")]
    Input {
        /// The file.
        path: PathBuf,
        /// Why not, and where.
        reason: InputError,
    },
    /// The report cannot be written, or a file not be read.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// An item of the file is no entry of a change feed.
    #[error("the item at octet {0} is no entry of a change feed; only such a feed brings a database forward")]
    NoFeed(u64),
    /// The feed is not the continuation of this log.
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database does not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How far it was: the note in the database.
#[derive(Default, Deserialize, Serialize)]
struct Noted {
    /// [`Items::mark`] of the file.
    file: String,
    offset: u64,
    report_bytes: u64,
    imported: Imported,
}

/// An import under way.
struct Running<'a> {
    store: Store,
    import: &'a Import,
    items: Items,
    report: Option<Report>,
    noted: Noted,
}

struct Report {
    path: PathBuf,
    file: io::BufWriter<File>,
    bytes: u64,
}

/// What was read, and is being written.
struct Group {
    items: Vec<Item>,
    /// Where each refused item stands, and why.
    refused: Vec<(u64, String)>,
    /// The offsets of those that are being written.
    offsets: Vec<u64>,
    answer: Option<Answer<Vec<writer::Outcome>>>,
}

/// Imports a file. `watch` is told after each group.
///
/// # Errors
///
/// [`ImportError`]; the next import of the same file goes on.
pub async fn import(
    config: &StoreConfig,
    clock: Clock,
    import: &Import,
    mut watch: impl FnMut(Progress),
) -> Result<Imported, ImportError> {
    let store = if import.brings_forward {
        Store::connect_to_bring_forward(config, clock).await?
    } else {
        Store::connect(config, clock).await?
    };
    let mut running = Running::start(store, import).await?;
    if import.brings_forward {
        running.bring_forward(&mut watch).await?;
    } else {
        running.run(&mut watch).await?;
    }
    running.store.storage().set_note(NOTE, None).await?;
    Ok(running.noted.imported)
}

/// Writes the live documents of a database that nobody writes meanwhile, or of a backup, as a CBOR sequence: what another
/// store can import. Answers how many.
///
/// # Errors
///
/// [`ImportError`].
pub async fn export(config: &StoreConfig, clock: Clock, file: &Path) -> Result<u64, ImportError> {
    let store = Store::connect_to_read(config, clock).await?;
    let failed = |reason| ImportError::Io { path: file.to_owned(), reason };
    let mut to = io::BufWriter::new(File::create_new(file).map_err(failed)?);
    let (mut after, mut count) = (None, 0);
    loop {
        let records = store.storage().scan(after, SCAN).await?;
        let Some((last, _)) = records.last() else { break };
        after = Some(*last);
        for (_, bytes) in records {
            let record = Record::decode(&bytes).map_err(|_| StorageError::Damaged("a record"))?;
            for entry in record.found(store.now()) {
                to.write_all(&entry.document).map_err(failed)?;
                count += 1;
            }
        }
    }
    to.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(failed)?;
    Ok(count)
}

impl<'a> Running<'a> {
    async fn start(store: Store, import: &'a Import) -> Result<Self, ImportError> {
        let wrong = |reason| ImportError::Input { path: import.file.clone(), reason };
        let mut items = Items::open(&import.file).map_err(wrong)?;
        let note = store.storage().note(NOTE).await?.unwrap_or_default();
        let mut noted: Noted = serde_json::from_slice(&note).unwrap_or_default();
        if noted.file == items.mark() {
            tracing::info!(offset = noted.offset, "the import goes on where it was cut short");
            items.skip_to(noted.offset).map_err(wrong)?;
        } else {
            noted = Noted { file: items.mark().to_owned(), ..Noted::default() };
        }
        let report = import.report.as_ref().map(|path| Report::open(path, noted.report_bytes)).transpose()?;
        Ok(Self { store, import, items, report, noted })
    }

    async fn run(&mut self, watch: &mut impl FnMut(Progress)) -> Result<(), ImportError> {
        let (mut writing, mut groups): (Option<(Group, u64)>, usize) = (None, 0);
        loop {
            // While one group is written, the next is verified.
            let items = self.next_items()?;
            let end = self.items.offset();
            let more = !items.is_empty();
            let group = if more { Some((self.hand_in(items)?, end)) } else { None };
            if let Some((group, end)) = writing.take() {
                self.finish(group, end).await?;
                groups += 1;
                if groups.is_multiple_of(NOTE_EVERY) {
                    self.note().await?;
                }
                watch(self.progress());
            }
            writing = group;
            if !more {
                break;
            }
        }
        self.flush_report()
    }

    fn next_items(&mut self) -> Result<Vec<Item>, ImportError> {
        let wrong = |reason| ImportError::Input { path: self.import.file.clone(), reason };
        self.items.next_group(GROUP).map_err(wrong)
    }

    /// The verified document of each item, or the rule that it breaks.
    fn verify(&self, items: &[Item]) -> Vec<Result<Document, String>> {
        let documents: Vec<_> = items.iter().filter_map(|item| item.content.as_ref().ok()).collect();
        let documents: Vec<_> = documents.into_iter().map(|(kind, document)| (*kind, document.as_slice())).collect();
        let mut verified = self.store.verify_many(&documents).into_iter();
        let of = |item: &Item| match item.content {
            Ok(_) => verified.next().expect("one for each document").map_err(|error| error.to_string()),
            Err(rule) => Err(rule.to_owned()),
        };
        items.iter().map(of).collect()
    }

    /// Verifies a group on all cores and hands it to the writer.
    fn hand_in(&self, items: Vec<Item>) -> Result<Group, ImportError> {
        let verified = cores::shares(&items, |share| self.verify(share));
        let mut group = Group { refused: Vec::new(), offsets: Vec::new(), answer: None, items };
        let mut documents = Vec::with_capacity(group.items.len());
        for (item, verified) in group.items.iter().zip(verified) {
            match verified {
                Ok(document) => {
                    documents.push(document);
                    group.offsets.push(item.offset);
                }
                Err(rule) => group.refused.push((item.offset, rule)),
            }
        }
        if !documents.is_empty() {
            group.answer = Some(self.store.submit_all(documents)?);
        }
        Ok(group)
    }

    /// Waits until a group is durable and counts.
    async fn finish(&mut self, mut group: Group, end: u64) -> Result<(), ImportError> {
        if let Some(answer) = group.answer.take() {
            let outcomes = answer.wait().await.map_err(PublishError::from)?;
            for (offset, outcome) in group.offsets.iter().zip(outcomes) {
                match outcome {
                    Ok(written) if written.new => self.noted.imported.taken += 1,
                    Ok(_) => self.noted.imported.known += 1,
                    Err(writer::WriteError::Refused(refusal)) => group.refused.push((*offset, refusal.to_string())),
                    Err(error) => return Err(PublishError::from(error).into()),
                }
            }
        }
        group.refused.sort_unstable();
        self.noted.imported.refused += group.refused.len() as u64;
        if let Some(report) = &mut self.report {
            for (offset, rule) in group.refused {
                report.line(offset, &rule)?;
            }
        }
        self.noted.offset = end;
        Ok(())
    }

    async fn bring_forward(&mut self, watch: &mut impl FnMut(Progress)) -> Result<(), ImportError> {
        loop {
            let items = self.next_items()?;
            if items.is_empty() {
                break;
            }
            let mut entries = Vec::with_capacity(items.len());
            for item in items {
                let (Some(position), Ok((kind, document))) = (item.position, item.content) else {
                    return Err(ImportError::NoFeed(item.offset));
                };
                entries.push(LogEntry { position, kind, document });
            }
            let before = self.store.storage().head(0).await?;
            play_back(&self.store, &entries).await?;
            let taken = self.store.storage().head(0).await? - before;
            self.noted.imported.taken += taken;
            self.noted.imported.known += entries.len() as u64 - taken;
            self.noted.offset = self.items.offset();
            watch(self.progress());
        }
        Ok(self.store.brought_forward().await?)
    }

    async fn note(&mut self) -> Result<(), ImportError> {
        self.flush_report()?;
        self.noted.report_bytes = self.report.as_ref().map_or(0, |report| report.bytes);
        let note = serde_json::to_vec(&self.noted).unwrap_or_default();
        Ok(self.store.storage().set_note(NOTE, Some(&note)).await?)
    }

    fn flush_report(&mut self) -> Result<(), ImportError> {
        let Some(report) = &mut self.report else { return Ok(()) };
        report.file.flush().map_err(|reason| ImportError::Io { path: report.path.clone(), reason })
    }

    fn progress(&self) -> Progress {
        Progress { bytes: self.noted.offset, all_bytes: self.items.all_bytes(), imported: self.noted.imported }
    }
}

impl Report {
    /// Opens the report; what was written after the last note is taken back.
    fn open(path: &Path, bytes: u64) -> Result<Self, ImportError> {
        let open = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            file.set_len(bytes.min(file.metadata()?.len()))?;
            let bytes = file.seek(io::SeekFrom::End(0))?;
            Ok(Self { path: path.to_owned(), file: io::BufWriter::new(file), bytes })
        };
        open().map_err(|reason| ImportError::Io { path: path.to_owned(), reason })
    }

    fn line(&mut self, offset: u64, rule: &str) -> Result<(), ImportError> {
        let line = format!("{}\n", serde_json::json!({ "offset": offset, "rule": rule }));
        self.bytes += line.len() as u64;
        self.file.write_all(line.as_bytes()).map_err(|reason| ImportError::Io { path: self.path.clone(), reason })
    }
}
