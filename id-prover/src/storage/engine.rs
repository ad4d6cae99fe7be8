//! [`Engine`]: whichever of the two the settings name.

use std::time::Duration;

use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;

use super::change::Change;
use super::{Cql, Rocks, Storage, StorageError, WriteError};
use crate::enrollment::{RequestKey, Stored};

/// The engine of a prover.
pub(crate) enum Engine {
    /// A folder of this machine, for one process.
    Rocks(Rocks),
    /// A cluster, for any number of provers.
    Cql(Cql),
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

impl Engine {
    /// Whether other provers may have the same state.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Cql(_))
    }

    /// How long a change may take where other provers may have the same state; nothing where there are none.
    pub(crate) fn change_time(&self) -> Option<Duration> {
        match self {
            Self::Rocks(_) => None,
            Self::Cql(cql) => Some(cql.change_time()),
        }
    }
}

impl Storage for Engine {
    async fn enrollment(&self, id: EnrollmentId) -> Result<Option<Stored>, StorageError> {
        either!(self, storage => storage.enrollment(id).await)
    }

    async fn enrollment_of(&self, request: RequestKey) -> Result<Option<Stored>, StorageError> {
        either!(self, storage => storage.enrollment_of(request).await)
    }

    async fn credential(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageError> {
        either!(self, storage => storage.credential(id).await)
    }

    fn new_id(&self, request: &RequestKey) -> EnrollmentId {
        either!(self, storage => storage.new_id(request))
    }

    async fn write(&self, change: Change) -> Result<(), WriteError> {
        either!(self, storage => storage.write(change).await)
    }

    async fn sweep(&self, now: Timestamp, most: usize) -> Result<usize, WriteError> {
        either!(self, storage => storage.sweep(now, most).await)
    }

    async fn check_audit(&self) -> Result<u64, StorageError> {
        either!(self, storage => storage.check_audit().await)
    }

    async fn is_ready(&self) -> bool {
        either!(self, storage => storage.is_ready().await)
    }
}
