//! Commands that do not serve: backup, restore, verify, import, export, the change of the hash key, the schema of a cluster, and the move
//! into it.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Command, ExportArgs, ImportArgs, SchemaArgs};
use crate::backup;
use crate::config::{Config, StoreConfig};
use crate::control::{self, Request};
use crate::import::{self, Import, ImportError};
use crate::moving::{self, Carried};
use crate::storage::SchemaConfig;
use crate::store::{Rotating, RotationError, Store, system_clock};
use crate::verify;

use super::progress::Bar;

/// How a command ended that met no trouble, and what to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether nothing was refused or wrong.
    pub well: bool,
    /// A line for standard output.
    pub summary: String,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Trouble(String);

impl Trouble {
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

fn well(summary: String) -> Result<Ended, Trouble> {
    Ok(Ended { well: true, summary })
}

pub(super) async fn run(command: Command, config: &Config) -> Result<Ended, Trouble> {
    config.check().map_err(Trouble::new)?;
    match command {
        Command::Follow(_) => Err(Trouble::new("following is a way to serve")),
        Command::Backup { folder } => back_up(&config.store, &folder).await,
        Command::Restore { folder, accept_loss } => restore(&config.store, &folder, accept_loss).await,
        Command::Verify { folder } => verify(&config.store, folder).await,
        Command::Import(args) => import(&config.store, args).await,
        Command::Export(args) => export(&config.store, &args).await,
        Command::RotateHashKey => rotate(&config.store).await,
        Command::Schema(SchemaArgs { replication, buckets }) => {
            create_schema(&config.store, &SchemaConfig { replication, buckets }).await
        }
        Command::Move { from, finish } => carry(&config.store, &from, finish).await,
    }
}

/// Prints how it ended; the exit status.
pub(super) fn say(ended: Result<Ended, Trouble>) -> ExitCode {
    // Closed output takes nothing away from what was done.
    match ended {
        Ok(Ended { well, summary }) => {
            let _ = writeln!(io::stdout().lock(), "{summary}");
            ExitCode::from(u8::from(!well))
        }
        Err(trouble) => {
            let _ = writeln!(io::stderr().lock(), "mapping-store: {trouble}");
            ExitCode::from(2)
        }
    }
}

async fn back_up(config: &StoreConfig, folder: &Path) -> Result<Ended, Trouble> {
    let made = backup::create(config, folder, &system_clock()).await.map_err(Trouble::new)?;
    well(format!(
        "{} log entries, {} live mappings, {} tombstones; without the hash key, which is to be kept elsewhere",
        made.heads.iter().sum::<u64>(),
        made.live,
        made.tombstones
    ))
}

async fn restore(config: &StoreConfig, folder: &Path, accept_loss: bool) -> Result<Ended, Trouble> {
    let made = backup::restore(config, folder, accept_loss, &system_clock()).await.map_err(Trouble::new)?;
    let next = if accept_loss {
        "it is served as it is: numbers after it are given out again"
    } else {
        "bring it forward before it is served: `follow`, or `import --brings-forward` with a kept change feed"
    };
    well(format!("restored; the log ends at {}; {next}", made.heads.iter().sum::<u64>()))
}

async fn verify(config: &StoreConfig, folder: Option<PathBuf>) -> Result<Ended, Trouble> {
    let mut config = config.clone();
    if let Some(folder) = folder {
        let Some(database) = backup::database_of(&folder) else {
            return Err(Trouble::new(format!("{} is no backup", folder.display())));
        };
        if let Err(error) = backup::check(&folder) {
            return Ok(Ended { well: false, summary: error.to_string() });
        }
        (config.folder, config.cluster) = (database, None);
    }
    let store = Store::connect_to_read(&config, system_clock()).await.map_err(Trouble::new)?;
    let bar = Bar::new(false);
    let verified = verify::verify(&store, |done, all| bar.at(done, all)).await;
    drop(bar);
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return Ok(Ended { well: false, summary: error.to_string() }),
    };
    let mut summary: Vec<_> = verified.faults.iter().map(ToString::to_string).collect();
    let checked = verified.checked;
    summary.push(format!(
        "{} log entries, {} records, {} live mappings, {} tombstones; {} documents verify; {} faults",
        checked.entries, checked.records, checked.live, checked.tombstones, verified.documents, verified.fault_count
    ));
    Ok(Ended { well: verified.fault_count == 0, summary: summary.join("\n") })
}

/// Imports a file into the store of these settings.
///
/// # Errors
///
/// [`Trouble`], in words.
pub async fn import(config: &StoreConfig, args: ImportArgs) -> Result<Ended, Trouble> {
    let ImportArgs { file, format: _, report, brings_forward } = args;
    let bar = Bar::new(true);
    let watch = |progress: import::Progress| {
        bar.at(progress.bytes, progress.all_bytes);
        bar.say(format!("{} taken, {} refused", progress.imported.taken, progress.imported.refused));
    };
    let import = Import { file, report, brings_forward };
    let imported = import::import(config, system_clock(), &import, watch).await;
    drop(bar);
    let imported = imported.map_err(|error: ImportError| Trouble::new(error))?;
    Ok(Ended {
        well: imported.refused == 0,
        summary: format!("{} taken, {} known before, {} refused", imported.taken, imported.known, imported.refused),
    })
}

/// Exports the live documents of the store of these settings, or of a backup.
///
/// # Errors
///
/// [`Trouble`], in words.
pub async fn export(config: &StoreConfig, args: &ExportArgs) -> Result<Ended, Trouble> {
    let mut config = config.clone();
    if let Some(folder) = &args.backup {
        let no_backup = || Trouble::new(format!("{} is no backup", folder.display()));
        (config.folder, config.cluster) = (backup::database_of(folder).ok_or_else(no_backup)?, None);
    }
    let count = import::export(&config, system_clock(), &args.file).await.map_err(Trouble::new)?;
    well(format!("{count} live mappings"))
}

async fn create_schema(config: &StoreConfig, schema: &SchemaConfig) -> Result<Ended, Trouble> {
    Store::create_schema(config, schema).await.map_err(Trouble::new)?;
    well("the cluster has its schema; copy the hash key and the receipt key to every store, and keep them elsewhere as well".to_owned())
}

async fn carry(config: &StoreConfig, from: &Path, finish: bool) -> Result<Ended, Trouble> {
    let bar = Bar::new(false);
    let watch = |Carried { entries, of }| bar.at(entries, of);
    let carried = moving::carry(config, from, finish, watch).await.map_err(Trouble::new)?;
    drop(bar);
    let next = if finish {
        "the cluster's database can be served; the old one is not served again"
    } else {
        "stop the store, then `move --finish` carries the rest"
    };
    well(format!("{} log entries are in the cluster; {next}", carried.entries))
}

async fn rotate(config: &StoreConfig) -> Result<Ended, Trouble> {
    if config.cluster.is_some() {
        return Err(Trouble::new(RotationError::Cluster));
    }
    let bar = Bar::new(false);
    let watch = |rotating: Rotating| bar.at(rotating.done, rotating.all);
    let asked = control::ask(&config.folder, &Request::RotateHashKey, watch).await.map_err(Trouble::new)?;
    if asked.is_none() {
        let store = Store::open_existing(config, system_clock()).map_err(Trouble::new)?;
        store.begin_rotation().await.map_err(Trouble::new)?;
        store.rotate(watch).await.map_err(Trouble::new)?;
    }
    drop(bar);
    well("the hash key is changed; backups made before need the old one".to_owned())
}
