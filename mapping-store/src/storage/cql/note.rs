//! Notes and cursors. A note is written on condition, so that the last one stands whatever the nodes' clocks say; a cursor is not: an
//! earlier one may stand.

use cluster::{Failure, column, is_applied, unreadable};
use protocol::receipt::Position;

use super::super::StorageError;
use super::Shared;

impl Shared {
    pub(super) async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let rows = self.cluster.read(&self.statements.note, (name,)).await?;
        let row = rows.maybe_first_row::<(i64, Option<Vec<u8>>)>().map_err(unreadable)?;
        Ok(row.and_then(|(_, value)| value))
    }

    /// A write of unknown outcome is done again: twice is as good as once.
    pub(super) async fn set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        Ok(self.cluster.insist(|| self.try_set_note(name, note)).await?)
    }

    async fn try_set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), Failure> {
        let rows = self.cluster.ask(&self.statements.settled_note, (name,)).await?;
        let revision =
            rows.maybe_first_row::<(i64, Option<&[u8]>)>().map_err(unreadable)?.map(|(revision, _)| revision);
        let values = (revision.unwrap_or_default() + 1, note, name, revision);
        let result =
            self.cluster.bounded(self.cluster.session().execute_unpaged(&self.statements.set_note, values)).await?;
        if is_applied(result)? {
            return Ok(());
        }
        Err(cluster::Error::because("others write the same note all the time").into())
    }

    pub(super) async fn set_cursor(&self, source: &str, at: Position) -> Result<(), StorageError> {
        let number = i64::try_from(at.number).map_err(unreadable)?;
        let values = (source, column(at.shard), number);
        self.cluster
            .bounded(self.cluster.session().execute_unpaged(&self.statements.set_cursor, values))
            .await
            .map_err(cluster::Error::from)?;
        Ok(())
    }
}
