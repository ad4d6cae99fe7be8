//! The one thread that changes anything. It takes all that waits, applies it in order against what the group has changed so
//! far, hands the engine one update for each record, and only then answers: many publications share a sync, and those for
//! one CPI are serialised. The log has the documents in the order in which they were handed in, unless the engine has other
//! writers as well: then that holds for those of one CPI.

mod job;
mod work;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::Signed;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::removal::Removal;
use service::CancellationToken;
use tokio::sync::{mpsc, oneshot, watch};

use crate::label::{Labels, Ring};
use crate::rules::Refusal;
use crate::storage::{Kind, Stamp, Storage, StorageError};
use crate::store::Clock;
use job::Job;
use work::Work;

/// Publications that may wait; further ones are refused at once.
const QUEUE: usize = 4096;
/// How long after the last handle is gone the writer goes on with what waits. Nobody has been told of it yet.
const FINISHING: Duration = Duration::from_secs(5);

/// A verified document on its way into the database.
pub(crate) enum Document {
    Mapping(Box<VerifiedMapping>),
    Removal(Box<Signed<Removal>>),
}

impl Document {
    /// What it is about.
    pub(crate) fn cpi(&self) -> &Cpi {
        match self {
            Self::Mapping(mapping) => &mapping.mapping().cpi,
            Self::Removal(removal) => &removal.document().cpi,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Mapping(_) => Kind::Mapping,
            Self::Removal(_) => Kind::Removal,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapping(mapping) => mapping.bytes(),
            Self::Removal(removal) => removal.bytes(),
        }
    }

    fn hash(&self) -> [u8; 32] {
        match self {
            Self::Mapping(mapping) => mapping.hash(),
            Self::Removal(removal) => removal.hash(),
        }
    }
}

/// A document that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) hash: [u8; 32],
    pub(crate) stamp: Stamp,
    /// Whether it was published just now, or before.
    pub(crate) new: bool,
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

impl From<StorageError> for WriteError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full => Self::Full,
            StorageError::Failed(_)
            | StorageError::Damaged(_)
            | StorageError::Open { .. }
            | StorageError::Newer { .. } => Self::Failed,
        }
    }
}

/// What became of one document.
pub(crate) type Outcome = Result<Written, WriteError>;

/// What the writer needs.
pub(crate) struct Parts<S> {
    pub(crate) storage: Arc<S>,
    pub(crate) labels: Arc<Labels>,
    /// The longest life of any trusted credential.
    pub(crate) horizon: Duration,
    pub(crate) clock: Clock,
    /// The last number of each shard, for those who wait for more.
    pub(crate) heads: Arc<[watch::Sender<u64>]>,
}

/// A handle to the writer; the thread ends when it is dropped, once what waits is written or [`FINISHING`] is over.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    closing: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread or a timer.
    pub(crate) fn start<S: Storage>(parts: Parts<S>) -> io::Result<Self> {
        Self::start_to_finish_within(FINISHING, parts)
    }

    fn start_to_finish_within<S: Storage>(finishing: Duration, parts: Parts<S>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let closing = CancellationToken::new();
        let closed = closing.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            let late = async {
                closed.cancelled().await;
                tokio::time::sleep(finishing).await;
            };
            runtime.block_on(async {
                // As if the process were killed: what was not acknowledged may or may not have been done.
                tokio::select! {
                    biased;
                    () = Work::new(parts).run(jobs) => {}
                    () = late => tracing::warn!("the database is silent; publications that waited for it are given up"),
                }
            });
        };
        let thread = std::thread::Builder::new().name("mapping-writer".to_owned()).spawn(work)?;
        Ok(Self { queue: Some(queue), closing, thread: Some(thread) })
    }

    /// Whether anything that is handed in will be written: not once the thread has panicked.
    pub(crate) fn is_running(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_closed())
    }

    /// Hands in a document: its turn is settled when this returns. The answer comes once it is durable, or refused.
    pub(crate) fn publish(&self, document: Document) -> Result<Answer<Written>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::Publish { document, reply })?;
        Ok(Answer(answer))
    }

    /// Hands in many documents that are written in one step, with one sync. The answer has an outcome for each, in their order.
    pub(crate) fn publish_all(&self, documents: Vec<Document>) -> Result<Answer<Vec<Outcome>>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::PublishAll { documents, reply })?;
        Ok(Answer(answer))
    }

    /// Moves the records of these CPIs from the label under the previous key to that under the current one.
    pub(crate) fn move_records(&self, cpis: Vec<Cpi>) -> Result<Answer<usize>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::Move { cpis, reply })?;
        Ok(Answer(answer))
    }

    /// Works with these keys from here on. What was handed in before may be done with the ones before.
    pub(crate) fn replace_keys(&self, ring: Arc<Ring>) -> Result<Answer<()>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::Replace { ring, reply })?;
        Ok(Answer(answer))
    }

    /// Sweeps records whose time has come, `most` at once. Answers how many they were.
    pub(crate) fn sweep(&self, most: usize) -> Result<Answer<usize>, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::Sweep { most, reply })?;
        Ok(Answer(answer))
    }

    fn hand_in(&self, job: Job) -> Result<(), WriteError> {
        let queue = self.queue.as_ref().ok_or(WriteError::Busy)?;
        queue.try_send(job).map_err(|_| WriteError::Busy)
    }
}

/// What the writer will say.
pub(crate) struct Answer<T>(oneshot::Receiver<Result<T, WriteError>>);

impl<T> Answer<T> {
    pub(crate) async fn wait(self) -> Result<T, WriteError> {
        self.0.await.map_err(|_| WriteError::Failed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        self.closing.cancel();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::LabelKey;
    use crate::storage::memory::Memory;

    const DEADLINE: Duration = Duration::from_secs(60);

    /// A cluster that is silent keeps no process from ending.
    #[test]
    fn what_a_silent_database_keeps_waiting_is_given_up() {
        let (storage, clock) = (Arc::new(Memory::new(1)), Arc::new(|| protocol::Timestamp::from_seconds(7)));
        storage.fall_silent();
        let parts = Parts {
            storage,
            labels: Arc::new(Labels::new(Ring::of(LabelKey::new([5; 32])))),
            horizon: Duration::ZERO,
            clock,
            heads: Arc::new([]),
        };
        let writer = Writer::start_to_finish_within(Duration::from_millis(1), parts).unwrap();
        let (swept, waits) = (writer.sweep(1).unwrap(), writer.sweep(1).unwrap());
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(writer);
            ended.send(()).unwrap();
        });
        end.recv_timeout(DEADLINE).unwrap();
        for answer in [swept, waits] {
            assert_eq!(futures_util::FutureExt::now_or_never(answer.wait()), Some(Err(WriteError::Failed)));
        }
    }
}
