//! Changing the hash key while the store serves.
//!
//! 1. The new key and the old one are written to the key file, then their check values to the database; from then on
//!    records are written under the new key and looked for under both.
//! 2. The log is walked from its first entry: it has a document of every CPI that has a record. Records move in steps of
//!    [`STEP`] entries, each one atomic, publications in between; the position is durable after each step.
//! 3. At the log's end nothing stands under the old key: it is dropped from the database's note, then from memory and file.
//!
//! Cut short anywhere, it goes on from the last step at the next start.

use std::sync::Arc;

use protocol::Unverified;
use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::receipt::Position;
use protocol::removal::Removal;

use super::{PublishError, Store};
use crate::hash_key::{self, HashKeyError};
use crate::label::{LabelKey, Ring};
use crate::storage::{Kind, LogEntry, Storage, StorageError};

/// Log entries in a step.
const STEP: usize = 256;
const STEP_BYTES: usize = 1024 * 1024;

/// Why the hash key is not changed, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Several stores would have to change it at one moment.
    #[error(
        "the hash key of a cluster's database cannot be changed: export it, and import it into one with another key"
    )]
    Cluster,
    /// The key's file.
    #[error(transparent)]
    Key(#[from] HashKeyError),
    /// The writer.
    #[error(transparent)]
    Store(#[from] PublishError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotating {
    /// Log entries whose records stand under the new key.
    pub done: u64,
    /// Log entries in all.
    pub all: u64,
}

impl Rotating {
    const NONE: Self = Self { done: 1, all: 1 };

    /// The part that is done: 0 to 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        if self.all == 0 {
            1.0
        } else {
            crate::metrics::float(self.done.min(self.all)) / crate::metrics::float(self.all)
        }
    }
}

impl<S: Storage> Store<S> {
    /// Whether records may stand under two hash keys.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        self.shared.labels.ring().previous.is_some()
    }

    /// Waits until a rotation has begun. One task waits.
    pub(crate) async fn rotation_begun(&self) {
        while !self.is_rotating() {
            self.shared.rotation.notified().await;
        }
    }

    /// Begins to change the hash key to a new one, unless a change is under way. [`Store::rotate`] carries it through.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; if the key's file cannot be written, nothing has changed.
    pub async fn begin_rotation(&self) -> Result<(), RotationError> {
        let _one = self.shared.rotating.lock().await;
        let ring = Arc::clone(&self.shared.labels.ring());
        if ring.previous.is_some() {
            return Ok(());
        }
        let previous = Some(LabelKey::new(*ring.current.secret()));
        let ring = Arc::new(Ring { current: LabelKey::new(rand::random()), previous });
        self.shared.hash_key.write(&ring)?;
        let storage = &*self.shared.storage;
        storage.set_note(hash_key::MOVED_NOTE, None).await?;
        storage.set_note(hash_key::NOTE, Some(ring.checks().as_flattened())).await?;
        self.replace_keys(ring).await?;
        self.shared.rotation.notify_one();
        tracing::info!("the hash key is being changed");
        Ok(())
    }

    /// How far a change of the hash key is; all done if there is none.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn rotating(&self) -> Result<Rotating, StorageError> {
        if !self.is_rotating() {
            return Ok(Rotating::NONE);
        }
        let mut rotating = Rotating::default();
        let moved = self.moved().await?;
        for shard in 0..self.shards() {
            rotating.all += self.shared.storage.head(shard).await?;
            rotating.done += moved.get(shard as usize).copied().unwrap_or_default();
        }
        Ok(rotating)
    }

    /// Carries a change of the hash key through, if one is under way; it may be dropped between any two steps and called
    /// again. `watch` is told after each step.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; what has moved stays moved.
    pub async fn rotate(&self, mut watch: impl FnMut(Rotating)) -> Result<(), RotationError> {
        let _one = self.shared.rotating.lock().await;
        let ring = Arc::clone(&self.shared.labels.ring());
        if ring.previous.is_none() {
            return Ok(());
        }
        for shard in 0..self.shards() {
            while self.step(shard).await? {
                watch(self.rotating().await?);
            }
        }
        let ring = Arc::new(Ring::of(LabelKey::new(*ring.current.secret())));
        let storage = &*self.shared.storage;
        storage.set_note(hash_key::NOTE, Some(ring.checks().as_flattened())).await?;
        storage.set_note(hash_key::MOVED_NOTE, None).await?;
        self.replace_keys(Arc::clone(&ring)).await?;
        watch(Rotating::NONE);
        match self.shared.hash_key.write(&ring) {
            Ok(()) => tracing::info!("the hash key is changed; the old one is dropped"),
            Err(error) => tracing::warn!(%error, "the hash key is changed; take the old one out by hand"),
        }
        Ok(())
    }

    /// Moves the records of the next entries; whether there were any.
    async fn step(&self, shard: u32) -> Result<bool, RotationError> {
        let mut moved = self.moved().await?;
        moved.resize(self.shards() as usize, 0);
        let number = &mut moved[shard as usize];
        let entries = self.changes(Position { shard, number: *number }, STEP, STEP_BYTES).await?;
        let Some(last) = entries.last() else { return Ok(false) };
        *number = last.position.number;
        let cpis = entries.iter().map(cpi_of).collect::<Result<_, _>>()?;
        self.shared.writer.move_records(cpis).map_err(PublishError::from)?.wait().await.map_err(PublishError::from)?;
        let note: Vec<u8> = moved.into_iter().flat_map(u64::to_be_bytes).collect();
        self.shared.storage.set_note(hash_key::MOVED_NOTE, Some(&note)).await?;
        Ok(true)
    }

    async fn replace_keys(&self, ring: Arc<Ring>) -> Result<(), PublishError> {
        Ok(self.shared.writer.replace_keys(ring)?.wait().await?)
    }

    async fn moved(&self) -> Result<Vec<u64>, StorageError> {
        let note = self.shared.storage.note(hash_key::MOVED_NOTE).await?.unwrap_or_default();
        Ok(note.as_chunks().0.iter().copied().map(u64::from_be_bytes).collect())
    }
}

/// The CPI that an entry of our own log is about: it was verified when it was written.
pub(crate) fn cpi_of(entry: &LogEntry) -> Result<Cpi, StorageError> {
    let damaged = StorageError::Damaged("a document of the log");
    match entry.kind {
        Kind::Mapping => UnverifiedMapping::parse(&entry.document)
            .map(|mapping| mapping.unverified_cpi().clone())
            .map_err(|_| damaged),
        Kind::Removal => Unverified::<Removal>::parse(&entry.document)
            .map(|removal| removal.unverified_document().cpi.clone())
            .map_err(|_| damaged),
    }
}
