//! What the store asks of an engine: [`Storage`]. Everything that is kept goes through it.
//!
//! An engine keeps four things: the record of each CPI under its label, a log in shards, a [`Stamp`] for each published
//! document, and an index of records by the time at which the sweep is to look at them. A change of a record, its log
//! entries, its stamps and its place in the index happen in one atomic step, if the record is still the one that was read.
//! What a record says is the store's business: an engine sees bytes and a revision.
//!
//! [`Rocks`] keeps it all in RocksDB, [`Cql`] in a cluster of Apache Cassandra or ScyllaDB; [`Engine`] is either, as the settings say. `suite` holds the
//! behaviour that every engine must show.

mod check;
mod cql;
mod engine;
#[cfg(test)]
pub(crate) mod memory;
mod rocks;
#[cfg(test)]
mod suite;

use std::future::Future;
use std::path::PathBuf;

use protocol::Timestamp;
use protocol::receipt::Position;

use crate::label::Label;

pub use check::{Checked, Disagreement, check};
pub use cql::{ClusterConfig, Cql, InheritedEntry, InheritedRecord, SchemaConfig};
pub use engine::Engine;
pub use protocol::change::{Kind, LogEntry};
pub use rocks::Rocks;

/// The store's engine. Futures may do blocking work of a point read's length; [`Storage::update`] may block for a sync,
/// and is called from a thread that has nothing else to do.
pub trait Storage: Send + Sync + 'static {
    /// How many shards the log has; fixed when the engine is created.
    fn shards(&self) -> u32;

    /// How many records are best read at once: more than one where each has to be waited for.
    fn reads_at_once(&self) -> usize {
        1
    }

    /// Reads the record under `label` where it lies, without copying it.
    fn record<T: Send>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> impl Future<Output = Result<T, StorageError>> + Send;

    /// Does each update wholly or not at all; those that were done are durable when this returns. An engine may do several
    /// in one step. After an error nobody can say what was done; none of it may be acknowledged.
    fn update(&self, updates: Vec<Update>) -> impl Future<Output = Result<Vec<Updated>, StorageError>> + Send;

    /// Where and when the document of this hash was published, if it was; asked where entries of labels of this shard have
    /// their stamps ([`shard_of`]). Older entries, of before the database was moved to this engine, are found from any shard.
    fn stamp_in(&self, shard: u32, hash: &[u8; 32])
    -> impl Future<Output = Result<Option<Stamp>, StorageError>> + Send;

    /// The number of a shard's last entry; 0 if there is none.
    fn head(&self, shard: u32) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Entries of one shard after a position, in order, until there are `most` or their documents fill `max_bytes`. The first
    /// one comes whatever its length.
    fn log_after(
        &self,
        after: Position,
        most: usize,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Vec<LogEntry>, StorageError>> + Send;

    /// Labels of records whose time for the sweep has come, the earliest first.
    fn due(&self, until: Timestamp, most: usize) -> impl Future<Output = Result<Vec<Label>, StorageError>> + Send;

    /// The index of the sweep, after one of its entries: all of it in the end, in an order of the engine's own. For checks.
    fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<(Timestamp, Label)>, StorageError>> + Send;

    /// Records after a label, in the order of their labels: for export and checks.
    fn scan(
        &self,
        after: Option<Label>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<(Label, Vec<u8>)>, StorageError>> + Send;

    /// How far a follower has read in a shard of this source; 0 if it has not.
    fn cursor(&self, source: &str, shard: u32) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Keeps how far a follower has read. It survives the process; after a power failure an earlier one may stand, never a later.
    fn set_cursor(&self, source: &str, at: Position) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// What the store keeps about itself under this name.
    fn note(&self, name: &str) -> impl Future<Output = Result<Option<Vec<u8>>, StorageError>> + Send;

    /// Keeps a note, or drops it; durable when this returns, and never before what was written earlier.
    fn set_note(&self, name: &str, note: Option<&[u8]>) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// The sum of all updates' tallies.
    fn tally(&self) -> Tally;

    /// What the engine knows of its own work, for metrics.
    fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// A record as an engine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Which version of the record this is. A label never has the same revision twice; no record has revision 0.
    pub revision: u64,
    /// The record.
    pub bytes: &'a [u8],
}

/// A change of one record, and what goes with it.
#[derive(Clone, Debug)]
pub struct Update {
    /// Whose record.
    pub label: Label,
    /// The revision that was read; 0 if there was no record. The update is done only if it is still so.
    pub expected: u64,
    /// The label under which the record stood so far, if it moves; `expected` is that record's revision, and there must be none
    /// under `label`.
    pub moved_from: Option<Label>,
    /// The record from here on; none to drop it.
    pub record: Option<Vec<u8>>,
    /// Its place in the index of the sweep before this.
    pub was_due: Option<Timestamp>,
    /// Its place in the index from here on.
    pub is_due: Option<Timestamp>,
    /// What was published, in order.
    pub entries: Vec<NewEntry>,
    /// What this adds to the engine's tally.
    pub tally: Tally,
}

/// How many mappings there are. Kept in the same step as the records, so that nobody need count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those to be found, until the sweep has come by after their expiry.
    pub live: i64,
    /// Those of which only the `seq` is remembered.
    pub tombstones: i64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.live += other.live;
        self.tombstones += other.tombstones;
    }
}

/// A document on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is.
    pub kind: Kind,
    /// The published bytes.
    pub document: Vec<u8>,
    /// Their SHA-256.
    pub hash: [u8; 32],
    /// When it was published.
    pub at: Timestamp,
    /// Its turn among all entries of the updates that are done together: their order in the log.
    pub turn: u32,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Updated {
    /// Done and durable; where its entries stand.
    Done(Vec<Position>),
    /// Somebody else has changed the record; nothing was done.
    Conflict,
}

/// Where a record stands in the index of the sweep: time (8) ‖ label (33).
fn due_key(time: Timestamp, label: &Label) -> [u8; 41] {
    let mut key = [0; 41];
    key[..8].copy_from_slice(&time.seconds().to_be_bytes());
    key[8..].copy_from_slice(label);
    key
}

fn read_due_key(key: &[u8]) -> Result<(Timestamp, Label), StorageError> {
    let damaged = StorageError::Damaged("the index of the sweep");
    let Some((time, label)) = key.split_first_chunk() else { return Err(damaged) };
    let label = label.try_into().map_err(|_| damaged)?;
    Ok((Timestamp::from_seconds(u64::from_be_bytes(*time)), label))
}

/// The entries of those `updates` that are done, as (update, entry), in the order of their turns.
fn in_turn(updates: &[Update], done: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let of = |(update, found): (usize, &Update)| (0..found.entries.len()).map(move |entry| (update, entry));
    let mut order: Vec<_> = updates.iter().enumerate().filter(|(update, _)| done(*update)).flat_map(of).collect();
    order.sort_by_key(|(update, entry)| updates[*update].entries[*entry].turn);
    order
}

/// Where and when a document was published: what a receipt promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it stands in the log.
    pub position: Position,
    /// When it was published.
    pub at: Timestamp,
}

/// What an engine knows of its own work. All zero where it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Blocks found in the cache.
    pub cache_hits: u64,
    /// Blocks read from the disk.
    pub cache_misses: u64,
    /// Bytes of memory: cache, write buffers, tables.
    pub memory_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Records, as the engine estimates.
    pub records: u64,
}

/// Why an engine cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The disk is full.
    #[error("database: the disk is full")]
    Full,
    /// The engine refuses, in its own words: they name files, never what is in them.
    #[error("database: {0}")]
    Failed(String),
    /// What is stored cannot be read.
    #[error("database: {0} is damaged")]
    Damaged(&'static str),
    /// The database cannot be opened.
    #[error("the database in {folder} cannot be opened: {reason}")]
    Open {
        /// Its folder.
        folder: PathBuf,
        /// Why not, with the file if the engine knows it.
        reason: String,
    },
    /// Written by a newer version of this software.
    #[error("database: its format {found} is newer than {known}, the newest that this version reads")]
    Newer {
        /// The database's format.
        found: u32,
        /// The newest that can be read.
        known: u32,
    },
}

impl From<cluster::Error> for StorageError {
    fn from(error: cluster::Error) -> Self {
        match error {
            cluster::Error::Failed(reason) => Self::Failed(reason),
            cluster::Error::Damaged(what) => Self::Damaged(what),
        }
    }
}

/// The shard in which a label's entries stand: all of one label in one shard, so that they keep their order. Later labels have
/// the same shard or a later one.
#[must_use]
pub fn shard_of(label: &Label, shards: u32) -> u32 {
    let [_version, a, b, c, d, ..] = *label;
    let part = (u64::from(u32::from_be_bytes([a, b, c, d])) * u64::from(shards.max(1))) >> 32;
    u32::try_from(part).expect("a fraction of a number of 32 bits has 32 bits")
}
