//! Finding the record of a CPI, whichever key it stands under.

use std::sync::Arc;

use protocol::cpi::Cpi;

use super::Store;
use crate::storage::{Storage, StorageError, Stored};

impl<S: Storage> Store<S> {
    /// Reads the record of `cpi`, or none, where it lies.
    ///
    /// While the hash key is changed a record moves from one label to another in one step. Under the old label first, then
    /// under the new one: one of the two reads meets it. A change that begins between the two leads to another try.
    pub(crate) async fn find<T: Send>(
        &self,
        cpi: &Cpi,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> Result<T, StorageError> {
        let mut read = Some(read);
        loop {
            let ring = Arc::clone(&self.shared.labels.ring());
            for label in ring.places(cpi) {
                let lend = |stored: Option<Stored<'_>>| {
                    let stored = stored?;
                    read.take().map(|read| read(Some(stored)))
                };
                if let Some(found) = self.shared.storage.record(&label, lend).await? {
                    return Ok(found);
                }
            }
            if self.shared.labels.is_still(&ring)
                && let Some(read) = read.take()
            {
                return Ok(read(None));
            }
        }
    }
}
