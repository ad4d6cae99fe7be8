//! RocksDB: four column families, and one atomic, synced batch for each group of changes.
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `records` | label of the CPI (33) | [`Record`] |
//! | `log` | shard (4) ‖ number (8) | kind (1) ‖ published bytes |
//! | `receipts` | SHA-256 of the published bytes (32) | signed receipt |
//! | `meta` | `format`, `head` | version (4), last number of shard 0 (8) |
//!
//! All numbers are big-endian. A database of a newer format is refused.

use std::path::Path;

use protocol::receipt::Position;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, IteratorMode, Options,
    WriteBatch, WriteOptions,
};

use crate::label::Label;
use crate::record::{Damaged, Record};

const FORMAT: u32 = 1;
const RECORDS: &str = "records";
const LOG: &str = "log";
const RECEIPTS: &str = "receipts";
const META: &str = "meta";
const FORMAT_KEY: &[u8] = b"format";
const HEAD_KEY: &[u8] = b"head";
const BLOOM_BITS: f64 = 10.0;
const KEPT_LOG_FILES: usize = 4;

/// The one shard of an embedded database.
pub(crate) const SHARD: u32 = 0;

/// Why the database cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// RocksDB refuses.
    #[error("database: {0}")]
    Rocks(#[from] rocksdb::Error),
    /// What is stored cannot be read.
    #[error("database: a record or log entry is damaged")]
    Damaged,
    /// Written by a newer version of this software.
    #[error("database: its format {0} is newer than {FORMAT}, the newest that this version reads")]
    Newer(u32),
}

impl From<Damaged> for EngineError {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

impl EngineError {
    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Rocks(error) if error.to_string().contains("No space left"))
    }
}

/// What stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mapping,
    Removal,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Mapping => 0,
            Self::Removal => 1,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Mapping),
            1 => Some(Self::Removal),
            _ => None,
        }
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) document: Vec<u8>,
}

/// An open database.
pub(crate) struct Engine {
    db: DB,
}

/// Changes that become durable together or not at all.
#[derive(Default)]
pub(crate) struct Changes {
    records: Vec<(Label, Vec<u8>)>,
    log: Vec<LogEntry>,
    receipts: Vec<([u8; 32], Vec<u8>)>,
}

impl Changes {
    pub(crate) fn record(&mut self, label: Label, record: &Record) {
        self.records.push((label, record.encode()));
    }

    pub(crate) fn entry(&mut self, entry: LogEntry, hash: [u8; 32], receipt: Vec<u8>) {
        self.log.push(entry);
        self.receipts.push((hash, receipt));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }
}

impl Engine {
    pub(crate) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        let cache = Cache::new_lru_cache(cache_bytes);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(KEPT_LOG_FILES);
        options.set_max_open_files(1024);
        options.set_paranoid_checks(true);
        let families = [
            ColumnFamilyDescriptor::new(RECORDS, point_lookups(&cache)),
            ColumnFamilyDescriptor::new(RECEIPTS, point_lookups(&cache)),
            ColumnFamilyDescriptor::new(LOG, scans(&cache)),
            ColumnFamilyDescriptor::new(META, Options::default()),
        ];
        let engine = Self { db: DB::open_cf_descriptors(&options, folder, families)? };
        engine.check_format()?;
        Ok(engine)
    }

    pub(crate) fn record(&self, label: &Label) -> Result<Option<Record>, EngineError> {
        let bytes = self.db.get_pinned_cf(self.family(RECORDS), label)?;
        Ok(bytes.map(|bytes| Record::decode(&bytes)).transpose()?)
    }

    pub(crate) fn receipt(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.db.get_cf(self.family(RECEIPTS), hash)?)
    }

    /// The number of the last log entry; 0 if there is none.
    pub(crate) fn head(&self) -> Result<u64, EngineError> {
        let head = self.db.get_cf(self.family(META), HEAD_KEY)?;
        head.map_or(Ok(0), |head| Ok(u64::from_be_bytes(head.try_into().map_err(|_| EngineError::Damaged)?)))
    }

    /// Log entries after `number`, in order, until there are `most` or their documents fill `max_bytes`.
    pub(crate) fn log_after(&self, number: u64, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, EngineError> {
        let start = log_key(number.saturating_add(1));
        let mode = IteratorMode::From(&start, rocksdb::Direction::Forward);
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in self.db.iterator_cf(self.family(LOG), mode).take(most) {
            let (key, value) = item?;
            let entry = read_entry(&key, &value).ok_or(EngineError::Damaged)?;
            bytes += entry.document.len();
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Writes `changes` and syncs the write-ahead log; they are durable when this returns.
    pub(crate) fn write(&self, changes: Changes) -> Result<(), EngineError> {
        let mut batch = WriteBatch::default();
        for (label, record) in changes.records {
            batch.put_cf(self.family(RECORDS), label, record);
        }
        for (hash, receipt) in changes.receipts {
            batch.put_cf(self.family(RECEIPTS), hash, receipt);
        }
        if let Some(last) = changes.log.last() {
            batch.put_cf(self.family(META), HEAD_KEY, last.number.to_be_bytes());
        }
        for entry in changes.log {
            let value = [&[entry.kind.code()], entry.document.as_slice()].concat();
            batch.put_cf(self.family(LOG), log_key(entry.number), value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    fn check_format(&self) -> Result<(), EngineError> {
        match self.db.get_cf(self.family(META), FORMAT_KEY)? {
            Some(version) => {
                let version = u32::from_be_bytes(version.try_into().map_err(|_| EngineError::Damaged)?);
                if version > FORMAT { Err(EngineError::Newer(version)) } else { Ok(()) }
            }
            None => {
                let mut options = WriteOptions::default();
                options.set_sync(true);
                Ok(self.db.put_cf_opt(self.family(META), FORMAT_KEY, FORMAT.to_be_bytes(), &options)?)
            }
        }
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every column family is opened with the database")
    }
}

/// The place of an entry in the log.
pub(crate) const fn position(number: u64) -> Position {
    Position { shard: SHARD, number }
}

fn point_lookups(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(BLOOM_BITS, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn scans(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(32 * 1024);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

fn log_key(number: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&SHARD.to_be_bytes());
    key[4..].copy_from_slice(&number.to_be_bytes());
    key
}

fn read_entry(key: &[u8], value: &[u8]) -> Option<LogEntry> {
    let number = u64::from_be_bytes(key.get(4..)?.try_into().ok()?);
    let (kind, document) = value.split_first()?;
    Some(LogEntry { number, kind: Kind::from_code(*kind)?, document: document.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path(), 1 << 20).unwrap();
        engine.db.put_cf(engine.family(META), FORMAT_KEY, 2_u32.to_be_bytes()).unwrap();
        drop(engine);
        assert!(matches!(Engine::open(folder.path(), 1 << 20), Err(EngineError::Newer(2))));
    }

    #[test]
    fn the_log_is_read_in_order_and_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path(), 1 << 20).unwrap();
        let entry = |number| LogEntry { number, kind: Kind::Mapping, document: vec![1; 100] };
        let mut changes = Changes::default();
        (1..=300).for_each(|number| changes.entry(entry(number), [0; 32], Vec::new()));
        engine.write(changes).unwrap();
        assert_eq!(engine.head().unwrap(), 300);
        let numbers = |after, most, bytes| {
            engine.log_after(after, most, bytes).unwrap().iter().map(|e| e.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(254, 3, 10_000), [255, 256, 257]);
        assert_eq!(numbers(0, 100, 250), [1, 2]);
        assert_eq!(numbers(0, 100, 1), [1]);
        assert_eq!(numbers(300, 100, 1000), [0_u64; 0]);
        assert_eq!(numbers(u64::MAX, 100, 1000), [0_u64; 0]);
    }
}
