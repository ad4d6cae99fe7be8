//! [`Engine`]: whichever of the two the settings name.

use protocol::Timestamp;
use protocol::receipt::Position;

use super::{Cql, Figures, LogEntry, Rocks, Stamp, Storage, StorageError, Stored, Tally, Update, Updated};
use crate::label::Label;

/// The engine of a store.
pub enum Engine {
    /// A folder of this machine, for one process.
    Rocks(Box<Rocks>),
    /// A cluster, for any number of stores.
    Cql(Cql),
}

impl Engine {
    /// The embedded database, if it is one.
    pub(crate) fn embedded(&self) -> Option<&Rocks> {
        match self {
            Self::Rocks(rocks) => Some(rocks),
            Self::Cql(_) => None,
        }
    }
}

/// Does the same with either.
macro_rules! either {
    ($engine:expr, $storage:ident => $what:expr) => {
        match $engine {
            Engine::Rocks($storage) => $what,
            Engine::Cql($storage) => $what,
        }
    };
}

impl Storage for Engine {
    fn shards(&self) -> u32 {
        either!(self, storage => storage.shards())
    }

    fn reads_at_once(&self) -> usize {
        either!(self, storage => storage.reads_at_once())
    }

    async fn record<T: Send>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> Result<T, StorageError> {
        either!(self, storage => storage.record(label, read).await)
    }

    async fn update(&self, updates: Vec<Update>) -> Result<Vec<Updated>, StorageError> {
        either!(self, storage => storage.update(updates).await)
    }

    async fn stamp_in(&self, shard: u32, hash: &[u8; 32]) -> Result<Option<Stamp>, StorageError> {
        either!(self, storage => storage.stamp_in(shard, hash).await)
    }

    async fn head(&self, shard: u32) -> Result<u64, StorageError> {
        either!(self, storage => storage.head(shard).await)
    }

    async fn log_after(&self, after: Position, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, StorageError> {
        either!(self, storage => storage.log_after(after, most, max_bytes).await)
    }

    async fn due(&self, until: Timestamp, most: usize) -> Result<Vec<Label>, StorageError> {
        either!(self, storage => storage.due(until, most).await)
    }

    async fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Label)>, StorageError> {
        either!(self, storage => storage.indexed(after, most).await)
    }

    async fn scan(&self, after: Option<Label>, most: usize) -> Result<Vec<(Label, Vec<u8>)>, StorageError> {
        either!(self, storage => storage.scan(after, most).await)
    }

    async fn cursor(&self, source: &str, shard: u32) -> Result<u64, StorageError> {
        either!(self, storage => storage.cursor(source, shard).await)
    }

    async fn set_cursor(&self, source: &str, at: Position) -> Result<(), StorageError> {
        either!(self, storage => storage.set_cursor(source, at).await)
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        either!(self, storage => storage.note(name).await)
    }

    async fn set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        either!(self, storage => storage.set_note(name, note).await)
    }

    fn tally(&self) -> Tally {
        either!(self, storage => storage.tally())
    }

    fn figures(&self) -> Figures {
        either!(self, storage => storage.figures())
    }
}
