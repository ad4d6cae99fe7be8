//! RocksDB, with one atomic batch for each group of changes ([`writer`](super::writer)).
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `enrollments` | enrollment id (16) | [`Stored`] |
//! | `requests` | thumbprint of the user key (32) ‖ number of the request (16) | enrollment id (16) |
//! | `credentials` | credential id (16) | signed credential |
//! | `deadlines` | time (8) ‖ kind (1) ‖ id (16) | what else is to be deleted then: key in `requests`, or nothing |
//! | `counters` | kind (1) ‖ keyed hash (8) | see [`crate::limits`] |
//! | `audit` | number (8) | see [`audit`](crate::storage::audit) |
//! | `meta` | `format`, `audit-head` | version (4); number (8) ‖ hash (32) of the last entry |
//!
//! All numbers are big-endian. A database of a newer format is refused.

use std::collections::HashMap;
use std::path::Path;

use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Direction, IteratorMode,
    Options, WriteBatch, WriteOptions,
};

use super::super::audit::{Checker, EntryHash};
use super::super::change::{Deadline, Expected, Family, Op};
use super::super::{FORMAT, StorageError};
use crate::enrollment::{RequestKey, Stored};

const FORMAT_KEY: &[u8] = b"format";
const AUDIT_HEAD_KEY: &[u8] = b"audit-head";
const BLOOM_BITS: f64 = 10.0;
const KEPT_LOG_FILES: usize = 4;

/// An open database.
pub(crate) struct Database {
    db: DB,
}

impl Database {
    pub(crate) fn open(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let cache = Cache::new_lru_cache(cache_bytes);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_keep_log_file_num(KEPT_LOG_FILES);
        options.set_max_open_files(1024);
        options.set_paranoid_checks(true);
        let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), tables(&cache)));
        let storage = Self { db: DB::open_cf_descriptors(&options, folder, families)? };
        storage.check_format()?;
        Ok(storage)
    }

    /// Opens the database of a prover that may be running, for reading: as it is at this moment.
    pub(crate) fn open_to_read(folder: &Path, cache_bytes: usize) -> Result<Self, StorageError> {
        let cache = Cache::new_lru_cache(cache_bytes);
        let mut options = Options::default();
        options.set_max_open_files(1024);
        options.set_paranoid_checks(true);
        // A prover of an earlier version has not made them all.
        let known = DB::list_cf(&options, folder)?;
        let families = Family::ALL.into_iter().filter(|family| known.iter().any(|name| name == family.name()));
        let families = families.map(|family| ColumnFamilyDescriptor::new(family.name(), tables(&cache)));
        let storage = Self { db: DB::open_cf_descriptors_read_only(&options, folder, families, false)? };
        match storage.format()? {
            Some(version) if version > FORMAT => Err(StorageError::Newer(version)),
            Some(_) => Ok(storage),
            None => Err(StorageError::Damaged("meta: format".to_owned())),
        }
    }

    pub(crate) fn enrollment(&self, id: &EnrollmentId) -> Result<Option<Stored>, StorageError> {
        let bytes = self.db.get_pinned_cf(self.family(Family::Enrollments), id.as_bytes())?;
        Ok(bytes.map(|bytes| Stored::decode(&bytes)).transpose()?)
    }

    /// The enrollment that a request opened.
    pub(crate) fn enrollment_of(&self, request: &RequestKey) -> Result<Option<Stored>, StorageError> {
        let Some(id) = self.db.get_pinned_cf(self.family(Family::Requests), request)? else { return Ok(None) };
        let id = <[u8; 16]>::try_from(&*id).map_err(|_| StorageError::Damaged("requests: not an id".to_owned()))?;
        self.enrollment(&EnrollmentId::from_bytes(id))
    }

    /// Whether what a change was judged by is still so, as the database is with `pending` written.
    pub(super) fn is(&self, expected: &Expected, pending: &Pending) -> Result<bool, StorageError> {
        match expected {
            Expected::Anything => Ok(true),
            Expected::Unopened(request) => match pending.get(&(Family::Requests, request.to_vec())) {
                Some(id) => Ok(id.is_none()),
                None => Ok(self.db.get_pinned_cf(self.family(Family::Requests), request)?.is_none()),
            },
            Expected::Unchanged(stored) => {
                let id = stored.facts().id;
                let found = match pending.get(&(Family::Enrollments, id.as_bytes().to_vec())) {
                    Some(bytes) => bytes.as_ref().map(|bytes| Stored::decode(bytes)).transpose()?,
                    None => self.enrollment(&id)?,
                };
                Ok(found.as_ref() == Some(&**stored))
            }
        }
    }

    /// A credential that was issued and has not expired.
    pub(crate) fn credential(&self, id: &[u8; 16]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.db.get_cf(self.family(Family::Credentials), id)?)
    }

    /// At most `most` deadlines from `from` on that are over at `now`, in order of time.
    pub(crate) fn due(&self, from: Timestamp, now: Timestamp, most: usize) -> Result<Vec<Deadline>, StorageError> {
        let start = from.seconds().to_be_bytes();
        let mode = IteratorMode::From(&start, Direction::Forward);
        let mut due = Vec::new();
        for item in self.db.iterator_cf(self.family(Family::Deadlines), mode).take(most) {
            let (key, value) = item?;
            let damaged = || StorageError::Damaged("deadlines: not a deadline".to_owned());
            let deadline = Deadline::decode(&key, &value).ok_or_else(damaged)?;
            if deadline.at > now {
                break;
            }
            due.push(deadline);
        }
        Ok(due)
    }

    /// Number and hash of the last entry of the audit trail; (0, zeros) if there is none.
    pub(crate) fn audit_head(&self) -> Result<(u64, EntryHash), StorageError> {
        let Some(head) = self.db.get_cf(self.family(Family::Meta), AUDIT_HEAD_KEY)? else { return Ok((0, [0; 32])) };
        let read = || Some((u64::from_be_bytes(head.get(..8)?.try_into().ok()?), head.get(8..)?.try_into().ok()?));
        read().ok_or_else(|| StorageError::Damaged("meta: audit-head".to_owned()))
    }

    /// Checks the whole audit trail; returns how many entries it has.
    pub(crate) fn check_audit(&self) -> Result<u64, StorageError> {
        self.walk_audit(|_, _| Ok(()))
    }

    /// Checks the whole audit trail, and shows each entry once it is found to follow; returns how many there are.
    pub(crate) fn walk_audit<E: From<StorageError>>(
        &self,
        mut show: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut checker = Checker::default();
        for item in self.db.iterator_cf(self.family(Family::Audit), IteratorMode::Start) {
            let (key, value) = item.map_err(StorageError::from)?;
            let number = <[u8; 8]>::try_from(&*key).map_err(|_| StorageError::Damaged("audit: a key".to_owned()))?;
            let number = u64::from_be_bytes(number);
            checker.next(number, &value).map_err(StorageError::from)?;
            show(number, &value)?;
        }
        Ok(checker.end(self.audit_head()?).map_err(StorageError::from)?)
    }

    /// Shows all stored counters of limits.
    pub(crate) fn counters(&self, mut show: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Result<(), StorageError> {
        for item in self.db.iterator_cf(self.family(Family::Counters), IteratorMode::Start) {
            let (key, value) = item?;
            show(&key, &value).ok_or_else(|| StorageError::Damaged("counters: not a counter".to_owned()))?;
        }
        Ok(())
    }

    /// Writes all of `ops` or none; with `sync`, they are durable when this returns.
    pub(crate) fn write(&self, ops: &[Op], sync: bool) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for op in ops {
            match op {
                Op::Put(family, key, value) => batch.put_cf(self.family(*family), key, value),
                Op::Delete(family, key) => batch.delete_cf(self.family(*family), key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.db.write_opt(batch, &options)?)
    }

    fn check_format(&self) -> Result<(), StorageError> {
        match self.format()? {
            None => self.write(&[Op::Put(Family::Meta, FORMAT_KEY.to_vec(), FORMAT.to_be_bytes().to_vec())], true),
            Some(version) if version > FORMAT => Err(StorageError::Newer(version)),
            Some(_) => Ok(()),
        }
    }

    fn format(&self) -> Result<Option<u32>, StorageError> {
        let Some(version) = self.db.get_cf(self.family(Family::Meta), FORMAT_KEY)? else { return Ok(None) };
        let damaged = |_| StorageError::Damaged("meta: format".to_owned());
        Ok(Some(u32::from_be_bytes(version.try_into().map_err(damaged)?)))
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("every column family is opened with the database")
    }
}

/// What is about to be written of those families that changes are judged by.
pub(in crate::storage) type Pending = HashMap<(Family, Vec<u8>), Option<Vec<u8>>>;

/// The op that moves the head of the audit trail.
pub(super) fn audit_head(number: u64, hash: &EntryHash) -> Op {
    Op::Put(Family::Meta, AUDIT_HEAD_KEY.to_vec(), [number.to_be_bytes().as_slice(), hash].concat())
}

fn tables(cache: &Cache) -> Options {
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

#[cfg(test)]
mod tests;
