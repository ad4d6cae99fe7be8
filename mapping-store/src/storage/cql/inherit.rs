//! Taking over another engine's database: [`Cql::connect_to_move`], [`Cql::inherit`], [`Cql::finish_move`].
//!
//! Old log entries keep the positions that their receipts name, so they stand apart: `inherited_log`, `inherited_stamps`. A shard's
//! own entries go on after the last number that was taken over. Records come into their buckets with revision 1, and nobody is
//! served meanwhile.
//!
//! What is written here has timestamps of its own, smaller than any that the cluster gives to a conditional write, and growing with
//! each try and call: whatever is written later stands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use cluster::{Cluster, Sort, column, unreadable};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::Timestamp;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;

use super::super::{LogEntry, StorageError, Tally, due_key, shard_of};
use super::schema::{self, CHUNK, DATABASE, DUE, IN_USE, MOVING, RECORD};
use super::{ClusterConfig, Cql, Shared};
use crate::label::Label;

/// Rows that are written at once.
const AT_ONCE: usize = 128;
/// Calls of [`Cql::inherit`] in one try of a move, at most.
const CALLS: i64 = 1 << 32;

/// A log entry that is taken over from another engine, with its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedEntry {
    /// The entry, at the position that its receipt names.
    pub entry: LogEntry,
    /// SHA-256 of its document.
    pub hash: [u8; 32],
    /// When it was published.
    pub at: Timestamp,
}

/// A record that is taken over from another engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedRecord {
    /// The record.
    pub bytes: Vec<u8>,
    /// When the sweep is to look at it.
    pub due: Option<Timestamp>,
}

/// A move that is under way.
pub(super) struct Moving {
    attempt: i32,
    /// The timestamp of the next call.
    clock: AtomicI64,
    put_entry: PreparedStatement,
    put_stamp: PreparedStatement,
    put_head: PreparedStatement,
    put_record: PreparedStatement,
    drop_record: PreparedStatement,
    put_due: PreparedStatement,
    drop_due: PreparedStatement,
    put_statics: PreparedStatement,
}

impl Moving {
    async fn prepare(cluster: &Cluster, attempt: i32) -> Result<Self, StorageError> {
        let write = async |text: &str| cluster.prepare(Sort::Write, text).await;
        let key = "WHERE bucket = ? AND kind =";
        Ok(Self {
            attempt,
            clock: AtomicI64::new(i64::from(attempt) * CALLS),
            put_entry: write("INSERT INTO ks.inherited_log (shard, chunk, number, code, value) VALUES (?, ?, ?, ?, ?)")
                .await?,
            put_stamp: write("INSERT INTO ks.inherited_stamps (hash, shard, number, at) VALUES (?, ?, ?, ?)").await?,
            put_head: write("INSERT INTO ks.inherited_heads (shard, number) VALUES (?, ?) USING TIMESTAMP ?").await?,
            put_record: write(&format!(
                "INSERT INTO ks.buckets (bucket, kind, key, revision, value, at) VALUES (?, {RECORD}, ?, 1, ?, ?) \
                 USING TIMESTAMP ?"
            ))
            .await?,
            drop_record: write(&format!("DELETE FROM ks.buckets USING TIMESTAMP ? {key} {RECORD} AND key = ?")).await?,
            put_due: write(&format!(
                "INSERT INTO ks.buckets (bucket, kind, key) VALUES (?, {DUE}, ?) USING TIMESTAMP ?"
            ))
            .await?,
            drop_due: write(&format!("DELETE FROM ks.buckets USING TIMESTAMP ? {key} {DUE}")).await?,
            put_statics: write(
                "UPDATE ks.buckets USING TIMESTAMP ? SET version = 1, head = ?, live = ?, tombstones = ? WHERE bucket = ?",
            )
            .await?,
        })
    }

    fn tick(&self) -> i64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

impl Cql {
    /// Connects to move another engine's database here. From here on until [`Cql::finish_move`], [`Cql::connect`] is refused. A
    /// move that was cut off is carried on: [`Cql::inherited`] says from where. No store may be connected to the cluster.
    ///
    /// # Errors
    ///
    /// As [`Cql::connect`]; [`StorageError::Failed`] if the cluster's database is in use already.
    pub async fn connect_to_move(config: &ClusterConfig) -> Result<Self, StorageError> {
        let cluster = Cluster::open(config).await?;
        let about = schema::read(&cluster).await?;
        cluster.check_datacenter(&about.datacenter)?;
        if !about.moving && is_used(&cluster).await? {
            return Err(StorageError::Failed("the cluster has a database that is in use".to_owned()));
        }
        let attempt = about.attempt + 1;
        turn(&cluster, (MOVING, attempt), about.attempt).await?;
        let moving = Moving::prepare(&cluster, attempt).await?;
        Self::over(cluster, about.buckets, Some(moving)).await
    }

    /// The last number of a shard's log that was taken over.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`].
    pub async fn inherited(&self, shard: u32) -> Result<u64, StorageError> {
        Ok(self.shared.inherited_heads().await?.get(shard as usize).copied().unwrap_or_default())
    }

    /// Takes over log entries, which follow on those of earlier calls, and records as they are now; none for one that is gone. May be
    /// repeated. All of it is durable when this returns.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`].
    pub async fn inherit(
        &self,
        entries: &[InheritedEntry],
        records: &[(Label, Option<InheritedRecord>)],
    ) -> Result<(), StorageError> {
        let moving = self.shared.moving()?;
        let tick = moving.tick();
        let written =
            stream::iter(records).map(|(label, record)| self.shared.inherit_record(moving, tick, label, record));
        written.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let written = stream::iter(entries).map(|entry| self.shared.inherit_entry(moving, entry));
        written.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let mut heads = HashMap::new();
        for InheritedEntry { entry, .. } in entries {
            let head = heads.entry(entry.position.shard).or_insert(0);
            *head = entry.position.number.max(*head);
        }
        // Last: what they say is there.
        for (shard, number) in heads {
            if number > self.inherited(shard).await? {
                let number = i64::try_from(number).map_err(unreadable)?;
                self.shared.put(&moving.put_head, (column(shard), number, tick)).await?;
            }
        }
        Ok(())
    }

    /// Ends a move: each bucket gets its head, its index of the sweep and what `tally_of` says of its records; then the database can
    /// be connected to.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`], also if another process has begun the move anew; those of `tally_of`.
    pub async fn finish_move(
        &self,
        tally_of: impl Fn(&[u8]) -> Result<Tally, StorageError>,
    ) -> Result<(), StorageError> {
        let (shared, moving) = (&self.shared, self.shared.moving()?);
        let heads = shared.inherited_heads().await?;
        if heads.len() > shared.buckets as usize {
            return Err(StorageError::Failed("what is moved has more shards than the cluster has buckets".to_owned()));
        }
        let (dropping, putting) = (moving.tick(), moving.tick());
        for bucket in 0..shared.buckets {
            shared.put(&moving.drop_due, (dropping, column(bucket))).await?;
            let tally = shared.index(moving, putting, bucket, &tally_of).await?;
            let head = heads.get(bucket as usize).copied().unwrap_or_default();
            let head = i64::try_from(head).map_err(unreadable)?;
            let statics = (putting, head, tally.live, tally.tombstones, column(bucket));
            shared.put(&moving.put_statics, statics).await?;
        }
        turn(&shared.cluster, (IN_USE, moving.attempt), moving.attempt).await
    }
}

impl Shared {
    fn moving(&self) -> Result<&Moving, StorageError> {
        self.moving.as_ref().ok_or_else(|| StorageError::Failed("no move is under way".to_owned()))
    }

    pub(super) async fn inherited_heads(&self) -> Result<Vec<u64>, StorageError> {
        let rows = self.cluster.read(&self.statements.inherited_heads, ()).await?;
        let mut heads = Vec::new();
        for row in rows.rows::<(i32, i64)>().map_err(unreadable)? {
            let (shard, number) = row.map_err(unreadable)?;
            let shard = usize::try_from(shard).map_err(unreadable)?;
            heads.resize(heads.len().max(shard + 1), 0);
            heads[shard] = u64::try_from(number).map_err(unreadable)?;
        }
        Ok(heads)
    }

    async fn inherit_record(
        &self,
        moving: &Moving,
        tick: i64,
        label: &Label,
        record: &Option<InheritedRecord>,
    ) -> Result<(), StorageError> {
        let bucket = column(shard_of(label, self.buckets));
        let Some(record) = record else {
            return self.put(&moving.drop_record, (tick, bucket, label.as_slice())).await;
        };
        let due = record.due.map(|time| i64::try_from(time.seconds()).unwrap_or(i64::MAX));
        self.put(&moving.put_record, (bucket, label.as_slice(), record.bytes.as_slice(), due, tick)).await
    }

    async fn inherit_entry(&self, moving: &Moving, inherited: &InheritedEntry) -> Result<(), StorageError> {
        let InheritedEntry { entry, hash, at } = inherited;
        let (shard, number) = (column(entry.position.shard), i64::try_from(entry.position.number).map_err(unreadable)?);
        let chunk = i64::try_from(entry.position.number.saturating_sub(1) / CHUNK).map_err(unreadable)?;
        let at = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
        let code = entry.kind.code().cast_signed();
        self.put(&moving.put_entry, (shard, chunk, number, code, entry.document.as_slice())).await?;
        self.put(&moving.put_stamp, (hash.as_slice(), shard, number, at)).await
    }

    /// Puts a bucket's records into its index of the sweep. Answers what they come to.
    async fn index(
        &self,
        moving: &Moving,
        tick: i64,
        bucket: u32,
        tally_of: &impl Fn(&[u8]) -> Result<Tally, StorageError>,
    ) -> Result<Tally, StorageError> {
        let (mut tally, mut after) = (Tally::default(), None);
        loop {
            let records = self.scan_bucket(bucket, after, AT_ONCE).await?;
            let Some((last, ..)) = records.last() else { return Ok(tally) };
            after = Some(*last);
            for (_, bytes, _) in &records {
                tally += tally_of(bytes)?;
            }
            let due = records.iter().filter_map(|(label, _, at)| Some((label, u64::try_from((*at)?).ok()?)));
            let put = due.map(async |(label, at)| {
                let key = due_key(Timestamp::from_seconds(at), label);
                self.put(&moving.put_due, (column(bucket), key.as_slice(), tick)).await
            });
            stream::iter(put).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }

    /// Writes what may be written again and again.
    async fn put(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<(), StorageError> {
        Ok(self.cluster.put(statement, values).await?)
    }
}

/// Whether any bucket was ever written to. A quorum has what any store was told is done.
async fn is_used(cluster: &Cluster) -> Result<bool, StorageError> {
    let any = cluster.prepare(Sort::Read, "SELECT version FROM ks.buckets LIMIT 1").await?;
    Ok(cluster.read(&any, ()).await?.rows_num() > 0)
}

/// Changes the state of the database, if the try of the move is still `expected`.
async fn turn(cluster: &Cluster, (state, attempt): (i8, i32), expected: i32) -> Result<(), StorageError> {
    let update = "UPDATE ks.about SET state = ?, attempt = ? WHERE name = ? IF attempt = ?";
    let is_done = match cluster.conditionally(update, (state, attempt, DATABASE, expected)).await {
        Ok(is_done) => is_done,
        // Of a try that is ours, the state tells.
        Err(_) if attempt == expected => {
            let about = schema::read(cluster).await?;
            about.attempt == attempt && about.moving == (state == MOVING)
        }
        Err(error) => return Err(error.into()),
    };
    if is_done {
        return Ok(());
    }
    Err(StorageError::Failed("another process has begun a move into the cluster".to_owned()))
}
