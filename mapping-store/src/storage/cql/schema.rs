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

use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};

use super::super::StorageError;
use super::config::{ClusterConfig, SchemaConfig};
use super::session::{self, Profiles, failed, is_refusal, unreadable};

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

/// How long a change of the schema may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a change is tried while nodes do not know of the one before it, and how long after each other: a minute.
const CHANGE_TRIES: u32 = 120;
const CHANGE_PAUSE: Duration = Duration::from_millis(500);

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
    let (session, datacenter) = session::open(config, &Profiles::of(config)).await?;
    let keyspace = &config.keyspace;
    let replication = format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {}}}",
        datacenter.replace('\'', "''"),
        schema.replication,
    );
    change(&session, replication).await?;
    for table in TABLES {
        change(&session, format!("CREATE TABLE IF NOT EXISTS {keyspace}.{table}")).await?;
    }
    let insert = format!(
        "INSERT INTO {keyspace}.about (name, format, buckets, datacenter, state, attempt) VALUES (?, ?, ?, ?, ?, 0) \
         IF NOT EXISTS"
    );
    let mut insert = Statement::new(insert);
    insert.set_serial_consistency(Some(SerialConsistency::LocalSerial));
    let buckets = i32::try_from(schema.buckets).expect("there are 2^20 buckets at most");
    let row = (DATABASE, FORMAT, buckets, datacenter.as_str(), IN_USE);
    until_known(async || session.query_unpaged(insert.clone(), row).await).await?;
    settle(&session, keyspace).await?;
    let about = read(&session, keyspace).await?;
    if about.buckets != schema.buckets {
        return Err(StorageError::Failed(format!(
            "the keyspace has a database of {} buckets already, and they cannot be {}",
            about.buckets, schema.buckets
        )));
    }
    about.check_datacenter(&datacenter)
}

/// Changes the schema, and waits until all nodes have it.
async fn change(session: &Session, text: String) -> Result<(), StorageError> {
    let mut statement = Statement::new(text);
    statement.set_request_timeout(Some(CHANGE_TIMEOUT));
    until_known(async || session.query_unpaged(statement.clone(), ()).await).await.map(drop)
}

/// Waits until each node that can be reached knows the last of the tables: whoever is asked first from here on has them all.
async fn settle(session: &Session, keyspace: &str) -> Result<(), StorageError> {
    for node in session.get_cluster_state().get_nodes_info().iter().filter(|node| node.is_connected()) {
        let target = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(Arc::clone(node)), None);
        let mut statement = Statement::new(format!("SELECT state FROM {keyspace}.about WHERE name = ?"));
        statement.set_load_balancing_policy(Some(target));
        until_known(async || session.query_unpaged(statement.clone(), (DATABASE,)).await).await?;
    }
    Ok(())
}

/// Does what may be done again, until no node says that it does not know the schema: one that missed the news asks for them by and by.
async fn until_known<T>(work: impl AsyncFn() -> Result<T, ExecutionError>) -> Result<T, StorageError> {
    let mut left = CHANGE_TRIES;
    loop {
        left -= 1;
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) if left > 0 && is_behind(&error) => tokio::time::sleep(CHANGE_PAUSE).await,
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Whether a node may not know yet what another one does.
const fn is_behind(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::SchemaAgreementError(_)
            | ExecutionError::MetadataError(_)
            | ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))
    )
}

/// What the database says of itself.
pub(super) async fn read(session: &Session, keyspace: &str) -> Result<About, StorageError> {
    let text = format!("SELECT format, buckets, datacenter, state, attempt FROM {keyspace}.about WHERE name = ?");
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::LocalSerial);
    let missing =
        || StorageError::Failed(format!("keyspace {keyspace} has no database: create it with `mapping-store schema`"));
    let found = session.query_unpaged(statement, (DATABASE,)).await;
    let found = found.map_err(|error| if is_refusal(&error) { missing() } else { failed(&error) })?;
    let rows = found.into_rows_result().map_err(unreadable)?;
    let row = rows.maybe_first_row::<(i32, i32, String, i8, i32)>().map_err(unreadable)?;
    let (format, buckets, datacenter, state, attempt) = row.ok_or_else(missing)?;
    if format > FORMAT {
        let found = u32::try_from(format).unwrap_or_default();
        return Err(StorageError::Newer { found, known: FORMAT.unsigned_abs() });
    }
    let damaged = StorageError::Damaged("the database's own description");
    let buckets = u32::try_from(buckets).ok().filter(|buckets| buckets.is_power_of_two()).ok_or(damaged)?;
    Ok(About { buckets, datacenter, moving: state == MOVING, attempt })
}

impl About {
    /// All who write do so from one datacenter: a quorum of another one would be another quorum.
    pub(super) fn check_datacenter(&self, ours: &str) -> Result<(), StorageError> {
        if self.datacenter == ours {
            return Ok(());
        }
        Err(StorageError::Failed(format!(
            "the database is written from datacenter {}, and from no other",
            self.datacenter
        )))
    }
}
