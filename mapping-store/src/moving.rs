//! `mapping-store move`: an embedded database is carried into a cluster.
//!
//! The log is copied entry by entry, each at the position that its receipt names, and with each step the records that it is about. While the
//! store is being served this is repeated, and each time there is less to carry; once it is stopped, [`carry`] with `finish` carries the rest,
//! marks the old database, which is not served again, and opens the new one. Cut short anywhere, it goes on where it was.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use protocol::receipt::Position;
use sha2::{Digest as _, Sha256};

use crate::backup::Removed;
use crate::config::StoreConfig;
use crate::control::{self, ControlError, Request};
use crate::hash_key::{self, HashKeyError};
use crate::label::{Label, Ring};
use crate::record::Record;
use crate::storage::{
    Cql, InheritedEntry, InheritedRecord, LogEntry, Rocks, Storage as _, StorageError, Stored, Tally,
};
use crate::store::{OpenError, cpi_of, moved};

/// Log entries carried in one step.
const STEP: usize = 1024;
const STEP_BYTES: usize = 4 * 1024 * 1024;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Log entries in the cluster.
    pub entries: u64,
    /// Log entries of the embedded database, when it was opened.
    pub of: u64,
}

/// Why a database is not carried over, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// No cluster, or a key.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The running store, of which a copy was asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The hash key.
    #[error(transparent)]
    HashKey(#[from] HashKeyError),
    /// Records stand under two keys.
    #[error("the hash key is being changed: move the database when that is done")]
    Rotating,
    /// The backup that it was restored from is not all there was.
    #[error("the database was restored from a backup: bring it forward before it is moved")]
    Restored,
    /// What stands in the cluster is of another database.
    #[error("shard {0}: the cluster has taken over more than the database in {1} has: it is another one")]
    Other(u32, PathBuf),
    /// Either engine.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Carries the database in `from` into the cluster of the settings; with `finish`, to the end, for which no store may have it open. `watch` is
/// told after each step.
///
/// # Errors
///
/// [`MoveError`]; what was carried stays, and the next call goes on.
pub async fn carry(
    config: &StoreConfig,
    from: &Path,
    finish: bool,
    mut watch: impl FnMut(Carried),
) -> Result<Carried, MoveError> {
    let cluster = config.cluster.as_ref().ok_or(OpenError::NoCluster)?;
    let copied = if finish { None } else { copy(from).await? };
    let source = match &copied {
        Some(copy) => Rocks::open_read_only(&copy.0, config.cache_bytes)?,
        // A database that is open for writing is open nowhere else.
        None => Rocks::open_existing(from, config.cache_bytes)?,
    };
    let ring = ring_of(config, &source).await?;
    let target = Cql::connect_to_move(cluster).await?;
    if target.note(hash_key::NOTE).await?.as_deref() != Some(ring.checks().as_flattened()) {
        return Err(HashKeyError::Other(config.hash_key_file.display().to_string()).into());
    }
    let mut carried = Carried { entries: 0, of: source.heads().iter().sum() };
    for shard in 0..source.shards() {
        let mut at = Position { shard, number: target.inherited(shard).await? };
        if at.number > source.head(shard).await? {
            return Err(MoveError::Other(shard, from.to_owned()));
        }
        carried.entries += at.number;
        loop {
            let entries = source.log_after(at, STEP, STEP_BYTES).await?;
            let Some(last) = entries.last() else { break };
            at = last.position;
            carried.entries += entries.len() as u64;
            let records = records_of(&source, &ring, &entries).await?;
            target.inherit(&with_stamps(&source, entries).await?, &records).await?;
            watch(carried);
        }
    }
    if finish {
        moved::mark(&source)?;
        target.finish_move(tally_of).await?;
    }
    Ok(carried)
}

/// The database as it is at this moment, by the running store: hard links beside it, mostly. None if no store runs.
async fn copy(from: &Path) -> Result<Option<Removed>, MoveError> {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let copy = Removed(std::path::absolute(from.with_file_name(format!("{name}.moving-{}", std::process::id())))?);
    let copied = control::ask(from, &Request::Backup(copy.0.clone()), |_| {}).await?;
    Ok(copied.map(|()| copy))
}

/// The one key under which the records stand.
async fn ring_of(config: &StoreConfig, source: &Rocks) -> Result<Ring, MoveError> {
    let key = hash_key::Source::of(&config.hash_key_file);
    let ring = key.read()?.ok_or_else(|| HashKeyError::Missing(key.to_string()))?;
    if ring.previous.is_some() {
        return Err(MoveError::Rotating);
    }
    let checks = source.note(hash_key::NOTE).await?.unwrap_or_default();
    if checks != ring.checks().as_flattened() {
        return Err(HashKeyError::Other(key.to_string()).into());
    }
    if crate::store::is_restored(source).await? { Err(MoveError::Restored) } else { Ok(ring) }
}

/// The records that the entries are about, as they are now: one that changes again has a later entry.
async fn records_of(
    source: &Rocks,
    ring: &Ring,
    entries: &[LogEntry],
) -> Result<Vec<(Label, Option<InheritedRecord>)>, StorageError> {
    let mut labels = HashSet::with_capacity(entries.len());
    for entry in entries {
        labels.insert(ring.current.label(&cpi_of(entry)?));
    }
    let mut records = Vec::with_capacity(labels.len());
    for label in labels {
        let read = |stored: Option<Stored<'_>>| stored.map(|stored| stored.bytes.to_vec());
        let record = match source.record(&label, read).await? {
            None => None,
            Some(bytes) => Some(InheritedRecord { due: decode(&bytes)?.due, bytes }),
        };
        records.push((label, record));
    }
    Ok(records)
}

async fn with_stamps(source: &Rocks, entries: Vec<LogEntry>) -> Result<Vec<InheritedEntry>, StorageError> {
    let mut inherited = Vec::with_capacity(entries.len());
    for entry in entries {
        let hash = Sha256::digest(&entry.document).into();
        let stamp = source.stamp_in(entry.position.shard, &hash).await?.ok_or(StorageError::Damaged("a stamp"))?;
        inherited.push(InheritedEntry { entry, hash, at: stamp.at });
    }
    Ok(inherited)
}

fn tally_of(record: &[u8]) -> Result<Tally, StorageError> {
    Ok(decode(record)?.tally())
}

fn decode(record: &[u8]) -> Result<Record, StorageError> {
    Record::decode(record).map_err(|_| StorageError::Damaged("a record"))
}
