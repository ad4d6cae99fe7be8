//! The command line of `mapping-store`; `discovery import` and `discovery export` call the same functions.
//!
//! Exit statuses of the commands that do not serve: 0 all is well, 1 something is refused or wrong, 2 trouble.

mod maintenance;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use service::ClientTlsConfig;

use crate::config::Config;
use crate::follow::FollowConfig;
use crate::storage::SchemaConfig;

pub use maintenance::{Ended, Trouble, export, import};

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve, and follow another provider's change feed: every document is verified here. A restored database is brought
    /// forward first
    Follow(FollowArgs),
    /// Copy the database, whether it is being served or not. The copy has neither the hash key nor the receipt key
    Backup {
        /// An empty or missing folder, best on another disk
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Put a backup in the place of the database, which must be empty or missing. It is not served until it is brought forward
    Restore {
        /// The backup
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Serve it as it is. What was withdrawn since is found again, receipts made since are broken, and followers have to
        /// begin anew
        #[arg(long)]
        accept_loss: bool,
    },
    /// Compare a stopped store's database, or a backup, with itself, and verify every document anew. Exit status 1 if
    /// something is wrong
    Verify {
        /// A backup; without it the database of the settings
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Publish the documents of a file in a stopped store. Exit status 1 if some were refused
    Import(ImportArgs),
    /// Write the live documents of a stopped store, or of a backup, as a CBOR sequence
    Export(ExportArgs),
    /// Change the hash key, whether the store is being served or not
    RotateHashKey,
    /// Create what the stores of a cluster share: keyspace, tables and the two key files, which are then copied to every store.
    /// What is there stays
    Schema(SchemaArgs),
    /// Carry an embedded database into the cluster of the settings. While it is being served as well, and again as often as
    /// one likes; each time there is less to carry
    Move {
        /// The folder of the embedded database
        #[arg(long, value_name = "DIR")]
        from: PathBuf,
        /// Carry the rest of a stopped store's database, and open the cluster's in its place: the old one is not served again
        #[arg(long)]
        finish: bool,
    },
}

/// Arguments of `follow`.
#[derive(Clone, Debug, clap::Args)]
pub struct FollowArgs {
    /// The other provider's base URL: `https://dp.example`
    url: String,
    /// The authorities to trust for its certificate (PEM)
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Our client certificate, if it asks for one (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// How long one request may wait for news, in seconds; 30 at most. A log of more than 64 shards is read in turn, without waiting
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    wait_seconds: u64,
}

/// Arguments of `import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// The documents
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How the file is written: a CBOR sequence of authenticated mappings, removals, or entries of a change feed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Write what was refused, and why, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The file is this provider's own change feed: bring a restored database forward with it
    #[arg(long)]
    pub brings_forward: bool,
}

/// Arguments of `export`.
#[derive(Clone, Debug, clap::Args)]
pub struct ExportArgs {
    /// A file that does not exist yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A backup to read; without it the database of the settings
    #[arg(long, value_name = "DIR")]
    pub backup: Option<PathBuf>,
}

/// Arguments of `schema`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct SchemaArgs {
    /// How many nodes have each record
    #[arg(long, default_value_t = SchemaConfig::default().replication, value_name = "NODES")]
    replication: u32,
    /// Partitions of records and log: a power of two, for good. One for each ten thousand identifiers is right
    #[arg(long, default_value_t = SchemaConfig::default().buckets, value_name = "NUMBER")]
    buckets: u32,
}

/// How a file of documents is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A CBOR sequence (RFC 8742)
    #[default]
    CborSeq,
}

impl FollowArgs {
    /// As settings.
    #[must_use]
    pub fn into_config(self) -> FollowConfig {
        let Self { url, ca, certificate, key, wait_seconds } = self;
        FollowConfig { url, tls: ClientTlsConfig { ca: Some(ca), certificate, key }, wait_seconds }
    }
}

impl Command {
    /// The arguments, if it serves and follows.
    ///
    /// # Errors
    ///
    /// The command itself, if it is another.
    pub fn into_follow(self) -> Result<FollowArgs, Self> {
        match self {
            Self::Follow(args) => Ok(args),
            other => Err(other),
        }
    }

    /// Does what is asked beside a serving store, or without one, and says what came of it.
    #[must_use]
    pub fn run(self, config: &Config) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return maintenance::say(Err(Trouble::new(error))),
        };
        maintenance::say(runtime.block_on(maintenance::run(self, config)))
    }
}
