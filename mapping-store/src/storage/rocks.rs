//! RocksDB behind [`Storage`]: one atomic, synced batch for each group of updates.
//!
//! What its column families hold is in `layout`. A database of a newer format is refused. One process has the database open at a time;
//! within it, one batch is written at a time, and revisions are the engine's sequence numbers, which never repeat.

mod layout;
mod options;
mod recent;
mod update;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::Timestamp;
use protocol::receipt::Position;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{ColumnFamily, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::{Figures, LogEntry, Stamp, Storage, StorageError, Stored, Tally, Update, Updated, due_key, read_due_key};
use crate::label::Label;
use layout::{cursor_key, decode_stamp, log_key, note_key, read_entry, read_log_key, split_record};
use options::{DUE, LOG, META, Memory, RECORDS, STAMPS};
use recent::Recent;

const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
const SHARDS_KEY: &[u8] = b"shards";
const TALLY_KEY: &[u8] = b"tally";
/// An embedded database has one shard.
const SHARDS: u32 = 1;

/// An open database.
pub struct Rocks {
    db: DB,
    options: Options,
    recent: Recent,
    read_only: bool,
    state: Mutex<State>,
}

/// What changes with every batch; whoever writes one holds it.
#[derive(Clone, Default)]
struct State {
    /// The last number of each shard.
    heads: Vec<u64>,
    tally: Tally,
}

impl From<rocksdb::Error> for StorageError {
    fn from(error: rocksdb::Error) -> Self {
        let text = error.into_string();
        if text.contains("No space left on device") || text.contains("Max allowed space was reached") {
            Self::Full
        } else {
            Self::Failed(text)
        }
    }
}

impl Rocks {
    /// Opens the database in `folder`, creating it if it is missing. `cache_bytes` bounds its memory: records that were read of late,
    /// cached blocks, indexes, filters and write buffers count against it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Open`] names what is damaged or missing; [`StorageError::Newer`].
    pub fn open(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let memory = Memory::of(cache_bytes);
        let (options, families) = options::all(&memory);
        let failed =
            |error: rocksdb::Error| StorageError::Open { folder: folder.to_owned(), reason: error.into_string() };
        let db = DB::open_cf_descriptors(&options, folder, families).map_err(failed)?;
        Self::over(db, options, &memory, false)
    }

    /// As [`Rocks::open`], and refuses a folder without a database.
    pub(crate) fn open_existing(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        refuse_missing(folder)?;
        Self::open(folder, cache_bytes)
    }

    /// The last number of each shard.
    pub(crate) fn heads(&self) -> Vec<u64> {
        self.state().heads.clone()
    }

    /// As [`Storage::note`].
    pub(crate) fn read_note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.db.get_cf(self.family(META), note_key(name))?)
    }

    /// As [`Storage::set_note`].
    pub(crate) fn write_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        let family = self.family(META);
        match note {
            Some(note) => self.db.put_cf_opt(family, note_key(name), note, &synced())?,
            None => self.db.delete_cf_opt(family, note_key(name), &synced())?,
        }
        Ok(())
    }

    /// Copies the database as it is at one moment into `folder`, which must not exist; writing goes on meanwhile. Tables are
    /// hard links where the file system is the same.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; RocksDB takes back what it has begun.
    pub(crate) fn checkpoint(&self, folder: &Path) -> Result<(), StorageError> {
        Ok(Checkpoint::new(&self.db)?.create_checkpoint(folder)?)
    }

    /// Opens a database that nobody writes, to read it: a backup, for one. Nothing in it is changed.
    ///
    /// # Errors
    ///
    /// As [`Rocks::open`].
    pub fn open_read_only(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        refuse_missing(folder)?;
        let memory = Memory::of(cache_bytes);
        let (mut options, families) = options::all(&memory);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let failed =
            |error: rocksdb::Error| StorageError::Open { folder: folder.to_owned(), reason: error.into_string() };
        let db = DB::open_cf_descriptors_read_only(&options, folder, families, false).map_err(failed)?;
        Self::over(db, options, &memory, true)
    }

    fn over(db: DB, options: Options, memory: &Memory, read_only: bool) -> Result<Self, StorageError> {
        let recent = Recent::new(memory.records);
        let mut rocks = Self { db, options, recent, read_only, state: Mutex::default() };
        let shards = rocks.check_format()?;
        let heads = (0..shards).map(|shard| rocks.last_number(shard)).collect::<Result<_, _>>()?;
        rocks.state = Mutex::new(State { heads, tally: rocks.read_tally()? });
        Ok(rocks)
    }

    /// The shards of a database of this format; a new one gets both.
    fn check_format(&self) -> Result<u32, StorageError> {
        let number = |key: &[u8]| -> Result<Option<u32>, StorageError> {
            let value = self.db.get_cf(self.family(META), key)?;
            let number = |value: Vec<u8>| value.try_into().map(u32::from_be_bytes);
            value.map(number).transpose().map_err(|_| StorageError::Damaged("the database's own description"))
        };
        match (number(FORMAT_KEY)?, number(SHARDS_KEY)?) {
            (Some(found), _) if found > FORMAT => Err(StorageError::Newer { found, known: FORMAT }),
            (Some(_), Some(shards)) if shards > 0 => Ok(shards),
            (None, None) if !self.read_only => {
                let mut batch = WriteBatch::default();
                batch.put_cf(self.family(META), FORMAT_KEY, FORMAT.to_be_bytes());
                batch.put_cf(self.family(META), SHARDS_KEY, SHARDS.to_be_bytes());
                self.db.write_opt(batch, &synced())?;
                Ok(SHARDS)
            }
            _ => Err(StorageError::Damaged("the database's own description")),
        }
    }

    fn last_number(&self, shard: u32) -> Result<u64, StorageError> {
        let end = log_key(Position { shard, number: u64::MAX });
        let mut entries = self.db.iterator_cf(self.family(LOG), IteratorMode::From(&end, Direction::Reverse));
        let Some((key, _)) = entries.next().transpose()? else { return Ok(0) };
        let position = read_log_key(&key).ok_or(StorageError::Damaged("the log"))?;
        Ok(if position.shard == shard { position.number } else { 0 })
    }

    fn read_tally(&self) -> Result<Tally, StorageError> {
        let Some(value) = self.db.get_cf(self.family(META), TALLY_KEY)? else { return Ok(Tally::default()) };
        let (numbers, []) = value.as_chunks::<8>() else { return Err(StorageError::Damaged("the tally")) };
        let [live, tombstones] = *numbers else { return Err(StorageError::Damaged("the tally")) };
        Ok(Tally { live: i64::from_be_bytes(live), tombstones: i64::from_be_bytes(tombstones) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every column family is opened with the database")
    }
}

impl Drop for Rocks {
    /// Leaves tables and an empty write-ahead log: the next start has nothing to play back, and nothing to lose with a log that
    /// is cut meanwhile. If that fails, the log has it all.
    fn drop(&mut self) {
        if self.read_only {
            return;
        }
        for family in options::FAMILIES {
            if let Err(error) = self.db.flush_cf(self.family(family)) {
                tracing::warn!(%error, "the database was closed without writing its tables; its log has what is missing");
                return;
            }
        }
    }
}

impl Storage for Rocks {
    fn shards(&self) -> u32 {
        shard_count(&self.state())
    }

    async fn record<T: Send>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> Result<T, StorageError> {
        if let Some(value) = self.recent.get(label) {
            return Ok(read(Some(split_record(&value)?)));
        }
        let reading = self.recent.reading(label);
        let Some(value) = self.db.get_pinned_cf(self.family(RECORDS), label)? else { return Ok(read(None)) };
        let stored = split_record(&value)?;
        if let Some(reading) = reading {
            self.recent.keep(label, &reading, &value);
        }
        Ok(read(Some(stored)))
    }

    async fn update(&self, updates: Vec<Update>) -> Result<Vec<Updated>, StorageError> {
        self.write_group(&updates)
    }

    async fn stamp_in(&self, _shard: u32, hash: &[u8; 32]) -> Result<Option<Stamp>, StorageError> {
        let value = self.db.get_pinned_cf(self.family(STAMPS), hash)?;
        value.map(|value| decode_stamp(&value).ok_or(StorageError::Damaged("a stamp"))).transpose()
    }

    async fn head(&self, shard: u32) -> Result<u64, StorageError> {
        Ok(self.state().heads.get(shard as usize).copied().unwrap_or_default())
    }

    async fn log_after(&self, after: Position, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, StorageError> {
        let Some(first) = after.number.checked_add(1) else { return Ok(Vec::new()) };
        let start = log_key(Position { number: first, ..after });
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in self.db.iterator_cf(self.family(LOG), IteratorMode::From(&start, Direction::Forward)).take(most) {
            let (key, value) = item?;
            let entry = read_entry(&key, &value).ok_or(StorageError::Damaged("the log"))?;
            bytes += entry.document.len();
            if entry.position.shard != after.shard || (bytes > max_bytes && !entries.is_empty()) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn due(&self, until: Timestamp, most: usize) -> Result<Vec<Label>, StorageError> {
        let mut labels = Vec::new();
        for item in self.db.iterator_cf(self.family(DUE), IteratorMode::Start).take(most) {
            let (key, _) = item?;
            let (time, label) = read_due_key(&key)?;
            if time > until {
                break;
            }
            labels.push(label);
        }
        Ok(labels)
    }

    async fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Label)>, StorageError> {
        let start = after.map_or([0; 41], |(time, label)| due_key(time, &label));
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut entries = Vec::new();
        for item in self.db.iterator_cf(self.family(DUE), mode) {
            let entry = read_due_key(&item?.0)?;
            if Some(entry) == after {
                continue;
            }
            if entries.len() == most {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn scan(&self, after: Option<Label>, most: usize) -> Result<Vec<(Label, Vec<u8>)>, StorageError> {
        let start = after.unwrap_or([0; 33]);
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut records = Vec::new();
        for item in self.db.iterator_cf(self.family(RECORDS), mode) {
            let (key, value) = item?;
            let label: Label = key.as_ref().try_into().map_err(|_| StorageError::Damaged("a record"))?;
            if Some(label) == after {
                continue;
            }
            if records.len() == most {
                break;
            }
            records.push((label, split_record(&value)?.bytes.to_vec()));
        }
        Ok(records)
    }

    async fn cursor(&self, source: &str, shard: u32) -> Result<u64, StorageError> {
        let value = self.db.get_cf(self.family(META), cursor_key(source, shard))?;
        let number = |value: Vec<u8>| value.try_into().map(u64::from_be_bytes);
        value.map_or(Ok(0), |value| number(value).map_err(|_| StorageError::Damaged("a follower's position")))
    }

    async fn set_cursor(&self, source: &str, at: Position) -> Result<(), StorageError> {
        Ok(self.db.put_cf(self.family(META), cursor_key(source, at.shard), at.number.to_be_bytes())?)
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.read_note(name)
    }

    async fn set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        self.write_note(name, note)
    }

    fn tally(&self) -> Tally {
        self.state().tally
    }

    fn figures(&self) -> Figures {
        let figures = options::figures(&self.db, &self.options);
        Figures { memory_bytes: figures.memory_bytes + self.recent.bytes(), ..figures }
    }
}

/// RocksDB makes the folder before it finds nothing there.
fn refuse_missing(folder: &Path) -> Result<(), StorageError> {
    if folder.join("CURRENT").is_file() {
        return Ok(());
    }
    Err(StorageError::Open { folder: folder.to_owned(), reason: "there is no database".to_owned() })
}

fn shard_count(state: &State) -> u32 {
    u32::try_from(state.heads.len()).unwrap_or(u32::MAX)
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

#[cfg(test)]
mod tests;
