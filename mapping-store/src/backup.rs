//! Backups: a copy of the database as it was at one moment, and what is needed to trust it later.
//!
//! ```text
//! DIR/database/     the database's files
//! DIR/backup.json   {"format": 1, "provider": …, "made_at": seconds, "heads": [number, …], "live": …, "tombstones": …,
//!                    "files": {"000012.sst": {"bytes": …, "sha256": "…"}, …}}
//! ```
//!
//! The hash key and the receipt key are not in it. `backup.json` is written last: without it there is no backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::StoreConfig;
use crate::control::{self, ControlError, Request};
use crate::storage::{Disagreement, Rocks, Storage as _, StorageError};
use crate::store::{Clock, OpenError, Store};

const FORMAT: u32 = 1;
const DATABASE: &str = "database";
const DESCRIPTION: &str = "backup.json";
const COPY_BYTES: usize = 1024 * 1024;
const MAX_DESCRIPTION_BYTES: u64 = 64 * 1024 * 1024;
/// What the engine and the running store leave beside the data.
const NOT_DATA: [&str; 3] = ["LOCK", "control", "IDENTITY"];
const DIARY: &str = "LOG";

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    format: u32,
    /// The provider's name.
    pub provider: String,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
    /// The last number of each shard of the log.
    pub heads: Vec<u64>,
    /// Mappings to be found.
    pub live: i64,
    /// Mappings of which only the `seq` is remembered.
    pub tombstones: i64,
    files: BTreeMap<String, Described>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Described {
    bytes: u64,
    sha256: String,
}

/// Why there is no backup, or none to restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file system.
    #[error("{path}: {reason}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// There is something already.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// No description, or not one of this format.
    #[error("{0} is no backup of a format that this version reads")]
    Format(PathBuf),
    /// A file is missing, or is not as it was written.
    #[error("{0} is missing or damaged")]
    Damaged(PathBuf),
    /// The backup is another provider's.
    #[error("the backup is of the provider {found}, the settings are {wanted}'s")]
    Provider {
        /// The backup's.
        found: String,
        /// The settings'.
        wanted: String,
    },
    /// Log and records of the backup do not agree.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The running store.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |reason| BackupError::Io { path: path.to_owned(), reason }
}

fn refuse_cluster(config: &StoreConfig) -> Result<(), BackupError> {
    if config.cluster.is_some() { Err(OpenError::Cluster.into()) } else { Ok(()) }
}

/// Copies the database into `folder`, which must be empty or missing: through the running store, or by itself if none runs.
///
/// # Errors
///
/// [`BackupError`]; without `backup.json`, what is in the folder is no backup.
pub async fn create(config: &StoreConfig, folder: &Path, clock: &Clock) -> Result<Description, BackupError> {
    refuse_cluster(config)?;
    let database = claim(folder)?.join(DATABASE);
    if control::ask(&config.folder, &Request::Backup(database.clone()), |_| {}).await?.is_none() {
        Rocks::open_existing(&config.folder, config.cache_bytes)?.checkpoint(&database)?;
    }
    let mut description = {
        let copy = Rocks::open_read_only(&database, config.cache_bytes)?;
        let tally = copy.tally();
        Description {
            format: FORMAT,
            provider: config.provider.clone(),
            made_at: clock().seconds(),
            heads: copy.heads(),
            live: tally.live,
            tombstones: tally.tombstones,
            files: BTreeMap::new(),
        }
    };
    drop_diary(&database);
    for name in names(&database)? {
        let path = database.join(&name);
        let described = digest(&path, &mut io::sink())?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(failed(&path))?;
        description.files.insert(name, described);
    }
    sync_folder(&database)?;
    let text = serde_json::to_vec_pretty(&description).map_err(|error| failed(folder)(error.into()))?;
    let (path, temporary) = (folder.join(DESCRIPTION), folder.join("backup.json.tmp"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(failed(&path))?;
    sync_folder(folder)?;
    Ok(description)
}

/// Reads a backup's description and compares every file with it.
///
/// # Errors
///
/// [`BackupError::Format`] or [`BackupError::Damaged`] names the file.
pub fn check(folder: &Path) -> Result<Description, BackupError> {
    let description = read_description(folder)?;
    for (name, described) in &description.files {
        let path = folder.join(DATABASE).join(name);
        if !digest(&path, &mut io::sink()).is_ok_and(|found| found == *described) {
            return Err(BackupError::Damaged(path));
        }
    }
    Ok(description)
}

/// Whether a folder is a backup, and where its database is.
#[must_use]
pub fn database_of(folder: &Path) -> Option<PathBuf> {
    folder.join(DESCRIPTION).exists().then(|| folder.join(DATABASE))
}

/// Puts a backup in the place of the settings' database, which must be empty or missing. Everything is compared before: the
/// files as they are copied, then log and records. Unless `accept_loss`, the database is marked: it is to be brought forward
/// before it is served.
///
/// # Errors
///
/// [`BackupError`]; nothing is in place then.
pub async fn restore(
    config: &StoreConfig,
    folder: &Path,
    accept_loss: bool,
    clock: &Clock,
) -> Result<Description, BackupError> {
    refuse_cluster(config)?;
    if !is_empty(&config.folder)? {
        return Err(BackupError::NotEmpty(config.folder.clone()));
    }
    let description = read_description(folder)?;
    if description.provider != config.provider {
        let wanted = config.provider.clone();
        return Err(BackupError::Provider { found: description.provider, wanted });
    }
    let parent = config.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let name = config.folder.file_name().unwrap_or_default().to_string_lossy();
    let copy = Removed(parent.join(format!("{name}.restoring-{}", std::process::id())));
    fs::create_dir(&copy.0).map_err(failed(&copy.0))?;
    for (name, described) in &description.files {
        let (from, to) = (folder.join(DATABASE).join(name), copy.0.join(name));
        let mut file = File::create_new(&to).map_err(failed(&to))?;
        if !digest(&from, &mut file).is_ok_and(|found| found == *described) {
            return Err(BackupError::Damaged(from));
        }
        file.sync_all().map_err(failed(&to))?;
    }
    {
        let store = Store::open_existing(&StoreConfig { folder: copy.0.clone(), ..config.clone() }, clock.clone())?;
        store.check().await?;
        if accept_loss {
            store.brought_forward().await?;
        } else {
            let rocks = store.storage().embedded().expect("the copy is an embedded database");
            crate::store::mark_restored(rocks)?;
        }
    }
    sync_folder(&copy.0)?;
    match fs::remove_dir(&config.folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&config.folder)(error)),
        _ => {}
    }
    fs::rename(&copy.0, &config.folder).map_err(failed(&config.folder))?;
    sync_folder(parent)?;
    Ok(description)
}

/// A folder that is removed unless it has another name by then.
pub(crate) struct Removed(pub(crate) PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // Renamed, in the good case.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read_description(folder: &Path) -> Result<Description, BackupError> {
    let path = folder.join(DESCRIPTION);
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_DESCRIPTION_BYTES).read_to_end(&mut text))
        .map_err(|_| BackupError::Format(folder.to_owned()))?;
    let description: Option<Description> = serde_json::from_slice(&text).ok();
    // A name is a file's in the folder, never a path.
    let plain = |name: &String| !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
    description
        .filter(|found| found.format == FORMAT && found.files.keys().all(plain))
        .ok_or_else(|| BackupError::Format(folder.to_owned()))
}

/// Makes the folder, absolute, and makes sure that it is empty.
fn claim(folder: &Path) -> Result<PathBuf, BackupError> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    if !is_empty(folder)? {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    fs::canonicalize(folder).map_err(failed(folder))
}

fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed(folder)(error)),
    }
}

/// The database's files: not its lock, nor its diary.
fn names(database: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(database).map_err(failed(database))? {
        let name = entry.map_err(failed(database))?.file_name().to_string_lossy().into_owned();
        if !NOT_DATA.contains(&name.as_str()) && !name.starts_with(DIARY) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Opening a database to read it leaves a diary behind.
fn drop_diary(database: &Path) {
    for entry in fs::read_dir(database).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(DIARY) {
            // It does no harm where it is.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Length and hash of a file, which is copied to `to`.
fn digest(path: &Path, to: &mut impl Write) -> Result<Described, BackupError> {
    let mut file = File::open(path).map_err(failed(path))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; COPY_BYTES]);
    loop {
        let read = file.read(&mut buffer).map_err(failed(path))?;
        if read == 0 {
            return Ok(Described { bytes, sha256: hex::encode(hash.finalize()) });
        }
        bytes += read as u64;
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read]).map_err(failed(path))?;
    }
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

impl Description {
    /// When it was made.
    #[must_use]
    pub const fn made(&self) -> Timestamp {
        Timestamp::from_seconds(self.made_at)
    }
}
