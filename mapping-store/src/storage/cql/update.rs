//! Updates: one conditional batch for each bucket, or a few where it would grow large.
//!
//! 1. The base: the bucket as it is settled, from our own last write or from a serial read.
//! 2. The revisions of the records concerned, by a read of a quorum; whatever is not as expected is a conflict.
//! 3. The batch: everything that changes, the version after the base's, and whose write it is; if the version is still the base's.
//!    If so, nothing has changed since the base was read, so the revisions were those of the base.
//!
//! Of a batch whose outcome is unknown the same is sent again: of all of them one can apply, since the version moves on with it. If
//! none is said to have, the row of that version's write says whether one of ours did.

use std::collections::{BTreeMap, HashMap, HashSet};

use cluster::{Parts, Witness, big, blob, column, int, pause, tiny, unreadable};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::receipt::Position;
use scylla::value::CqlValue;

use super::super::{NewEntry, StorageError, Update, Updated, due_key, in_turn, shard_of};
use super::Shared;
use super::bucket::Bucket;
use super::schema::{DUE, RECORD};
use super::statements::Statements;
use crate::label::Label;

/// Buckets that are written to at once, of one call.
const BUCKETS_AT_ONCE: usize = 64;
/// What a batch holds at most, in bytes and roughly, unless one update alone is larger. Batches of one partition are exempt from
/// `batch_size_fail_threshold`.
const BATCH_BYTES: usize = 128 * 1024;
/// What an update or entry takes beside record and document, roughly.
const OVERHEAD_BYTES: usize = 256;
/// How often a bucket is tried that others write to as well.
const RACES: u32 = 12;

/// Updates of one bucket that are written together, and which they are of all.
#[derive(Default)]
struct Piece {
    which: Vec<usize>,
    updates: Vec<Update>,
    bytes: usize,
}

/// A batch and what it comes to.
struct Change {
    parts: Parts,
    bucket: u32,
    after: Bucket,
    outcomes: Vec<Updated>,
}

impl Shared {
    pub(super) async fn update(&self, updates: Vec<Update>) -> Result<Vec<Updated>, StorageError> {
        let mut outcomes = vec![Updated::Conflict; updates.len()];
        let buckets = split(updates, self.buckets)?;
        let written = stream::iter(buckets).map(|(bucket, pieces)| self.update_bucket(bucket, pieces));
        let written: Vec<_> = written.buffer_unordered(BUCKETS_AT_ONCE).try_collect().await?;
        for (which, outcome) in written.into_iter().flatten() {
            outcomes[which] = outcome;
        }
        Ok(outcomes)
    }

    async fn update_bucket(&self, bucket: u32, pieces: Vec<Piece>) -> Result<Vec<(usize, Updated)>, StorageError> {
        let mut bases = self.bases[bucket as usize % self.bases.len()].lock().await;
        let mut outcomes = Vec::new();
        for piece in pieces {
            let written = self.write(&mut bases, bucket, &piece.updates).await?;
            outcomes.extend(piece.which.into_iter().zip(written));
        }
        Ok(outcomes)
    }

    async fn write(
        &self,
        bases: &mut HashMap<u32, Bucket>,
        bucket: u32,
        updates: &[Update],
    ) -> Result<Vec<Updated>, StorageError> {
        for race in 0..RACES {
            // Out of there for as long as it is in doubt.
            let base = match bases.remove(&bucket) {
                Some(base) => base,
                None => self.settled(bucket).await?,
            };
            let revisions = self.revisions(bucket, updates).await?;
            let fresh: Vec<_> = updates.iter().map(|update| is_fresh(update, &revisions)).collect();
            if !fresh.contains(&true) {
                bases.insert(bucket, base);
                break;
            }
            let change = Change::of(&self.statements, bucket, base, updates, &fresh)?;
            if self.commit(&change).await? {
                bases.insert(bucket, change.after);
                self.seen().take_in(bucket, change.after);
                return Ok(change.outcomes);
            }
            pause(race).await;
        }
        Ok(vec![Updated::Conflict; updates.len()])
    }

    /// The revisions of the records that are there.
    async fn revisions(&self, bucket: u32, updates: &[Update]) -> Result<HashMap<Label, u64>, StorageError> {
        let labels: Vec<_> =
            updates.iter().flat_map(|update| [Some(&update.label), update.moved_from.as_ref()]).flatten().collect();
        let labels: Vec<_> = labels.into_iter().map(|label| label.as_slice()).collect();
        let rows = self.cluster.read(&self.statements.revisions, (column(bucket), labels)).await?;
        let rows = rows.rows::<(&[u8], i64)>().map_err(unreadable)?;
        let revision = |row: Result<(&[u8], i64), _>| {
            let (label, revision) = row.map_err(unreadable)?;
            Ok((label.try_into().map_err(unreadable)?, u64::try_from(revision).map_err(unreadable)?))
        };
        rows.map(revision).collect()
    }

    /// Whether the change was made. If this cannot be settled in time, an error.
    async fn commit(&self, change: &Change) -> Result<bool, StorageError> {
        let version = change.after.version.to_be_bytes();
        let witness =
            Witness { statement: &self.statements.writer, values: (column(change.bucket), version.as_slice()) };
        Ok(self.cluster.commit(&change.parts, &witness).await?)
    }
}

fn is_fresh(update: &Update, revisions: &HashMap<Label, u64>) -> bool {
    let revision = |label: &Label| revisions.get(label).copied().unwrap_or_default();
    match &update.moved_from {
        Some(old) => revision(old) == update.expected && revision(&update.label) == 0,
        None => revision(&update.label) == update.expected,
    }
}

/// The updates of each bucket, in pieces, in the order of their first turns. Those of a record that comes before among them are
/// left out: they are conflicts.
fn split(updates: Vec<Update>, buckets: u32) -> Result<BTreeMap<u32, Vec<Piece>>, StorageError> {
    let mut touched = HashSet::with_capacity(updates.len());
    let mut split: BTreeMap<u32, Vec<Piece>> = BTreeMap::new();
    let mut numbered: Vec<_> = updates.into_iter().enumerate().collect();
    numbered.sort_by_key(|(which, update)| (update.entries.iter().map(|entry| entry.turn).min(), *which));
    numbered.sort_by_key(|(_, update)| update.entries.is_empty());
    for (which, update) in numbered {
        let bucket = shard_of(&update.label, buckets);
        let mut is_first = touched.insert(update.label);
        if let Some(old) = update.moved_from {
            if shard_of(&old, buckets) != bucket {
                return Err(StorageError::Failed("a record cannot move to another bucket of the cluster".to_owned()));
            }
            is_first &= touched.insert(old);
        }
        if is_first {
            let pieces = split.entry(bucket).or_default();
            let bytes = size(&update);
            if pieces.last().is_none_or(|piece| piece.bytes + bytes > BATCH_BYTES) {
                pieces.push(Piece::default());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.which.push(which);
                piece.updates.push(update);
                piece.bytes += bytes;
            }
        }
    }
    Ok(split)
}

fn size(update: &Update) -> usize {
    let entries: usize = update.entries.iter().map(|entry| entry.document.len() + OVERHEAD_BYTES).sum();
    OVERHEAD_BYTES + update.record.as_ref().map_or(0, Vec::len) + entries
}

impl Change {
    /// What becomes of the bucket with those updates that are `fresh`.
    fn of(
        statements: &Statements,
        bucket: u32,
        base: Bucket,
        updates: &[Update],
        fresh: &[bool],
    ) -> Result<Self, StorageError> {
        let after = Bucket { version: base.version + 1, ..base };
        let outcome = |fresh: &bool| if *fresh { Updated::Done(Vec::new()) } else { Updated::Conflict };
        let mut change = Self { parts: Parts::default(), bucket, after, outcomes: fresh.iter().map(outcome).collect() };
        for (update, _) in updates.iter().zip(fresh).filter(|(_, fresh)| **fresh) {
            change.after.tally += update.tally;
            change.put_update(statements, update);
        }
        for (update, entry) in in_turn(updates, |update| fresh[update]) {
            change.after.head += 1;
            let position = Position { shard: bucket, number: change.after.last_number()? };
            change.put_entry(statements, &updates[update].entries[entry]);
            if let Updated::Done(positions) = &mut change.outcomes[update] {
                positions.push(position);
            }
        }
        let write = vec![int(bucket), blob(&after.version.to_be_bytes()), blob(change.parts.writer())];
        change.parts.put(&statements.put_write, write);
        let Bucket { version, head, tally } = change.after;
        let expected = (base.version > 0).then_some(CqlValue::BigInt(base.version));
        let advance = vec![big(version), big(head), big(tally.live), big(tally.tombstones), int(bucket), expected];
        change.parts.put(&statements.advance, advance);
        Ok(change)
    }

    fn put_update(&mut self, statements: &Statements, update: &Update) {
        let bucket = int(self.bucket);
        let delete = |kind, key: &[u8]| vec![bucket.clone(), tiny(kind), blob(key)];
        match &update.record {
            Some(record) => {
                let values = vec![bucket.clone(), blob(&update.label), big(self.after.version), blob(record)];
                self.parts.put(&statements.put_record, values);
            }
            None => self.parts.put(&statements.delete, delete(RECORD, &update.label)),
        }
        if let Some(old) = &update.moved_from {
            self.parts.put(&statements.delete, delete(RECORD, old));
        }
        if update.was_due != update.is_due || update.moved_from.is_some() {
            if let Some(time) = update.was_due {
                let key = due_key(time, update.moved_from.as_ref().unwrap_or(&update.label));
                self.parts.put(&statements.delete, delete(DUE, &key));
            }
            if let Some(time) = update.is_due {
                self.parts.put(&statements.put_due, vec![bucket, blob(&due_key(time, &update.label))]);
            }
        }
    }

    /// An entry with the number that is the head.
    fn put_entry(&mut self, statements: &Statements, entry: &NewEntry) {
        let (bucket, number) = (int(self.bucket), self.after.head);
        let code = tiny(entry.kind.code().cast_signed());
        let values = vec![bucket.clone(), blob(&number.to_be_bytes()), code, blob(&entry.document)];
        self.parts.put(&statements.put_entry, values);
        let at = i64::try_from(entry.at.seconds()).unwrap_or(i64::MAX);
        self.parts.put(&statements.put_stamp, vec![bucket, blob(&entry.hash), big(number), big(at)]);
    }
}

#[cfg(test)]
mod tests;
