//! Changes: one conditional batch of one bucket.
//!
//! 1. The base: the bucket as it is settled, from our own last write or from a serial read.
//! 2. What the change was judged by, by a read of a quorum; if it is not so any more, the change is overtaken.
//! 3. The batch: everything that changes, the version after the base's, and whose write it is; if the version is still the base's.
//!    If so, nothing has changed since the base was read, so what the change was judged by is still so.

use std::time::Duration;

use cluster::{Error, Parts, Witness, big, blob, column, int, pause, tiny, unreadable};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::Timestamp;
use scylla::value::CqlValue;
use tokio::time::timeout;

use super::super::audit::{Entry, EntryHash, entry_hash};
use super::super::change::{Change, Deadline, Expected, Family, Kept, Op};
use super::super::{StorageError, WriteError};
use super::Shared;
use super::schema::{AUDIT, DEADLINE, ENROLLMENT, REQUEST};
use super::statements::Statements;
use crate::metrics;

/// How often a bucket is tried that other provers write to as well.
const RACES: u32 = 30;
/// Buckets that are swept at once.
const BUCKETS_AT_ONCE: usize = 16;
/// What one batch forgets at most.
const SWEPT_AT_ONCE: usize = 100;
/// The longest time for which a cluster keeps what it drops by itself: twenty years.
const LONGEST_TTL: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// The static columns of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Base {
    /// Grows by one with each write; 0 before the first.
    version: i64,
    /// Number and hash of its audit trail's last entry.
    pub(super) head: u64,
    pub(super) hash: EntryHash,
    /// Where the last sweep ended.
    swept: Timestamp,
}

/// What a change writes.
struct Content {
    ops: Vec<Op>,
    audit: Option<Entry>,
    swept: Option<Timestamp>,
}

/// Columns `version`, `head`, `hash`, `swept`.
type Statics<'a> = (Option<i64>, Option<i64>, Option<&'a [u8]>, Option<i64>);

impl Shared {
    pub(super) async fn write(&self, change: Change) -> Result<(), WriteError> {
        let id = change.id().ok_or(WriteError::Failed)?;
        // One of another prover's database has no bucket here.
        let bucket = self.bucket_in(&id).ok_or(WriteError::Overtaken)?;
        self.write_in(bucket, change, None).await
    }

    /// Makes a change, of which `swept` is where a sweep has ended.
    async fn write_in(&self, bucket: u32, change: Change, swept: Option<Timestamp>) -> Result<(), WriteError> {
        let begun = std::time::Instant::now();
        let Change { expected, ops, kept, audit, .. } = change;
        let content = Content { ops, audit, swept };
        let written = timeout(self.change_time(), self.try_write(bucket, &expected, kept, &content)).await;
        let in_vain = |_| Err(Error::because("a change was not settled in its time").into());
        let written = match written.unwrap_or_else(in_vain) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteError::Overtaken),
            Err(error) => {
                tracing::error!(%error, "a change cannot be written");
                Err(if error.is_passing() { WriteError::Busy } else { WriteError::Failed })
            }
        };
        ::metrics::histogram!(metrics::SYNC_SECONDS).record(begun.elapsed());
        written
    }

    /// How long a change may take: one time to settle for the turn in its bucket, and one for itself.
    pub(super) fn change_time(&self) -> Duration {
        2 * self.cluster.settling_time()
    }

    async fn try_write(
        &self,
        bucket: u32,
        expected: &Expected,
        kept: Option<Kept>,
        content: &Content,
    ) -> Result<bool, StorageError> {
        if let Some(kept) = kept {
            self.keep(&kept).await?;
        }
        let lock = timeout(self.cluster.settling_time(), self.bases[bucket as usize].lock()).await;
        let mut known = lock.map_err(|_| Error::because("too many changes of the same bucket wait already"))?;
        for race in 0..RACES {
            // Out of there for as long as it is in doubt.
            let (base, was_read) = match known.take() {
                Some(base) => (base, false),
                None => (self.settled(bucket).await?, true),
            };
            if !self.is(bucket, expected).await? {
                // What was read just now is as good for the next change. Our own last write is not: another prover has come since.
                *known = was_read.then_some(base);
                return Ok(false);
            }
            let (parts, after) = batch(&self.statements, bucket, &base, content);
            let version = after.version.to_be_bytes();
            let values = (column(bucket), version.as_slice());
            let witness = Witness { statement: &self.statements.writer, values };
            if self.cluster.commit(&parts, &witness).await? {
                *known = Some(after);
                return Ok(true);
            }
            pause(race).await;
        }
        Err(Error::because("others write to the same bucket all the time").into())
    }

    /// A bucket as it is once every conditional write that was accepted is in it.
    pub(super) async fn settled(&self, bucket: u32) -> Result<Base, StorageError> {
        let rows = self.cluster.settled(&self.statements.settled, (column(bucket),)).await?;
        let Some((version, head, hash, swept)) = rows.maybe_first_row::<Statics<'_>>().map_err(unreadable)? else {
            return Ok(Base::default());
        };
        let head = u64::try_from(head.unwrap_or_default()).map_err(unreadable)?;
        let hash = hash.map(EntryHash::try_from).transpose().map_err(unreadable)?;
        let swept = u64::try_from(swept.unwrap_or_default()).map_err(unreadable)?;
        Ok(Base {
            version: version.unwrap_or_default(),
            head,
            hash: hash.unwrap_or_default(),
            swept: Timestamp::from_seconds(swept),
        })
    }

    /// Whether what a change was judged by is so.
    async fn is(&self, bucket: u32, expected: &Expected) -> Result<bool, StorageError> {
        match expected {
            Expected::Anything => Ok(true),
            Expected::Unopened(request) => Ok(self.opened_by(bucket, request).await?.is_none()),
            Expected::Unchanged(stored) => {
                let found = self.enrollment(bucket, stored.facts().id.as_bytes()).await?;
                Ok(found.as_ref() == Some(&**stored))
            }
        }
    }

    /// Before the enrollment says that there is one: again, it is the same.
    async fn keep(&self, kept: &Kept) -> Result<(), StorageError> {
        let ttl = kept.expires_at.since(kept.now).max(Duration::from_secs(1)).min(LONGEST_TTL);
        let values = (kept.id.as_slice(), kept.bytes.as_slice(), seconds(ttl));
        Ok(self.cluster.put(&self.statements.put_credential, values).await?)
    }

    /// Forgets in each bucket what is over. Where the buckets begin is left to chance, so that several provers get in each other's way
    /// less often.
    pub(super) async fn sweep(&self, now: Timestamp, most: usize) -> Result<usize, WriteError> {
        let first = rand::random_range(0..self.buckets);
        let buckets = (0..self.buckets).map(|n| (first + n) % self.buckets);
        let each = most.min(SWEPT_AT_ONCE);
        let swept = stream::iter(buckets).map(|bucket| self.sweep_bucket(bucket, now, each));
        swept.buffer_unordered(BUCKETS_AT_ONCE).try_fold(0, async |sum, swept| Ok(sum + swept)).await
    }

    async fn sweep_bucket(&self, bucket: u32, now: Timestamp, most: usize) -> Result<usize, WriteError> {
        let due = self.due_now(bucket, now, most).await.map_err(|error| {
            tracing::error!(%error, "the database cannot be read");
            WriteError::Busy
        })?;
        let Some(last) = due.last().map(|deadline: &Deadline| deadline.at) else { return Ok(0) };
        self.write_in(bucket, Change::sweep(&due), Some(last)).await?;
        self.swept()[bucket as usize] = Some(last);
        Ok(due.len())
    }

    async fn due_now(&self, bucket: u32, now: Timestamp, most: usize) -> Result<Vec<Deadline>, StorageError> {
        let known = self.swept()[bucket as usize];
        let ended = match known {
            Some(ended) => ended,
            None => self.settled(bucket).await?.swept,
        };
        // A clock that was set back takes it along.
        let start = now.min(ended);
        self.swept()[bucket as usize] = Some(start);
        self.due(bucket, start, now, most).await
    }
}

/// What a change comes to.
fn batch(statements: &Statements, bucket: u32, base: &Base, content: &Content) -> (Parts, Base) {
    let mut after = Base { version: base.version + 1, ..base.clone() };
    let mut parts = Parts::default();
    for op in &content.ops {
        let (Op::Put(family, key, _) | Op::Delete(family, key)) = op;
        let kind = match family {
            Family::Enrollments => ENROLLMENT,
            Family::Requests => REQUEST,
            Family::Deadlines => DEADLINE,
            // Credentials and budgets have tables of their own, the rest follows from the batch.
            Family::Credentials | Family::Counters | Family::Audit | Family::Meta => continue,
        };
        let place = vec![int(bucket), tiny(kind), blob(key)];
        match op {
            Op::Put(_, _, value) => parts.put(&statements.put, [place, vec![blob(value)]].concat()),
            Op::Delete(..) => parts.put(&statements.delete, place),
        }
    }
    if let Some(entry) = &content.audit {
        let value = entry.chained(&base.hash);
        after.head += 1;
        after.hash = entry_hash(after.head, &value);
        parts.put(&statements.put, vec![int(bucket), tiny(AUDIT), blob(&after.head.to_be_bytes()), blob(&value)]);
    }
    if let Some(swept) = content.swept {
        after.swept = swept;
        parts.put(&statements.put_swept, vec![big(i64::try_from(swept.seconds()).unwrap_or(i64::MAX)), int(bucket)]);
    }
    let writer = vec![int(bucket), blob(&after.version.to_be_bytes()), blob(parts.writer())];
    parts.put(&statements.put_write, writer);
    let expected = (base.version > 0).then_some(CqlValue::BigInt(base.version));
    let head = i64::try_from(after.head).unwrap_or(i64::MAX);
    let advance = vec![big(after.version), big(head), blob(&after.hash), int(bucket), expected];
    parts.put(&statements.advance, advance);
    (parts, after)
}

/// A time to live.
pub(super) fn seconds(time: Duration) -> i32 {
    i32::try_from(time.min(LONGEST_TTL).as_secs()).unwrap_or(i32::MAX)
}
