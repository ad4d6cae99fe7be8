//! The statements, prepared once.

use cluster::{Cluster, Sort, WRITE_SECONDS};
use scylla::statement::prepared::PreparedStatement;

use super::super::StorageError;
use super::schema::{AUDIT, DEADLINE, WRITE};

/// For how long a prover that has said nothing is taken to be there.
const REPLICA_SECONDS: u32 = 180;

pub(super) struct Statements {
    // Reads of a quorum.
    pub(super) row: PreparedStatement,
    pub(super) due: PreparedStatement,
    pub(super) audit: PreparedStatement,
    pub(super) credential: PreparedStatement,
    pub(super) replicas: PreparedStatement,
    pub(super) ready: PreparedStatement,
    // Reads of what is settled.
    pub(super) settled: PreparedStatement,
    pub(super) writer: PreparedStatement,
    pub(super) budget: PreparedStatement,
    // Parts of a conditional batch.
    pub(super) advance: PreparedStatement,
    pub(super) put: PreparedStatement,
    pub(super) put_write: PreparedStatement,
    pub(super) put_swept: PreparedStatement,
    pub(super) delete: PreparedStatement,
    // Conditional by themselves.
    pub(super) change_budget: PreparedStatement,
    // Writes that may be repeated.
    pub(super) put_credential: PreparedStatement,
    pub(super) put_replica: PreparedStatement,
}

impl Statements {
    pub(super) async fn prepare(cluster: &Cluster) -> Result<Self, StorageError> {
        let read = async |text: &str| cluster.prepare(Sort::Read, text).await;
        let settle = async |text: &str| cluster.prepare(Sort::Settle, text).await;
        let conditional = async |text: &str| cluster.prepare(Sort::Conditional, text).await;
        let write = async |text: &str| cluster.prepare(Sort::Write, text).await;
        let of = |kind: i8| format!("FROM ks.buckets WHERE bucket = ? AND kind = {kind}");
        Ok(Self {
            row: read("SELECT value FROM ks.buckets WHERE bucket = ? AND kind = ? AND key = ?").await?,
            due: read(&format!("SELECT key, value {} AND key >= ? AND key < ? LIMIT ?", of(DEADLINE))).await?,
            audit: read(&format!("SELECT key, value {} AND key > ? LIMIT ?", of(AUDIT))).await?,
            credential: read("SELECT value FROM ks.credentials WHERE id = ?").await?,
            replicas: read("SELECT keys FROM ks.replicas").await?,
            ready: read("SELECT format FROM ks.about WHERE name = ?").await?,
            settled: settle("SELECT version, head, hash, swept FROM ks.buckets WHERE bucket = ? LIMIT 1").await?,
            writer: settle(&format!("SELECT value {} AND key = ?", of(WRITE))).await?,
            budget: settle("SELECT counter, recent FROM ks.budgets WHERE kind = ? AND key = ?").await?,
            advance: conditional(
                "UPDATE ks.buckets SET version = ?, head = ?, hash = ? WHERE bucket = ? IF version = ?",
            )
            .await?,
            put: conditional("INSERT INTO ks.buckets (bucket, kind, key, value) VALUES (?, ?, ?, ?)").await?,
            put_write: conditional(&format!(
                "INSERT INTO ks.buckets (bucket, kind, key, value) VALUES (?, {WRITE}, ?, ?) USING TTL {WRITE_SECONDS}"
            ))
            .await?,
            put_swept: conditional("UPDATE ks.buckets SET swept = ? WHERE bucket = ?").await?,
            delete: conditional("DELETE FROM ks.buckets WHERE bucket = ? AND kind = ? AND key = ?").await?,
            change_budget: conditional(
                "UPDATE ks.budgets USING TTL ? SET counter = ?, recent = ? WHERE kind = ? AND key = ? IF recent = ?",
            )
            .await?,
            put_credential: write("INSERT INTO ks.credentials (id, value) VALUES (?, ?) USING TTL ?").await?,
            put_replica: write(&format!(
                "INSERT INTO ks.replicas (id, keys) VALUES (?, ?) USING TTL {REPLICA_SECONDS}"
            ))
            .await?,
        })
    }
}
