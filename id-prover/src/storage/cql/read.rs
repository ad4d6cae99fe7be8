//! Reads: of a local quorum, each of one partition.

use cluster::{column, limit, unreadable};
use protocol::Timestamp;

use super::super::StorageError;
use super::super::audit::Checker;
use super::super::change::Deadline;
use super::Shared;
use super::schema::{ENROLLMENT, REQUEST};
use crate::enrollment::{RequestKey, Stored};

/// Audit entries that come with one answer.
const ENTRIES: usize = 500;

impl Shared {
    pub(super) async fn enrollment(&self, bucket: u32, id: &[u8; 16]) -> Result<Option<Stored>, StorageError> {
        let value = self.value(bucket, ENROLLMENT, id).await?;
        Ok(value.map(|value| Stored::decode(&value)).transpose()?)
    }

    /// The number of the enrollment that a request opened.
    pub(super) async fn opened_by(&self, bucket: u32, request: &RequestKey) -> Result<Option<[u8; 16]>, StorageError> {
        let value = self.value(bucket, REQUEST, request).await?;
        Ok(value.map(|id| id.try_into().map_err(unreadable)).transpose()?)
    }

    async fn value(&self, bucket: u32, kind: i8, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let rows = self.cluster.read(&self.statements.row, (column(bucket), kind, key)).await?;
        Ok(rows.maybe_first_row::<(Vec<u8>,)>().map_err(unreadable)?.map(|(value,)| value))
    }

    /// At most `most` deadlines of a bucket from `from` on that are over at `now`, in order of time.
    pub(super) async fn due(
        &self,
        bucket: u32,
        from: Timestamp,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<Deadline>, StorageError> {
        let (from, end) = (from.seconds().to_be_bytes(), now.seconds().saturating_add(1).to_be_bytes());
        let values = (column(bucket), from.as_slice(), end.as_slice(), limit(most));
        let rows = self.cluster.read(&self.statements.due, values).await?;
        let mut due = Vec::new();
        for row in rows.rows::<(&[u8], &[u8])>().map_err(unreadable)? {
            let (key, value) = row.map_err(unreadable)?;
            due.push(Deadline::decode(key, value).ok_or_else(|| unreadable(()))?);
        }
        Ok(due)
    }

    /// Checks the audit trail of a bucket up to the head that it has at the beginning, beside provers that write.
    pub(super) async fn walk_audit<E: From<StorageError>>(
        &self,
        bucket: u32,
        show: &mut impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let base = self.settled(bucket).await?;
        let broken = |trail| StorageError::TrailOf(bucket, trail);
        let (mut checker, mut after) = (Checker::default(), 0);
        while after < base.head {
            let entries = self.entries(bucket, after).await?;
            let Some((last, _)) = entries.last() else { break };
            after = *last;
            for (number, value) in entries.into_iter().take_while(|(number, _)| *number <= base.head) {
                checker.next(number, &value).map_err(broken)?;
                show(number, &value)?;
            }
        }
        Ok(checker.end((base.head, base.hash)).map_err(broken)?)
    }

    async fn entries(&self, bucket: u32, after: u64) -> Result<Vec<(u64, Vec<u8>)>, StorageError> {
        let after = after.to_be_bytes();
        let values = (column(bucket), after.as_slice(), limit(ENTRIES));
        let rows = self.cluster.read(&self.statements.audit, values).await?;
        let mut entries = Vec::new();
        for row in rows.rows::<(&[u8], Vec<u8>)>().map_err(unreadable)? {
            let (key, value) = row.map_err(unreadable)?;
            entries.push((u64::from_be_bytes(key.try_into().map_err(unreadable)?), value));
        }
        Ok(entries)
    }
}
