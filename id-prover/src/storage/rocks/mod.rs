//! The embedded engine: a [`Database`], and the [`Writer`] through which all changes of it go.

mod database;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;

use super::change::Change;
use super::{Storage, StorageError, WriteError};
use crate::enrollment::{RequestKey, Stored};
use writer::Writer;

pub(crate) use database::Database;
pub(super) use database::Pending;

/// An open database with its writer.
pub(crate) struct Rocks {
    // Dropped first: the writer finishes what waits before the database closes.
    writer: Writer,
    database: Arc<Database>,
    /// Where the last sweep ended: before it there is nothing but what was deleted.
    swept: Mutex<Timestamp>,
}

impl Rocks {
    /// Opens the database in `folder`, creating it if there is none; blocks.
    pub(crate) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let database = Arc::new(Database::open(folder, cache_bytes)?);
        Ok(Self { writer: Writer::start(Arc::clone(&database))?, database, swept: Mutex::default() })
    }

    /// What lies below.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Reads off the threads that serve connections.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let database = Arc::clone(&self.database);
        let read = tokio::task::spawn_blocking(move || read(&database));
        read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Changes that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.writer.waiting()
    }

    fn swept(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Rocks {
    async fn enrollment(&self, id: EnrollmentId) -> Result<Option<Stored>, StorageError> {
        self.read(move |database| database.enrollment(&id)).await
    }

    async fn enrollment_of(&self, request: RequestKey) -> Result<Option<Stored>, StorageError> {
        self.read(move |database| database.enrollment_of(&request)).await
    }

    async fn credential(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(move |database| database.credential(&id)).await
    }

    fn new_id(&self, _request: &RequestKey) -> EnrollmentId {
        EnrollmentId::from_bytes(rand::random())
    }

    async fn write(&self, change: Change) -> Result<(), WriteError> {
        self.writer.write(change).await
    }

    /// A clock that was set back takes the place where the last one ended along.
    async fn sweep(&self, now: Timestamp, most: usize) -> Result<usize, WriteError> {
        let start = {
            let mut swept = self.swept();
            *swept = now.min(*swept);
            *swept
        };
        let due = self.read(move |database| database.due(start, now, most)).await.map_err(|error| {
            tracing::error!(%error, "the database cannot be read");
            WriteError::Failed
        })?;
        let Some(last) = due.last() else { return Ok(0) };
        let last = last.at;
        self.writer.write(Change::sweep(&due)).await?;
        *self.swept() = last;
        Ok(due.len())
    }

    async fn check_audit(&self) -> Result<u64, StorageError> {
        self.read(Database::check_audit).await
    }

    /// Whether it can be written to.
    async fn is_ready(&self) -> bool {
        self.writer.is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{NOW, requested};

    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn without_its_writer_it_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(folder.path(), 1 << 20).unwrap();
        let requested = requested(7);
        rocks.write(Change::open(&requested, NOW)).await.unwrap();
        assert!(rocks.is_ready().await);
        let panics = Change::late(|| panic!("as a test wants it"));
        assert_eq!(rocks.write(panics).await, Err(WriteError::Failed));
        // The answer is gone a little before the queue is.
        let closed = async {
            while rocks.is_ready().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, closed).await.unwrap();
        assert_eq!(rocks.write(Change::drop(requested.clone(), NOW)).await, Err(WriteError::Busy));
        assert!(rocks.enrollment(requested.facts.id).await.unwrap().is_some());
    }
}
