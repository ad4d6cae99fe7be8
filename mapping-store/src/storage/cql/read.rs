//! Reads: of a local quorum, each of one partition but for those of all buckets.

use std::ops::ControlFlow;

use cluster::{Failure, column, limit, unreadable};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::Timestamp;
use protocol::receipt::Position;
use scylla::response::PagingState;
use scylla::response::query_result::QueryRowsResult;

use super::super::{Kind, LogEntry, Stamp, StorageError, Stored, due_key, read_due_key, shard_of};
use super::Shared;
use super::bucket::{Bucket, Statics};
use super::schema::CHUNK;
use crate::label::Label;

/// Buckets that are asked at once.
const BUCKETS_AT_ONCE: usize = 64;
/// Buckets whose records are read ahead of a scan.
const SCAN_AHEAD: usize = 8;
/// Rows of records, of log entries, and of the index of the sweep that come with one answer.
const RECORDS: usize = 100;
const ENTRIES: usize = 256;
const DUE: usize = 2000;

impl Shared {
    pub(super) async fn record<T>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T,
    ) -> Result<T, StorageError> {
        let bucket = column(shard_of(label, self.buckets));
        let rows = self.cluster.read(&self.statements.record, (bucket, label.as_slice())).await?;
        let Some((revision, bytes)) = rows.maybe_first_row::<(i64, &[u8])>().map_err(unreadable)? else {
            return Ok(read(None));
        };
        let revision = u64::try_from(revision).map_err(unreadable)?;
        Ok(read(Some(Stored { revision, bytes })))
    }

    pub(super) async fn stamp(&self, shard: u32, hash: &[u8; 32]) -> Result<Option<Stamp>, StorageError> {
        let stamp = |shard, number, at| {
            let number = u64::try_from(number).map_err(unreadable)?;
            let at = Timestamp::from_seconds(u64::try_from(at).map_err(unreadable)?);
            Ok(Some(Stamp { position: Position { shard, number }, at }))
        };
        let rows = self.cluster.read(&self.statements.stamp, (column(shard), hash.as_slice())).await?;
        if let Some((number, at)) = rows.maybe_first_row::<(i64, i64)>().map_err(unreadable)? {
            return stamp(shard, number, at);
        }
        if self.inherited.is_empty() {
            return Ok(None);
        }
        let rows = self.cluster.read(&self.statements.inherited_stamp, (hash.as_slice(),)).await?;
        match rows.maybe_first_row::<(i32, i64, i64)>().map_err(unreadable)? {
            Some((shard, number, at)) => stamp(u32::try_from(shard).map_err(unreadable)?, number, at),
            None => Ok(None),
        }
    }

    pub(super) async fn head(&self, shard: u32) -> Result<u64, StorageError> {
        let rows = self.cluster.read(&self.statements.statics, (column(shard),)).await?;
        let row = rows.maybe_first_row::<Statics>().map_err(unreadable)?;
        row.map(Bucket::from).unwrap_or_default().last_number()
    }

    pub(super) async fn heads(&self) -> Result<Vec<u64>, StorageError> {
        let mut heads = vec![0; self.buckets as usize];
        let mut state = PagingState::start();
        loop {
            let (page, next) = self.page(state).await?;
            for row in page.rows::<(i32, Option<i64>, Option<i64>, Option<i64>, Option<i64>)>().map_err(unreadable)? {
                let (bucket, version, head, live, tombstones) = row.map_err(unreadable)?;
                let bucket = u32::try_from(bucket).map_err(unreadable)?;
                let found = Bucket::from((version, head, live, tombstones));
                *heads.get_mut(bucket as usize).ok_or_else(|| unreadable(()))? = found.last_number()?;
                self.seen().take_in(bucket, found);
            }
            match next {
                ControlFlow::Continue(next) => state = next,
                ControlFlow::Break(()) => return Ok(heads),
            }
        }
    }

    /// A page of all buckets' statics; once more if that failed.
    async fn page(&self, state: PagingState) -> Result<(QueryRowsResult, ControlFlow<(), PagingState>), StorageError> {
        let ask = async |state| {
            let asked = self.cluster.session().execute_single_page(&self.statements.all_statics, (), state);
            let (result, next) = self.cluster.bounded(asked).await?;
            let rows = result.into_rows_result().map_err(unreadable)?;
            Ok::<_, Failure>((rows, next.into_paging_control_flow()))
        };
        match ask(state.clone()).await {
            Err(failure) if !failure.is_refusal => Ok(ask(state).await.map_err(cluster::Error::from)?),
            outcome => Ok(outcome.map_err(cluster::Error::from)?),
        }
    }

    pub(super) async fn log_after(
        &self,
        after: Position,
        most: usize,
        max_bytes: usize,
    ) -> Result<Vec<LogEntry>, StorageError> {
        let (mut entries, mut bytes, mut number) = (Vec::new(), 0, after.number);
        if after.shard >= self.buckets {
            return Ok(entries);
        }
        while entries.len() < most {
            let wanted = (most - entries.len()).min(ENTRIES);
            let (step, is_last) = self.log_step(Position { number, ..after }, wanted).await?;
            for entry in step {
                bytes += entry.document.len();
                if bytes > max_bytes && !entries.is_empty() {
                    return Ok(entries);
                }
                number = entry.position.number;
                entries.push(entry);
            }
            if is_last {
                break;
            }
        }
        Ok(entries)
    }

    /// Some entries, `wanted` at most, and whether there were no more.
    async fn log_step(&self, after: Position, wanted: usize) -> Result<(Vec<LogEntry>, bool), StorageError> {
        let Ok(number) = i64::try_from(after.number) else { return Ok((Vec::new(), true)) };
        let entry = |number: u64, code: i8, document: &[u8]| {
            let kind = Kind::from_code(code.cast_unsigned()).ok_or_else(|| unreadable(()))?;
            Ok(LogEntry { position: Position { number, ..after }, kind, document: document.to_vec() })
        };
        let inherited = self.inherited.get(after.shard as usize).copied().unwrap_or_default();
        if after.number < inherited {
            // Numbers begin with 1, so this is the chunk of the next one.
            let chunk = i64::try_from(after.number / CHUNK).map_err(unreadable)?;
            let values = (column(after.shard), chunk, number, limit(wanted));
            let rows = self.cluster.read(&self.statements.inherited_log, values).await?;
            let rows = rows.rows::<(i64, i8, &[u8])>().map_err(unreadable)?;
            let read = |row: Result<(i64, i8, &[u8]), _>| {
                let (number, code, document) = row.map_err(unreadable)?;
                entry(u64::try_from(number).map_err(unreadable)?, code, document)
            };
            let entries: Vec<_> = rows.map(read).collect::<Result<_, StorageError>>()?;
            let is_gap = entries.is_empty();
            return if is_gap { Err(StorageError::Damaged("the log")) } else { Ok((entries, false)) };
        }
        let key = number.to_be_bytes();
        let rows =
            self.cluster.read(&self.statements.log, (column(after.shard), key.as_slice(), limit(wanted))).await?;
        let is_last = rows.rows_num() < wanted;
        let rows = rows.rows::<(&[u8], i8, &[u8])>().map_err(unreadable)?;
        let read = |row: Result<(&[u8], i8, &[u8]), _>| {
            let (key, code, document) = row.map_err(unreadable)?;
            entry(u64::from_be_bytes(key.try_into().map_err(unreadable)?), code, document)
        };
        Ok((rows.map(read).collect::<Result<_, StorageError>>()?, is_last))
    }

    /// Asks every bucket.
    pub(super) async fn due(&self, until: Timestamp, most: usize) -> Result<Vec<Label>, StorageError> {
        let found = stream::iter(0..self.buckets).map(|bucket| self.due_in(bucket, None, until, most));
        let mut found = found.buffer_unordered(BUCKETS_AT_ONCE);
        let mut earliest: Vec<[u8; 41]> = Vec::new();
        while let Some(keys) = found.try_next().await? {
            earliest.extend(keys);
            if earliest.len() / 2 > most {
                earliest.sort_unstable();
                earliest.truncate(most);
            }
        }
        earliest.sort_unstable();
        earliest.truncate(most);
        Ok(earliest.iter().filter_map(|key| key.last_chunk().copied()).collect())
    }

    /// Bucket by bucket.
    pub(super) async fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Label)>, StorageError> {
        let first = after.map_or(0, |(_, label)| shard_of(&label, self.buckets));
        let after = after.map(|(time, label)| due_key(time, &label));
        let found = stream::iter(first..self.buckets).map(|bucket| async move {
            let after = after.filter(|_| bucket == first);
            Ok::<_, StorageError>((bucket, self.due_in(bucket, after, Timestamp::from_seconds(u64::MAX), most).await?))
        });
        let mut found = found.buffered(SCAN_AHEAD);
        let mut entries = Vec::new();
        while entries.len() < most
            && let Some((bucket, keys)) = found.try_next().await?
        {
            for key in keys {
                let (time, label) = read_due_key(&key)?;
                if shard_of(&label, self.buckets) != bucket {
                    return Err(StorageError::Damaged("the index of the sweep"));
                }
                entries.push((time, label));
            }
        }
        entries.truncate(most);
        Ok(entries)
    }

    /// Entries of a bucket's part of the index, after one of them.
    async fn due_in(
        &self,
        bucket: u32,
        after: Option<[u8; 41]>,
        until: Timestamp,
        most: usize,
    ) -> Result<Vec<[u8; 41]>, StorageError> {
        let end = due_key(until, &[u8::MAX; 33]);
        let mut keys: Vec<[u8; 41]> = Vec::new();
        while keys.len() < most {
            let wanted = (most - keys.len()).min(DUE);
            let after = keys.last().or(after.as_ref()).map_or(&[][..], <[u8; 41]>::as_slice);
            let values = (column(bucket), after, end.as_slice(), limit(wanted));
            let rows = self.cluster.read(&self.statements.due, values).await?;
            for row in rows.rows::<(&[u8],)>().map_err(unreadable)? {
                let (key,) = row.map_err(unreadable)?;
                keys.push(key.try_into().map_err(unreadable)?);
            }
            if rows.rows_num() < wanted {
                break;
            }
        }
        Ok(keys)
    }

    pub(super) async fn scan(&self, after: Option<Label>, most: usize) -> Result<Vec<(Label, Vec<u8>)>, StorageError> {
        let first = after.map_or(0, |label| shard_of(&label, self.buckets));
        let found = stream::iter(first..self.buckets).map(|bucket| self.scan_bucket(bucket, after, most));
        let mut found = found.buffered(SCAN_AHEAD);
        let mut records = Vec::new();
        while records.len() < most
            && let Some(more) = found.try_next().await?
        {
            records.extend(more.into_iter().map(|(label, bytes, _)| (label, bytes)));
        }
        records.truncate(most);
        Ok(records)
    }

    /// The records of a bucket after a label, each with its column `at`.
    pub(super) async fn scan_bucket(
        &self,
        bucket: u32,
        after: Option<Label>,
        most: usize,
    ) -> Result<Vec<(Label, Vec<u8>, Option<i64>)>, StorageError> {
        let mut records: Vec<(Label, Vec<u8>, Option<i64>)> = Vec::new();
        while records.len() < most {
            let wanted = (most - records.len()).min(RECORDS);
            let after = records.last().map(|(label, ..)| *label).or(after);
            let after = after.as_ref().map_or(&[][..], <[u8; 33]>::as_slice);
            let rows = self.cluster.read(&self.statements.records, (column(bucket), after, limit(wanted))).await?;
            for row in rows.rows::<(&[u8], &[u8], Option<i64>)>().map_err(unreadable)? {
                let (label, record, at) = row.map_err(unreadable)?;
                records.push((label.try_into().map_err(unreadable)?, record.to_vec(), at));
            }
            if rows.rows_num() < wanted {
                break;
            }
        }
        Ok(records)
    }

    pub(super) async fn cursor(&self, source: &str, shard: u32) -> Result<u64, StorageError> {
        let rows = self.cluster.read(&self.statements.cursor, (source, column(shard))).await?;
        let row = rows.maybe_first_row::<(i64,)>().map_err(unreadable)?;
        Ok(row.map_or(Ok(0), |(number,)| u64::try_from(number).map_err(unreadable))?)
    }
}
