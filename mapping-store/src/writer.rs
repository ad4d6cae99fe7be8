//! The one thread that changes the database. It takes all that waits, applies it in order against what the group has
//! changed so far, writes one synced batch, and only then answers: many publications share a sync.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::authenticated::VerifiedMapping;
use protocol::receipt::Receipt;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Changes, Engine, EngineError, Kind, LogEntry, position};
use crate::label::{Label, LabelKey};
use crate::metrics;
use crate::record::Record;
use crate::rules::{self, Refusal};
use crate::store::Clock;

/// Publications that may wait; further ones are refused at once.
const QUEUE: usize = 4096;
/// Publications in a group.
const GROUP: usize = 512;

/// A verified document on its way into the database.
pub(crate) enum Document {
    Mapping(Box<VerifiedMapping>),
    Removal(Box<Signed<Removal>>),
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is durable now; the signed receipt.
    New(Vec<u8>),
    /// It was published before; the same receipt.
    Known(Vec<u8>),
}

/// Why a document was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the writer has too much to do, or has stopped")]
    Busy,
    #[error("the disk is full")]
    Full,
    #[error("the database failed")]
    Failed,
}

type Outcome = Result<Published, WriteError>;

struct Job {
    document: Document,
    reply: oneshot::Sender<Outcome>,
}

/// What the writer needs besides the database.
pub(crate) struct Parts {
    pub(crate) engine: Arc<Engine>,
    pub(crate) labels: Arc<LabelKey>,
    pub(crate) provider: String,
    pub(crate) receipt_key: SigningKey,
    /// The longest life of any trusted credential.
    pub(crate) horizon: Duration,
    pub(crate) clock: Clock,
}

/// A handle to the writer; the thread ends when the last one is dropped.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the head of the log cannot be read.
    pub(crate) fn start(parts: Parts) -> Result<Self, EngineError> {
        let head = parts.engine.head()?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::spawn(move || Work { parts, head }.run(jobs));
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Publishes a document; returns once it is durable, or refused.
    pub(crate) async fn publish(&self, document: Document) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(WriteError::Busy)?;
        queue.try_send(Job { document, reply }).map_err(|_| WriteError::Busy)?;
        answer.await.map_err(|_| WriteError::Failed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

struct Work {
    parts: Parts,
    head: u64,
}

/// A group on its way: what it has changed so far, and whom to answer.
#[derive(Default)]
struct Group {
    records: HashMap<Label, Record>,
    receipts: HashMap<[u8; 32], Vec<u8>>,
    changes: Changes,
    replies: Vec<(oneshot::Sender<Outcome>, Outcome)>,
}

impl Work {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = Group::default();
            let mut head = self.head;
            let mut next = Some(first);
            while let Some(job) = next {
                let outcome = self.apply(&mut group, &mut head, &job.document);
                group.replies.push((job.reply, outcome));
                next = if group.replies.len() < GROUP { jobs.try_recv().ok() } else { None };
            }
            self.commit(group, head);
        }
    }

    /// Applies one document to the group; nothing is durable yet.
    fn apply(&self, group: &mut Group, head: &mut u64, document: &Document) -> Outcome {
        let failed = |error: EngineError| {
            tracing::error!(%error, "the database cannot be read");
            WriteError::Failed
        };
        let (hash, bytes, cpi, kind) = match document {
            Document::Mapping(mapping) => (mapping.hash(), mapping.bytes(), &mapping.mapping().cpi, Kind::Mapping),
            Document::Removal(removal) => (removal.hash(), removal.bytes(), &removal.document().cpi, Kind::Removal),
        };
        let known = group.receipts.get(&hash).cloned();
        if let Some(receipt) =
            known.map_or_else(|| self.parts.engine.receipt(&hash), |receipt| Ok(Some(receipt))).map_err(failed)?
        {
            return Ok(Published::Known(receipt));
        }
        let label = self.parts.labels.label(cpi);
        let record = match group.records.get(&label) {
            Some(record) => record.clone(),
            None => self.parts.engine.record(&label).map_err(failed)?.unwrap_or_default(),
        };
        let now = (self.parts.clock)();
        let next = match document {
            Document::Mapping(mapping) => rules::publish(&record, mapping, now, self.parts.horizon)?,
            Document::Removal(removal) => rules::remove(&record, removal.document(), now),
        };
        *head += 1;
        let receipt = Receipt {
            provider: self.parts.provider.clone(),
            published_hash: hash,
            position: position(*head),
            issued_at: now,
        };
        let receipt = Signed::sign(receipt, &self.parts.receipt_key).bytes().to_vec();
        let entry = LogEntry { number: *head, kind, document: bytes.to_vec() };
        group.changes.record(label, &next);
        group.changes.entry(entry, hash, receipt.clone());
        group.records.insert(label, next);
        group.receipts.insert(hash, receipt.clone());
        Ok(Published::New(receipt))
    }

    /// Makes the group durable and answers. If it cannot be written, nothing of it has happened.
    fn commit(&mut self, group: Group, head: u64) {
        let start = Instant::now();
        let written = if group.changes.is_empty() { Ok(()) } else { self.parts.engine.write(group.changes) };
        match &written {
            Ok(()) => {
                self.head = head;
                ::metrics::gauge!(metrics::LOG_HEAD).set(gauge(head));
                ::metrics::histogram!(metrics::SYNC_SECONDS).record(start.elapsed());
            }
            Err(error) => tracing::error!(%error, "a group of publications cannot be written"),
        }
        for (reply, outcome) in group.replies {
            let outcome = match (&written, outcome) {
                (Err(error), Ok(_)) if error.is_full() => Err(WriteError::Full),
                (Err(_), Ok(_)) => Err(WriteError::Failed),
                (_, outcome) => outcome,
            };
            // Whoever asked may be gone; what is durable stays so.
            let _ = reply.send(outcome);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float; it is exact up to 2^53")]
const fn gauge(number: u64) -> f64 {
    number as f64
}
