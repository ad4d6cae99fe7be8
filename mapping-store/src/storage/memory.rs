//! An engine in memory: for unit tests, with as many shards as a test likes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::Timestamp;
use protocol::receipt::Position;

use super::{LogEntry, Stamp, Storage, StorageError, Stored, Tally, Update, Updated, in_turn, shard_of};
use crate::label::Label;

pub(crate) struct Memory {
    shards: u32,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    revision: u64,
    records: BTreeMap<Label, (u64, Vec<u8>)>,
    logs: HashMap<u32, Vec<LogEntry>>,
    stamps: HashMap<[u8; 32], Stamp>,
    due: BTreeSet<(Timestamp, Label)>,
    cursors: HashMap<(String, u32), u64>,
    notes: HashMap<String, Vec<u8>>,
    tally: Tally,
    fails: Option<StorageError>,
    is_silent: bool,
}

impl Memory {
    pub(crate) fn new(shards: u32) -> Self {
        Self { shards, kept: Mutex::default() }
    }

    /// From here on updates fail like this, or no longer.
    pub(crate) fn fail(&self, with: Option<StorageError>) {
        self.kept().fails = with;
    }

    /// From here on nobody hears what is due.
    pub(crate) fn fall_silent(&self) {
        self.kept().is_silent = true;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn update_all(&mut self, mut updates: Vec<Update>, shards: u32) -> Vec<Updated> {
        let mut outcomes: Vec<_> = updates.iter().map(|update| self.update(update)).collect();
        let order = in_turn(&updates, |update| outcomes[update] != Updated::Conflict);
        for (update, entry) in order {
            let update_of = &mut updates[update];
            let shard = shard_of(&update_of.label, shards);
            let entry = update_of.entries[entry].clone();
            let log = self.logs.entry(shard).or_default();
            let position = Position { shard, number: log.len() as u64 + 1 };
            log.push(LogEntry { position, kind: entry.kind, document: entry.document });
            self.stamps.insert(entry.hash, Stamp { position, at: entry.at });
            if let Updated::Done(positions) = &mut outcomes[update] {
                positions.push(position);
            }
        }
        outcomes
    }

    fn update(&mut self, update: &Update) -> Updated {
        let revision = |label: &Label| self.records.get(label).map_or(0, |(revision, _)| *revision);
        let stale = match &update.moved_from {
            Some(old) => revision(old) != update.expected || revision(&update.label) != 0,
            None => revision(&update.label) != update.expected,
        };
        if stale {
            return Updated::Conflict;
        }
        self.revision += 1;
        self.tally += update.tally;
        let before = update.moved_from.unwrap_or(update.label);
        self.records.remove(&before);
        if let Some(record) = &update.record {
            self.records.insert(update.label, (self.revision, record.clone()));
        }
        update.was_due.map(|time| self.due.remove(&(time, before)));
        update.is_due.map(|time| self.due.insert((time, update.label)));
        Updated::Done(Vec::new())
    }
}

impl Storage for Memory {
    fn shards(&self) -> u32 {
        self.shards
    }

    async fn record<T: Send>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> Result<T, StorageError> {
        let kept = self.kept();
        Ok(read(kept.records.get(label).map(|(revision, bytes)| Stored { revision: *revision, bytes })))
    }

    async fn update(&self, updates: Vec<Update>) -> Result<Vec<Updated>, StorageError> {
        let mut kept = self.kept();
        if let Some(error) = &kept.fails {
            return Err(error.clone());
        }
        Ok(kept.update_all(updates, self.shards))
    }

    async fn stamp_in(&self, _shard: u32, hash: &[u8; 32]) -> Result<Option<Stamp>, StorageError> {
        Ok(self.kept().stamps.get(hash).copied())
    }

    async fn head(&self, shard: u32) -> Result<u64, StorageError> {
        Ok(self.kept().logs.get(&shard).map_or(0, |log| log.len() as u64))
    }

    async fn log_after(&self, after: Position, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, StorageError> {
        let kept = self.kept();
        let log = kept.logs.get(&after.shard).map(Vec::as_slice).unwrap_or_default();
        let after = usize::try_from(after.number).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let within = log.iter().skip(after).take(most).enumerate().take_while(|(index, entry)| {
            bytes += entry.document.len();
            *index == 0 || bytes <= max_bytes
        });
        Ok(within.map(|(_, entry)| entry.clone()).collect())
    }

    async fn due(&self, until: Timestamp, most: usize) -> Result<Vec<Label>, StorageError> {
        if self.kept().is_silent {
            std::future::pending::<()>().await;
        }
        let kept = self.kept();
        Ok(kept.due.iter().take_while(|(time, _)| *time <= until).take(most).map(|(_, label)| *label).collect())
    }

    async fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Label)>, StorageError> {
        let kept = self.kept();
        Ok(kept.due.iter().filter(|entry| after.is_none_or(|after| **entry > after)).take(most).copied().collect())
    }

    async fn scan(&self, after: Option<Label>, most: usize) -> Result<Vec<(Label, Vec<u8>)>, StorageError> {
        let kept = self.kept();
        let later = kept.records.iter().filter(|(label, _)| after.is_none_or(|after| **label > after));
        Ok(later.take(most).map(|(label, (_, bytes))| (*label, bytes.clone())).collect())
    }

    async fn cursor(&self, source: &str, shard: u32) -> Result<u64, StorageError> {
        Ok(self.kept().cursors.get(&(source.to_owned(), shard)).copied().unwrap_or_default())
    }

    async fn set_cursor(&self, source: &str, at: Position) -> Result<(), StorageError> {
        self.kept().cursors.insert((source.to_owned(), at.shard), at.number);
        Ok(())
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.kept().notes.get(name).cloned())
    }

    async fn set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        match note {
            Some(note) => self.kept().notes.insert(name.to_owned(), note.to_vec()),
            None => self.kept().notes.remove(name),
        };
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.kept().tally
    }
}
