//! [`Store`]: publish, remove, look up, follow. Cheap to clone; all clones are one store.

mod conflict;
mod error;
mod find;
mod lookup;
pub(crate) mod moved;
mod open;
mod publish;
mod restored;
pub(crate) mod rotation;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::receipt::Position;
use protocol::trust::TrustAnchors;
use protocol::{PublicKey, SigningKey, Timestamp};
use tokio::sync::{Mutex, Notify, watch};

use crate::hash_key;
use crate::issuers::Issuers;
use crate::label::Labels;
use crate::storage::{Checked, Disagreement, Engine, LogEntry, Storage, StorageError};
use crate::writer::{Answer, Writer, Written};

pub use error::{ConflictError, LookupFailure, OpenError, PublishError};
pub use lookup::Answered;
pub(crate) use restored::{is_restored, mark as mark_restored};
pub(crate) use rotation::cpi_of;
pub use rotation::{Rotating, RotationError};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().into())
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is durable now; the signed receipt.
    New(Vec<u8>),
    /// It was published before; the same receipt.
    Known(Vec<u8>),
}

/// A mapping store over an engine.
pub struct Store<S: Storage = Engine> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    // Dropped first: the writer finishes what waits before the database closes.
    writer: Writer,
    storage: Arc<S>,
    heads: Arc<[watch::Sender<u64>]>,
    labels: Arc<Labels>,
    hash_key: hash_key::Source,
    /// Held by whoever changes the hash key.
    rotating: Mutex<()>,
    rotation: Notify,
    trust: TrustAnchors,
    issuers: Issuers,
    provider: String,
    receipt_key: SigningKey,
    receipt_public: PublicKey,
    max_answer_bytes: usize,
    clock: Clock,
}

/// A document that has been handed in.
pub(crate) struct Submitted(Answer<Written>);

impl<S: Storage> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Store {
    /// Copies the database as it is now into `folder`, which must not exist. Publications go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; a cluster has means of its own.
    pub async fn checkpoint(&self, folder: PathBuf) -> Result<(), StorageError> {
        let store = self.clone();
        let copying = tokio::task::spawn_blocking(move || match store.shared.storage.embedded() {
            Some(rocks) => rocks.checkpoint(&folder),
            None => Err(StorageError::Failed("a cluster is backed up by its own means".to_owned())),
        });
        copying.await.unwrap_or_else(|_| Err(StorageError::Failed("the copy was cut off".to_owned())))
    }

    /// Whether other stores have the same database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(*self.shared.storage, Engine::Cql(_))
    }

    /// Whether the engine answers and publications are written.
    pub(crate) async fn is_ready(&self) -> bool {
        let answers = match &*self.shared.storage {
            Engine::Rocks(_) => true,
            Engine::Cql(cluster) => cluster.is_ready().await,
        };
        answers && self.shared.writer.is_running()
    }

    /// Learns what other stores of the same cluster have published, for those who wait for it.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub(crate) async fn look_around(&self) -> Result<(), StorageError> {
        let Engine::Cql(cluster) = &*self.shared.storage else { return Ok(()) };
        for (head, known) in cluster.heads().await?.into_iter().zip(&*self.shared.heads) {
            known.send_if_modified(|known| {
                let later = *known < head;
                *known = head.max(*known);
                later
            });
        }
        Ok(())
    }
}

impl<S: Storage> Store<S> {
    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.shared.provider
    }

    /// The key under which receipts are signed; clients pin it.
    #[must_use]
    pub fn receipt_key(&self) -> &PublicKey {
        &self.shared.receipt_public
    }

    /// The names of the trusted ID Provers.
    pub fn provers(&self) -> impl Iterator<Item = &str> {
        self.shared.trust.iter().map(|anchor| anchor.prover.as_str())
    }

    /// Drops what time has overtaken in up to `most` records. Answers how many they were; fewer than `most` means that no
    /// more are due.
    ///
    /// # Errors
    ///
    /// [`PublishError::Busy`], [`PublishError::Full`] or [`PublishError::Failed`].
    pub async fn sweep(&self, most: usize) -> Result<usize, PublishError> {
        Ok(self.shared.writer.sweep(most)?.wait().await?)
    }

    /// Walks the whole database and compares records, log, stamps and index.
    ///
    /// # Errors
    ///
    /// The first [`Disagreement`].
    pub async fn check(&self) -> Result<Checked, Disagreement> {
        crate::storage::check(&*self.shared.storage).await
    }

    /// How many shards the log has.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shared.storage.shards()
    }

    /// What was published after a position, in order, within bounds.
    pub(crate) async fn changes(
        &self,
        after: Position,
        most: usize,
        max_bytes: usize,
    ) -> Result<Vec<LogEntry>, StorageError> {
        self.shared.storage.log_after(after, most, max_bytes).await
    }

    /// The last number of a shard, as it grows; none if there is no such shard.
    pub(crate) fn head(&self, shard: u32) -> Option<watch::Receiver<u64>> {
        self.shared.heads.get(shard as usize).map(watch::Sender::subscribe)
    }

    /// The store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// The longest life of any trusted credential.
    pub(crate) fn horizon(&self) -> Duration {
        self.shared.trust.max_credential_lifetime()
    }

    /// When the document of this hash was published, if it was: one whose entry stands in this shard.
    pub(crate) async fn published_at(&self, shard: u32, hash: &[u8; 32]) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.shared.storage.stamp_in(shard, hash).await?.map(|stamp| stamp.at))
    }

    /// The engine itself.
    pub(crate) fn storage(&self) -> &S {
        &self.shared.storage
    }

    /// Sets the gauges.
    pub(crate) async fn observe(&self) {
        if let Ok(rotating) = self.rotating().await {
            ::metrics::gauge!(crate::metrics::HASH_KEY_MOVED_RATIO).set(rotating.ratio());
        }
        let heads: Vec<_> = self.shared.heads.iter().map(|head| *head.borrow()).collect();
        crate::metrics::observe(&heads, self.shared.storage.tally(), self.shared.storage.figures());
    }
}
