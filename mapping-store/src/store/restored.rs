//! A database restored from a backup.
//!
//! What was published after the backup is missing in it: what was withdrawn since would be found again, and numbers that
//! receipts name would be given out anew. Until it is brought forward it is marked (note `restored`, the head of each shard,
//! 8 bytes each) and not served.

use super::{OpenError, Store};
use crate::storage::{Rocks, Storage, StorageError};

const NOTE: &str = "restored";

/// Refuses a database that is marked.
pub(super) fn refuse(storage: &Rocks) -> Result<(), OpenError> {
    storage.read_note(NOTE)?.map_or(Ok(()), |_| Err(OpenError::Restored(storage.heads().iter().sum())))
}

/// Whether it is marked.
pub(crate) async fn is_restored(storage: &Rocks) -> Result<bool, StorageError> {
    Ok(storage.note(NOTE).await?.is_some())
}

/// Marks a database.
pub(crate) fn mark(storage: &Rocks) -> Result<(), StorageError> {
    let heads: Vec<u8> = storage.heads().into_iter().flat_map(u64::to_be_bytes).collect();
    storage.write_note(NOTE, Some(&heads))
}

impl<S: Storage> Store<S> {
    /// Whether the database was restored and is yet to be brought forward.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn is_to_be_brought_forward(&self) -> Result<bool, StorageError> {
        Ok(self.shared.storage.note(NOTE).await?.is_some())
    }

    /// Takes the mark away.
    pub(crate) async fn brought_forward(&self) -> Result<(), StorageError> {
        self.shared.storage.set_note(NOTE, None).await
    }
}
