//! The statements, prepared once.

use cluster::{Cluster, Sort, WRITE_SECONDS};
use scylla::statement::prepared::PreparedStatement;

use super::super::StorageError;
use super::schema::{DUE, LOG, RECORD, STAMP, WRITE};

/// Buckets whose statics come with one answer.
const PAGE: i32 = 1000;

pub(super) struct Statements {
    // Reads of a quorum.
    pub(super) record: PreparedStatement,
    pub(super) revisions: PreparedStatement,
    pub(super) stamp: PreparedStatement,
    pub(super) inherited_stamp: PreparedStatement,
    pub(super) statics: PreparedStatement,
    pub(super) all_statics: PreparedStatement,
    pub(super) log: PreparedStatement,
    pub(super) inherited_log: PreparedStatement,
    pub(super) inherited_heads: PreparedStatement,
    pub(super) records: PreparedStatement,
    pub(super) due: PreparedStatement,
    pub(super) cursor: PreparedStatement,
    pub(super) note: PreparedStatement,
    pub(super) ready: PreparedStatement,
    // Reads of what is settled.
    pub(super) settled: PreparedStatement,
    pub(super) writer: PreparedStatement,
    pub(super) settled_note: PreparedStatement,
    // Parts of a conditional batch.
    pub(super) advance: PreparedStatement,
    pub(super) put_entry: PreparedStatement,
    pub(super) put_record: PreparedStatement,
    pub(super) put_stamp: PreparedStatement,
    pub(super) put_due: PreparedStatement,
    pub(super) put_write: PreparedStatement,
    pub(super) delete: PreparedStatement,
    // Conditional by themselves.
    pub(super) set_note: PreparedStatement,
    // Writes that may be repeated.
    pub(super) set_cursor: PreparedStatement,
}

impl Statements {
    pub(super) async fn prepare(cluster: &Cluster) -> Result<Self, StorageError> {
        let prepare = async |sort, text: &str| cluster.prepare(sort, text).await;
        let read = async |text: &str| prepare(Sort::Read, text).await;
        let settle = async |text: &str| prepare(Sort::Settle, text).await;
        let conditional = async |text: &str| prepare(Sort::Conditional, text).await;
        let of =
            |columns: &str, kind: i8| format!("SELECT {columns} FROM ks.buckets WHERE bucket = ? AND kind = {kind}");
        let statics = "SELECT version, head, live, tombstones FROM ks.buckets WHERE bucket = ? LIMIT 1";
        let put = |columns: &str, kind: i8, values: &str| {
            format!("INSERT INTO ks.buckets (bucket, kind, key{columns}) VALUES (?, {kind}, ?{values})")
        };
        let mut all_statics = read("SELECT DISTINCT bucket, version, head, live, tombstones FROM ks.buckets").await?;
        all_statics.set_page_size(PAGE);
        let note = "SELECT revision, value FROM ks.notes WHERE name = ?";
        Ok(Self {
            record: read(&format!("{} AND key = ?", of("revision, value", RECORD))).await?,
            revisions: read(&format!("{} AND key IN ?", of("key, revision", RECORD))).await?,
            stamp: read(&format!("{} AND key = ?", of("number, at", STAMP))).await?,
            inherited_stamp: read("SELECT shard, number, at FROM ks.inherited_stamps WHERE hash = ?").await?,
            statics: read(statics).await?,
            all_statics,
            log: read(&format!("{} AND key > ? LIMIT ?", of("key, code, value", LOG))).await?,
            inherited_log: read(
                "SELECT number, code, value FROM ks.inherited_log WHERE shard = ? AND chunk = ? AND number > ? LIMIT ?",
            )
            .await?,
            inherited_heads: read("SELECT shard, number FROM ks.inherited_heads").await?,
            records: read(&format!("{} AND key > ? LIMIT ?", of("key, value, at", RECORD))).await?,
            due: read(&format!("{} AND key > ? AND key <= ? LIMIT ?", of("key", DUE))).await?,
            cursor: read("SELECT number FROM ks.cursors WHERE source = ? AND shard = ?").await?,
            note: read(note).await?,
            ready: read("SELECT format FROM ks.about WHERE name = ?").await?,
            settled: settle(statics).await?,
            writer: settle(&format!("{} AND key = ?", of("value", WRITE))).await?,
            settled_note: settle(note).await?,
            advance: conditional(
                "UPDATE ks.buckets SET version = ?, head = ?, live = ?, tombstones = ? WHERE bucket = ? IF version = ?",
            )
            .await?,
            put_entry: conditional(&put(", code, value", LOG, ", ?, ?")).await?,
            put_record: conditional(&put(", revision, value", RECORD, ", ?, ?")).await?,
            put_stamp: conditional(&put(", number, at", STAMP, ", ?, ?")).await?,
            put_due: conditional(&put("", DUE, "")).await?,
            put_write: conditional(&format!("{} USING TTL {WRITE_SECONDS}", put(", value", WRITE, ", ?"))).await?,
            delete: conditional("DELETE FROM ks.buckets WHERE bucket = ? AND kind = ? AND key = ?").await?,
            set_note: conditional("UPDATE ks.notes SET revision = ?, value = ? WHERE name = ? IF revision = ?").await?,
            set_cursor: prepare(Sort::Write, "INSERT INTO ks.cursors (source, shard, number) VALUES (?, ?, ?)").await?,
        })
    }
}
