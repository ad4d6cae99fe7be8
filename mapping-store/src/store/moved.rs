//! An embedded database that was carried into a cluster: marked (note `moved`), and not served again.

use super::OpenError;
use crate::storage::{Rocks, StorageError};

const NOTE: &str = "moved";

/// Refuses a database that is marked.
pub(super) fn refuse(storage: &Rocks) -> Result<(), OpenError> {
    storage.read_note(NOTE)?.map_or(Ok(()), |_| Err(OpenError::Moved))
}

/// Marks a database.
pub(crate) fn mark(storage: &Rocks) -> Result<(), StorageError> {
    storage.write_note(NOTE, Some(b"1"))
}
