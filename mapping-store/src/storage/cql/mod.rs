//! A cluster of Apache Cassandra 5 or ScyllaDB behind [`Storage`], by way of CQL: [`Cql`].
//!
//! A shard is a partition, of the bucket that a label's first bits name; `schema` has the layout. Record, log entries, stamps and
//! index change in one conditional batch of one partition, if the bucket's version is still what it was when the record was
//! compared (`update`). Reads are of a local quorum. A record's revision is the bucket's version at its write.
//!
//! Any number of processes may read and write, from one datacenter. A write whose outcome is unknown is sent again, which the version
//! makes harmless, and the bucket's own account of its writers tells whose it was. Not offered: moving a record to a label of
//! another bucket, so no change of the hash key. `docs/decisions/0080-cql.md` has the reasons.

mod bucket;
mod config;
mod inherit;
mod note;
mod read;
mod schema;
mod statements;
mod update;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use cluster::Cluster;
use protocol::Timestamp;
use protocol::receipt::Position;
use tokio::sync::Mutex as AsyncMutex;

use super::{LogEntry, Stamp, Storage, StorageError, Stored, Tally, Update, Updated};
use crate::label::Label;
use bucket::{Bucket, Seen};
use inherit::Moving;
use statements::Statements;

pub use cluster::ClusterConfig;
pub use config::SchemaConfig;
pub use inherit::{InheritedEntry, InheritedRecord};

/// Records of one lookup that are read at once.
const READS_AT_ONCE: usize = 16;
/// Locks over the buckets' bases: two buckets seldom share one.
const STRIPES: usize = 1024;

/// A cluster that has a database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Cql {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Cluster,
    statements: Statements,
    buckets: u32,
    /// What is settled of the buckets that were written from here. Who writes to a bucket holds its lock.
    bases: Box<[AsyncMutex<HashMap<u32, Bucket>>]>,
    seen: Mutex<Seen>,
    /// The last numbers that were taken over from another engine; none for the shards that it did not have.
    inherited: Vec<u64>,
    moving: Option<Moving>,
}

impl Cql {
    /// Connects to a cluster that has the schema.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] if the cluster cannot be reached, has no schema, is written from another datacenter, or a database
    /// is being moved into it; [`StorageError::Newer`].
    pub async fn connect(config: &ClusterConfig) -> Result<Self, StorageError> {
        let cluster = Cluster::open(config).await?;
        let about = schema::read(&cluster).await?;
        cluster.check_datacenter(&about.datacenter)?;
        if about.moving {
            return Err(StorageError::Failed("a database is being moved into the cluster".to_owned()));
        }
        let cql = Self::over(cluster, about.buckets, None).await?;
        cql.refresh().await?;
        Ok(cql)
    }

    /// Creates keyspace and tables, as far as they are missing. A keyspace that is there is left as it is.
    ///
    /// # Errors
    ///
    /// As [`Cql::connect`]; [`StorageError::Failed`] if there is a database with another number of buckets.
    pub async fn create_schema(config: &ClusterConfig, schema: &SchemaConfig) -> Result<(), StorageError> {
        schema::create(config, schema).await
    }

    async fn over(cluster: Cluster, buckets: u32, moving: Option<Moving>) -> Result<Self, StorageError> {
        let statements = Statements::prepare(&cluster).await?;
        let mut shared = Shared {
            cluster,
            statements,
            buckets,
            bases: (0..STRIPES).map(|_| AsyncMutex::default()).collect(),
            seen: Mutex::default(),
            inherited: Vec::new(),
            moving,
        };
        shared.inherited = shared.inherited_heads().await?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The last number of each shard, as a quorum has it; learns the tally by the way.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`].
    pub async fn heads(&self) -> Result<Vec<u64>, StorageError> {
        self.shared.heads().await
    }

    /// Whether a quorum answers.
    pub async fn is_ready(&self) -> bool {
        let asked = self.shared.cluster.read(&self.shared.statements.ready, (schema::DATABASE,)).await;
        asked.is_ok_and(|rows| rows.rows_num() == 1)
    }

    /// Reads the tally anew: other processes write too.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`].
    pub async fn refresh(&self) -> Result<(), StorageError> {
        self.heads().await.map(drop)
    }
}

impl Storage for Cql {
    fn shards(&self) -> u32 {
        self.shared.buckets
    }

    fn reads_at_once(&self) -> usize {
        READS_AT_ONCE
    }

    async fn record<T: Send>(
        &self,
        label: &Label,
        read: impl FnOnce(Option<Stored<'_>>) -> T + Send,
    ) -> Result<T, StorageError> {
        self.shared.record(label, read).await
    }

    async fn update(&self, updates: Vec<Update>) -> Result<Vec<Updated>, StorageError> {
        self.shared.update(updates).await
    }

    async fn stamp_in(&self, shard: u32, hash: &[u8; 32]) -> Result<Option<Stamp>, StorageError> {
        self.shared.stamp(shard, hash).await
    }

    async fn head(&self, shard: u32) -> Result<u64, StorageError> {
        self.shared.head(shard).await
    }

    async fn log_after(&self, after: Position, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, StorageError> {
        self.shared.log_after(after, most, max_bytes).await
    }

    async fn due(&self, until: Timestamp, most: usize) -> Result<Vec<Label>, StorageError> {
        self.shared.due(until, most).await
    }

    async fn indexed(
        &self,
        after: Option<(Timestamp, Label)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, Label)>, StorageError> {
        self.shared.indexed(after, most).await
    }

    async fn scan(&self, after: Option<Label>, most: usize) -> Result<Vec<(Label, Vec<u8>)>, StorageError> {
        self.shared.scan(after, most).await
    }

    async fn cursor(&self, source: &str, shard: u32) -> Result<u64, StorageError> {
        self.shared.cursor(source, shard).await
    }

    async fn set_cursor(&self, source: &str, at: Position) -> Result<(), StorageError> {
        self.shared.set_cursor(source, at).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.shared.note(name).await
    }

    async fn set_note(&self, name: &str, note: Option<&[u8]>) -> Result<(), StorageError> {
        self.shared.set_note(name, note).await
    }

    /// As of the last [`Cql::refresh`], and what was written from here since.
    fn tally(&self) -> Tally {
        self.shared.seen().tally()
    }
}

#[cfg(test)]
mod tests;
