//! Durable state, as the prover asks for it: [`Storage`]. Two engines keep it: [`Rocks`], in a folder, for one prover; [`Cql`], in a
//! cluster, for any number of provers that are one. [`Engine`] is either, as the settings say.
//!
//! A [`Change`] is made wholly or not at all, with its entry of the audit trail, and only if what it was judged by is still so:
//! otherwise it is overtaken, and whoever asked reads and judges again. `suite` holds what both must do.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod cql;
mod engine;
mod rocks;
#[cfg(test)]
mod suite;
pub(crate) mod trail;

use std::future::Future;

use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;

use crate::enrollment::{Damaged, RequestKey, Stored};
use audit::BrokenTrail;
use change::Change;

pub(crate) use cql::Cql;
pub(crate) use engine::Engine;
pub(crate) use rocks::{Database, Rocks};

/// The newest format that this version reads, of either engine.
const FORMAT: u32 = 1;

/// What a prover asks of an engine.
pub(crate) trait Storage: Send + Sync + 'static {
    /// An enrollment.
    fn enrollment(&self, id: EnrollmentId) -> impl Future<Output = Result<Option<Stored>, StorageError>> + Send;

    /// The enrollment that a request opened.
    fn enrollment_of(&self, request: RequestKey) -> impl Future<Output = Result<Option<Stored>, StorageError>> + Send;

    /// A credential that was issued and has not expired.
    fn credential(&self, id: [u8; 16]) -> impl Future<Output = Result<Option<Vec<u8>>, StorageError>> + Send;

    /// A number for the enrollment that this request is to open: random, but for what the engine finds it by.
    fn new_id(&self, request: &RequestKey) -> EnrollmentId;

    /// Makes a change; returns once it is durable, if it asks for that, or visible otherwise. After [`WriteError::Busy`] and
    /// [`WriteError::Failed`] nobody knows whether it was made, or will be.
    fn write(&self, change: Change) -> impl Future<Output = Result<(), WriteError>> + Send;

    /// Forgets what is over at `now`, `most` of it at a time; answers how much that was.
    fn sweep(&self, now: Timestamp, most: usize) -> impl Future<Output = Result<usize, WriteError>> + Send;

    /// Checks the whole audit trail; answers how many entries it has.
    fn check_audit(&self) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Whether it can do what it is asked.
    fn is_ready(&self) -> impl Future<Output = bool> + Send;
}

/// Why the database cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// RocksDB refuses.
    #[error("database: {0}")]
    Rocks(#[from] rocksdb::Error),
    /// The cluster cannot be reached, or refuses.
    #[error("database: {0}")]
    Cluster(#[from] cluster::Error),
    /// What is stored cannot be read; the text names the rule it breaks.
    #[error("database: {0}")]
    Damaged(String),
    /// Written by a newer version of this software.
    #[error("database: its format {0} is newer than {FORMAT}, the newest that this version reads")]
    Newer(u32),
    /// The audit trail does not hold.
    #[error("database: {0}")]
    Trail(#[from] BrokenTrail),
    /// The audit trail of one bucket of a cluster does not hold.
    #[error("database: bucket {0}: {1}")]
    TrailOf(u32, BrokenTrail),
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("something else was changed meanwhile")]
    Overtaken,
    #[error("the database has too much to do, or cannot be reached")]
    Busy,
    #[error("the disk is full")]
    Full,
    #[error("the database failed")]
    Failed,
}

impl From<Damaged> for StorageError {
    fn from(error: Damaged) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl StorageError {
    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Rocks(error) if error.to_string().contains("No space left"))
    }

    /// Whether it may pass by itself.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Cluster(cluster::Error::Failed(_)))
    }
}
