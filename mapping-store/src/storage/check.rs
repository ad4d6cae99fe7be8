//! Whether log and records agree: for tests of crashes, for `verify`, for auditors of their own database.
//!
//! Every log entry has a stamp that names its place; numbers have no gaps; every live document of a record stands in the log;
//! the index of the sweep has each record at the time that the record says, and nothing else. Nothing is changed.

use protocol::Timestamp;
use protocol::receipt::Position;
use sha2::{Digest as _, Sha256};

use super::{Storage, StorageError, Stored, Tally, shard_of};
use crate::record::{Damaged, Record, View};

const STEP: usize = 1000;
const STEP_BYTES: usize = 4 * 1024 * 1024;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Log entries.
    pub entries: u64,
    /// Records.
    pub records: u64,
    /// Live documents in them.
    pub live: u64,
    /// Remembered `seq`s of mappings that are no longer to be found.
    pub tombstones: u64,
}

/// Two things that should agree and do not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disagreement {
    /// A number is missing in the log.
    #[error("shard {0}: number {1} is missing in the log")]
    Gap(u32, u64),
    /// A log entry has no stamp, or one that names another place.
    #[error("shard {}, number {}: the entry's stamp is missing or names another place", .0.shard, .0.number)]
    Stamp(Position),
    /// A live document that the log does not have.
    #[error("a record holds a document that is not in the log")]
    NotInLog,
    /// A record that the sweep would look at too early, too late or never; or no record where the index has one.
    #[error("a record and the index of the sweep disagree")]
    Index,
    /// The engine's tally is not what a count comes to.
    #[error("the tally of mappings is not what they come to")]
    Tally,
    /// The engine cannot read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Walks the whole database.
///
/// # Errors
///
/// The first [`Disagreement`].
pub async fn check(storage: &impl Storage) -> Result<Checked, Disagreement> {
    let mut checked = Checked::default();
    for shard in 0..storage.shards() {
        checked.entries += check_log(storage, shard).await?;
    }
    let indexed = check_index(storage).await?;
    let (mut after, mut scheduled) = (None, 0);
    loop {
        let records = storage.scan(after, STEP).await?;
        let Some((last, _)) = records.last() else { break };
        after = Some(*last);
        for (label, bytes) in records {
            let record = Record::decode(&bytes).map_err(|_| StorageError::Damaged("a record"))?;
            scheduled += u64::from(record.due.is_some());
            checked.records += 1;
            for entry in &record.entries {
                if !entry.live {
                    checked.tombstones += 1;
                    continue;
                }
                checked.live += 1;
                check_document(storage, shard_of(&label, storage.shards()), &entry.document).await?;
            }
        }
    }
    // Each entry of the index is of another record, so as many as there should be are all of them.
    if scheduled != indexed {
        return Err(Disagreement::Index);
    }
    let Tally { live, tombstones } = storage.tally();
    let agree = i64::try_from(checked.live) == Ok(live) && i64::try_from(checked.tombstones) == Ok(tombstones);
    if agree { Ok(checked) } else { Err(Disagreement::Tally) }
}

async fn check_log(storage: &impl Storage, shard: u32) -> Result<u64, Disagreement> {
    let mut number = 0;
    loop {
        let entries = storage.log_after(Position { shard, number }, STEP, STEP_BYTES).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            number += 1;
            if entry.position != (Position { shard, number }) {
                return Err(Disagreement::Gap(shard, number));
            }
            let stamp = storage.stamp_in(shard, &Sha256::digest(&entry.document).into()).await?;
            if stamp.is_none_or(|stamp| stamp.position != entry.position) {
                return Err(Disagreement::Stamp(entry.position));
            }
        }
    }
    if storage.head(shard).await? == number { Ok(number) } else { Err(Disagreement::Gap(shard, number + 1)) }
}

/// Answers how many records the index has.
async fn check_index(storage: &impl Storage) -> Result<u64, Disagreement> {
    let due = |stored: Option<Stored<'_>>| -> Result<Option<Timestamp>, Damaged> {
        stored.map_or(Ok(None), |stored| Ok(View::parse(stored.bytes)?.due()))
    };
    let (mut after, mut indexed) = (None, 0);
    loop {
        let entries = storage.indexed(after, STEP).await?;
        let Some(last) = entries.last() else { return Ok(indexed) };
        after = Some(*last);
        for (time, label) in entries {
            let due = storage.record(&label, due).await?.map_err(|_| StorageError::Damaged("a record"))?;
            if due != Some(time) {
                return Err(Disagreement::Index);
            }
            indexed += 1;
        }
    }
}

async fn check_document(storage: &impl Storage, shard: u32, document: &[u8]) -> Result<(), Disagreement> {
    let stamp = storage.stamp_in(shard, &Sha256::digest(document).into()).await?.ok_or(Disagreement::NotInLog)?;
    let before = Position { number: stamp.position.number.saturating_sub(1), ..stamp.position };
    let entries = storage.log_after(before, 1, usize::MAX).await?;
    if entries.first().is_some_and(|entry| entry.document == document) { Ok(()) } else { Err(Disagreement::NotInLog) }
}

#[cfg(test)]
mod tests;
