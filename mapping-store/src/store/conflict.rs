//! What a displaced holder is told.

use protocol::Signed;
use protocol::conflict::{ConflictNotice, ConflictQuery};

use super::{ConflictError, Store};
use crate::record::{Damaged, View};
use crate::storage::{Storage, StorageError, Stored};

impl<S: Storage> Store<S> {
    /// Answers a displaced holder's [`ConflictQuery`] with a signed [`ConflictNotice`].
    ///
    /// # Errors
    ///
    /// [`ConflictError`]; [`ConflictError::None`] if nothing of that key's was displaced.
    pub async fn conflict(&self, query: &[u8]) -> Result<Vec<u8>, ConflictError> {
        let now = (self.shared.clock)();
        let query = ConflictQuery::verify(query, &self.shared.provider, now)?;
        let (cpi, holder) = (query.document().cpi.clone(), query.signer().thumbprint());
        let find = |stored: Option<Stored<'_>>| {
            let view = stored.map(|stored| View::parse(stored.bytes)).transpose()?;
            Ok(view.and_then(|view| view.notices().find(|notice| notice.holder == holder)))
        };
        let found = self.find(&cpi, find).await;
        let found = found.and_then(|found| found.map_err(|_: Damaged| StorageError::Damaged("a record")));
        let notice = found.map_err(|error| {
            tracing::error!(%error, "a conflict query failed");
            ConflictError::Failed
        })?;
        let notice = ConflictNotice {
            provider: self.shared.provider.clone(),
            cpi,
            holder,
            displaced_at: notice.ok_or(ConflictError::None)?.at,
            issued_at: now,
        };
        Ok(Signed::sign(notice, &self.shared.receipt_key).bytes().to_vec())
    }
}
