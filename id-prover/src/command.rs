//! What the binary does beside serving: reading the audit trail, changing keys, preparing a cluster. All of it works beside running
//! provers, but for [`Schema::replace_code_key`], for which all are stopped.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use protocol::Timestamp;
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::keys::Keys;
use crate::keys::rotation::{self, RotationError};
use crate::storage::cql::SchemaConfig;
use crate::storage::trail::Line;
use crate::storage::{Cql, Database, StorageError};

use service::secret_file::SecretFileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database, or the audit trail does not hold.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Keys were not changed.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// No cluster in the settings.
    #[error("cluster: this command needs that table in the configuration")]
    NoCluster,
    /// Not the number of an enrollment or credential.
    #[error("an id has 32 hexadecimal digits")]
    Id,
    /// The trail has no such enrollment or credential.
    #[error("the audit trail has no enrollment and no credential of this id")]
    NotFound,
}

/// What to do with the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Show the signing keys.
    List,
    /// Make the next signing key, to be announced.
    Prepare,
    /// Make the next signing key the present one.
    Activate,
    /// Make a new HPKE key.
    RenewHpke,
    /// Delete retired keys whose time is over.
    Forget,
}

/// Verifies the audit trail from its first entry to its last, and prints how many there are of each kind. With `id`, the
/// number of an enrollment or of a credential in hexadecimal, it prints the entries of that enrollment before.
///
/// # Errors
///
/// [`CommandError::Storage`] names the first entry that does not follow from the one before; [`CommandError::NotFound`].
pub fn audit(config: &Config, id: Option<&str>, out: &mut impl Write) -> Result<(), CommandError> {
    let id = id.map(|id| parse_id(id).ok_or(CommandError::Id)).transpose()?;
    let trail = Trail::open(config)?;
    let enrollment = id.map(|id| trail.enrollment_of(id)).transpose()?;
    let mut counts: Vec<(String, u64)> = Vec::new();
    let number = trail.walk(|line| {
        match counts.iter_mut().find(|(event, _)| *event == line.event) {
            Some((_, count)) => *count += 1,
            None => counts.push((line.event.clone(), 1)),
        }
        if enrollment == Some(line.enrollment) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    writeln!(out, "the audit trail holds: {number} entries")?;
    counts.sort();
    for (event, count) in counts {
        writeln!(out, "{count:>12} {event}")?;
    }
    Ok(())
}

/// What `schema` creates the cluster's tables with.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// How many nodes have each bucket.
    pub replication: u32,
    /// Into how many partitions enrollments and audit trail are split: a power of two, for good.
    pub buckets: u32,
    /// Whether provers are to have this state folder's `code.key` from here on, if they had another one. Those that run with the former
    /// would go on with it.
    pub replace_code_key: bool,
}

/// Creates keyspace and tables for provers that share a cluster, as far as they are missing, and the keys of the state folder.
///
/// # Errors
///
/// [`CommandError`].
pub fn schema(config: &Config, schema: Schema, out: &mut impl Write) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let cluster = config.cluster.as_ref().ok_or(CommandError::NoCluster)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.state_folder)?;
    let secrets = Keys::read(&config.state_folder)?.cluster_secrets();
    let Schema { replication, buckets, replace_code_key } = schema;
    let tables = SchemaConfig { replication, buckets };
    runtime()?.block_on(Cql::create_schema(cluster, &tables, secrets, replace_code_key))?;
    writeln!(
        out,
        "the cluster has its schema; copy the keys of the state folder to every prover, and keep them elsewhere as well"
    )?;
    Ok(())
}

/// Takes a step of key rotation, and prints the signing keys. A running prover takes it up at SIGHUP.
///
/// # Errors
///
/// [`CommandError`].
pub fn keys(config: &Config, step: KeyStep, out: &mut impl Write) -> Result<(), CommandError> {
    let (folder, now) = (&config.state_folder, Timestamp::from(SystemTime::now()));
    match step {
        KeyStep::List => {}
        KeyStep::Prepare => drop(rotation::prepare(folder)?),
        KeyStep::Activate => drop(rotation::activate(folder, now, config.credentials.lifetime())?),
        KeyStep::RenewHpke => rotation::renew_hpke(folder, now)?,
        KeyStep::Forget => drop(rotation::forget(folder, now)?),
    }
    list_keys(folder, now, out)
}

fn list_keys(folder: &Path, now: Timestamp, out: &mut impl Write) -> Result<(), CommandError> {
    let keys = Keys::read(folder)?;
    writeln!(out, "current {}", hex::encode(keys.signing().public().as_bytes()))?;
    if let Some(next) = keys.next_signing() {
        writeln!(out, "next {}", hex::encode(next.as_bytes()))?;
    }
    for retired in keys.retired_signing(now) {
        writeln!(out, "retired {} until {}", hex::encode(retired.key.public().as_bytes()), retired.until)?;
    }
    Ok(())
}

fn parse_id(id: &str) -> Option<[u8; 16]> {
    hex::decode(id).ok()?.try_into().ok()
}

/// Where the audit trail is.
enum Trail {
    Database(Database),
    Cluster(Cql, Runtime),
}

impl Trail {
    fn open(config: &Config) -> Result<Self, CommandError> {
        let Some(cluster) = &config.cluster else {
            let folder = config.state_folder.join("database");
            return Ok(Self::Database(Database::open_to_read(&folder, config.cache_bytes)?));
        };
        let runtime = runtime()?;
        Ok(Self::Cluster(runtime.block_on(Cql::connect_to_read(cluster))?, runtime))
    }

    /// Verifies it, and shows each entry; answers how many there are.
    fn walk(&self, mut show: impl FnMut(Line) -> Result<(), CommandError>) -> Result<u64, CommandError> {
        match self {
            Self::Database(database) => database.walk_audit(|number, value| show(Line::read(None, number, value)?)),
            Self::Cluster(cql, runtime) => {
                let show = |bucket, number, value: &[u8]| show(Line::read(Some(bucket), number, value)?);
                runtime.block_on(cql.walk_audit(show))
            }
        }
    }

    /// The enrollment that this is the number of, or that led to the credential of this number.
    fn enrollment_of(&self, id: [u8; 16]) -> Result<[u8; 16], CommandError> {
        let mut found = None;
        self.walk(|line| {
            if found.is_none() && (line.enrollment == id || line.credential == Some(id)) {
                found = Some(line.enrollment);
            }
            Ok(())
        })?;
        found.ok_or(CommandError::NotFound)
    }
}

fn runtime() -> Result<Runtime, CommandError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
