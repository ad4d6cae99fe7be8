//! Updates: one batch for all of them, with one sync.
//!
//! Whoever writes one holds the state, so that nothing changes between the comparison of the revisions and the batch.

use std::collections::HashSet;

use protocol::receipt::Position;
use rocksdb::WriteBatch;

use super::super::{NewEntry, Stamp, StorageError, Update, Updated, due_key, in_turn, shard_of};
use super::layout::{encode_stamp, log_key, split_record};
use super::options::{DUE, LOG, META, RECORDS, STAMPS};
use super::{Rocks, TALLY_KEY, shard_count, synced};
use crate::label::Label;

impl Rocks {
    pub(super) fn write_group(&self, updates: &[Update]) -> Result<Vec<Updated>, StorageError> {
        let mut state = self.state();
        let mut next = state.clone();
        let revision = self.db.latest_sequence_number() + 1;
        let (mut batch, mut touched) = (WriteBatch::default(), HashSet::with_capacity(updates.len()));
        let mut outcomes = Vec::with_capacity(updates.len());
        for update in updates {
            if self.is_stale(update, &mut touched)? {
                outcomes.push(Updated::Conflict);
                continue;
            }
            self.put_update(&mut batch, update, revision);
            next.tally += update.tally;
            outcomes.push(Updated::Done(Vec::with_capacity(update.entries.len())));
        }
        for (update, entry) in in_turn(updates, |update| outcomes[update] != Updated::Conflict) {
            let shard = shard_of(&updates[update].label, shard_count(&next));
            let head = &mut next.heads[shard as usize];
            *head += 1;
            let position = Position { shard, number: *head };
            self.put_entry(&mut batch, position, &updates[update].entries[entry]);
            if let Updated::Done(positions) = &mut outcomes[update] {
                positions.push(position);
            }
        }
        if !batch.is_empty() {
            let tally = [next.tally.live.to_be_bytes(), next.tally.tombstones.to_be_bytes()];
            batch.put_cf(self.family(META), TALLY_KEY, tally.as_flattened());
            let _changing = self.recent.changing(touched.into_iter());
            self.db.write_opt(batch, &synced())?;
        }
        *state = next;
        Ok(outcomes)
    }

    /// Whether another update has come before this one, in the database or in its group.
    fn is_stale(&self, update: &Update, touched: &mut HashSet<Label>) -> Result<bool, StorageError> {
        let labels = [Some(update.label), update.moved_from];
        let mut fresh = true;
        for label in labels.into_iter().flatten() {
            fresh &= touched.insert(label);
        }
        let stood = match &update.moved_from {
            Some(old) => self.revision(old)? == update.expected && self.revision(&update.label)? == 0,
            None => self.revision(&update.label)? == update.expected,
        };
        Ok(!(fresh && stood))
    }

    /// The revision under a label; 0 if there is no record.
    fn revision(&self, label: &Label) -> Result<u64, StorageError> {
        let value = self.db.get_pinned_cf(self.family(RECORDS), label)?;
        value.map_or(Ok(0), |value| Ok(split_record(&value)?.revision))
    }

    fn put_update(&self, batch: &mut WriteBatch, update: &Update, revision: u64) {
        match &update.record {
            Some(record) => {
                let value = [revision.to_be_bytes().as_slice(), record].concat();
                batch.put_cf(self.family(RECORDS), update.label, value);
            }
            None => batch.delete_cf(self.family(RECORDS), update.label),
        }
        if let Some(old) = &update.moved_from {
            batch.delete_cf(self.family(RECORDS), old);
        }
        if update.was_due != update.is_due || update.moved_from.is_some() {
            if let Some(time) = update.was_due {
                batch.delete_cf(self.family(DUE), due_key(time, update.moved_from.as_ref().unwrap_or(&update.label)));
            }
            if let Some(time) = update.is_due {
                batch.put_cf(self.family(DUE), due_key(time, &update.label), []);
            }
        }
    }

    fn put_entry(&self, batch: &mut WriteBatch, position: Position, entry: &NewEntry) {
        let mut value = Vec::with_capacity(1 + entry.document.len());
        value.push(entry.kind.code());
        value.extend_from_slice(&entry.document);
        batch.put_cf(self.family(LOG), log_key(position), value);
        batch.put_cf(self.family(STAMPS), entry.hash, encode_stamp(Stamp { position, at: entry.at }));
    }
}
