//! Keyspace, tables, and the row that says what they hold.
//!
//! One partition of `buckets` is one shard: a bucket of the labels' hash.
//!
//! | kind | key | columns |
//! | --- | --- | --- |
//! | (static) | | `version`, of the bucket; `head`, the last number of its log; `live`, `tombstones`: its tally |
//! | 0 log entry | number (8) | `code`: its kind; `value`: the published bytes |
//! | 1 record | label (33) | `revision`: the bucket's version when it was written; `value` |
//! | 2 stamp | SHA-256 of the published bytes (32) | `number`, `at` |
//! | 3 index of the sweep | time (8) ‖ label (33) | |
//! | 4 write | version (8) | `value`: whose write led to that version (16), for an hour |
//!
//! Numbers in keys are big-endian. What was taken over from another engine is in tables of its own, which nobody changes:
//! `inherited_log` in chunks of 4,096 numbers, `inherited_stamps`, `inherited_heads`. `about` has one row: format, buckets, datacenter,
//! whether a move is under way and which try it is. `notes` and `cursors` are what their names say.

use cluster::{Cluster, unreadable};

use super::super::StorageError;
use super::ClusterConfig;
use super::config::{MAX_BUCKETS, SchemaConfig};

/// The newest format that this version reads.
pub(super) const FORMAT: i32 = 1;
/// Numbers of the log that share a partition of `inherited_log`.
pub(super) const CHUNK: u64 = 4096;

pub(super) const LOG: i8 = 0;
pub(super) const RECORD: i8 = 1;
pub(super) const STAMP: i8 = 2;
pub(super) const DUE: i8 = 3;
pub(super) const WRITE: i8 = 4;

/// `about.state`
pub(super) const IN_USE: i8 = 0;
pub(super) const MOVING: i8 = 1;

const TABLES: [&str; 7] = [
    "buckets (bucket int, kind tinyint, key blob, version bigint static, head bigint static, live bigint static, \
     tombstones bigint static, code tinyint, revision bigint, number bigint, at bigint, value blob, \
     PRIMARY KEY (bucket, kind, key))",
    "inherited_log (shard int, chunk bigint, number bigint, code tinyint, value blob, \
     PRIMARY KEY ((shard, chunk), number))",
    "inherited_stamps (hash blob PRIMARY KEY, shard int, number bigint, at bigint)",
    "inherited_heads (shard int PRIMARY KEY, number bigint)",
    "notes (name text PRIMARY KEY, revision bigint, value blob)",
    "cursors (source text, shard int, number bigint, PRIMARY KEY (source, shard))",
    // The last one: who finds its row finds all.
    "about (name text PRIMARY KEY, format int, buckets int, datacenter text, state tinyint, attempt int)",
];
/// The name of the one row of `about`.
pub(super) const DATABASE: &str = "database";

/// What `about` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) buckets: u32,
    pub(super) datacenter: String,
    pub(super) moving: bool,
    /// Which try of a move.
    pub(super) attempt: i32,
}

/// Creates what is missing.
pub(super) async fn create(config: &ClusterConfig, schema: &SchemaConfig) -> Result<(), StorageError> {
    schema.check()?;
    let cluster = Cluster::open(config).await?;
    cluster.create_tables(schema.replication, &TABLES).await?;
    let insert = "INSERT INTO ks.about (name, format, buckets, datacenter, state, attempt) VALUES (?, ?, ?, ?, ?, 0) \
                  IF NOT EXISTS";
    let buckets = i32::try_from(schema.buckets).expect("there are 2^20 buckets at most");
    cluster.conditionally(insert, (DATABASE, FORMAT, buckets, cluster.datacenter(), IN_USE)).await?;
    cluster.known_to_all("SELECT state FROM ks.about WHERE name = ?", (DATABASE,)).await?;
    let about = read(&cluster).await?;
    if about.buckets != schema.buckets {
        return Err(StorageError::Failed(format!(
            "the keyspace has a database of {} buckets already, and they cannot be {}",
            about.buckets, schema.buckets
        )));
    }
    Ok(cluster.check_datacenter(&about.datacenter)?)
}

/// What the database says of itself.
pub(super) async fn read(cluster: &Cluster) -> Result<About, StorageError> {
    let missing = || {
        let keyspace = cluster.keyspace();
        StorageError::Failed(format!("keyspace {keyspace} has no database: create it with `mapping-store schema`"))
    };
    let text = "SELECT format, buckets, datacenter, state, attempt FROM ks.about WHERE name = ?";
    let rows = cluster.look(text, (DATABASE,)).await?.ok_or_else(missing)?;
    let row = rows.maybe_first_row::<(i32, i32, String, i8, i32)>().map_err(unreadable)?;
    let (format, buckets, datacenter, state, attempt) = row.ok_or_else(missing)?;
    if format > FORMAT {
        let found = u32::try_from(format).unwrap_or_default();
        return Err(StorageError::Newer { found, known: FORMAT.unsigned_abs() });
    }
    let buckets = cluster::stored_buckets(buckets, MAX_BUCKETS)?;
    Ok(About { buckets, datacenter, moving: state == MOVING, attempt })
}
