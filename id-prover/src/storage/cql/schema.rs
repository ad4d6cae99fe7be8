//! Keyspace, tables, and the row that says what they hold.
//!
//! One partition of `buckets` is one bucket of enrollments:
//!
//! | kind | key | value |
//! | --- | --- | --- |
//! | (static) | | `version`, of the bucket; `head`, `hash`: number and hash of its audit trail's last entry; `swept`: where its last sweep ended |
//! | 0 audit entry | number (8) | as RocksDB has it |
//! | 1 enrollment | its number (16) | [`Stored`](crate::enrollment::Stored) |
//! | 2 request | [`RequestKey`](crate::enrollment::RequestKey) (48) | number of the enrollment |
//! | 3 deadline | time (8) ‖ kind (1) ‖ number (16) | key of the request |
//! | 4 write | version (8) | whose write led to that version (16), for an hour |
//!
//! The trail comes first, of which nothing is ever removed: whoever asks for a bucket's version reads its first row, and not the
//! tombstones of what was forgotten. Numbers in keys are big-endian. `credentials` are dropped by the cluster when they expire, `budgets` when they are whole again;
//! `replicas` has a row for each prover that serves, and which keys it has. `about` has one row: format, buckets, datacenter, and by
//! what provers know that they have the same `code.key`.

use cluster::{Cluster, ClusterConfig, Error, column, first_broken, unreadable};

use super::super::{FORMAT, StorageError};

pub(super) const AUDIT: i8 = 0;
pub(super) const ENROLLMENT: i8 = 1;
pub(super) const REQUEST: i8 = 2;
pub(super) const DEADLINE: i8 = 3;
pub(super) const WRITE: i8 = 4;

const TABLES: [&str; 5] = [
    "buckets (bucket int, kind tinyint, key blob, version bigint static, head bigint static, hash blob static, swept bigint static, \
     value blob, \
     PRIMARY KEY (bucket, kind, key))",
    "credentials (id blob PRIMARY KEY, value blob)",
    "budgets (kind tinyint, key bigint, counter blob, recent blob, PRIMARY KEY ((kind, key)))",
    "replicas (id blob PRIMARY KEY, keys blob)",
    // The last one: who finds its row finds all.
    "about (name text PRIMARY KEY, format int, buckets int, datacenter text, code_check blob)",
];
/// The name of the one row of `about`.
pub(super) const DATABASE: &str = "database";

/// The first two bytes of an enrollment's number name one.
const MAX_BUCKETS: u32 = 1 << 16;

/// What the schema is created with; fixed from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemaConfig {
    /// How many nodes have each bucket.
    pub(crate) replication: u32,
    /// Into how many partitions enrollments and audit trail are split: a power of two.
    pub(crate) buckets: u32,
}

impl SchemaConfig {
    fn check(self) -> Result<(), Error> {
        first_broken(&[
            (cluster::is_count_of_buckets(self.buckets, MAX_BUCKETS), "buckets: a power of two, 65536 at most"),
            ((1..=255).contains(&self.replication), "replication: from 1 to 255"),
        ])
    }
}

/// What `about` says.
pub(super) struct About {
    pub(super) buckets: u32,
    pub(super) datacenter: String,
    pub(super) code_check: Vec<u8>,
}

/// Creates what is missing.
pub(super) async fn create(
    config: &ClusterConfig,
    schema: &SchemaConfig,
    code_check: &[u8],
    replace_key: bool,
) -> Result<(), StorageError> {
    schema.check()?;
    let cluster = Cluster::open(config).await?;
    cluster.create_tables(schema.replication, &TABLES).await?;
    let insert =
        "INSERT INTO ks.about (name, format, buckets, datacenter, code_check) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
    let format = i32::try_from(FORMAT).map_err(unreadable)?;
    cluster.conditionally(insert, (DATABASE, format, column(schema.buckets), cluster.datacenter(), code_check)).await?;
    cluster.known_to_all("SELECT format FROM ks.about WHERE name = ?", (DATABASE,)).await?;
    let about = read(&cluster).await?;
    if about.buckets != schema.buckets {
        return Err(Error::because(format!(
            "the keyspace has a database of {} buckets already, and they cannot be {}",
            about.buckets, schema.buckets
        ))
        .into());
    }
    cluster.check_datacenter(&about.datacenter)?;
    if about.code_check == code_check {
        return Ok(());
    }
    let replace = "UPDATE ks.about SET code_check = ? WHERE name = ? IF code_check = ?";
    if replace_key && cluster.conditionally(replace, (code_check, DATABASE, about.code_check)).await? {
        return Ok(());
    }
    Err(Error::because("the provers of this database have another code.key than this state folder").into())
}

/// What the database says of itself.
pub(super) async fn read(cluster: &Cluster) -> Result<About, StorageError> {
    let missing = || {
        let keyspace = cluster.keyspace();
        Error::because(format!("keyspace {keyspace} has no database: create it with `id-prover schema`"))
    };
    let text = "SELECT format, buckets, datacenter, code_check FROM ks.about WHERE name = ?";
    let rows = cluster.look(text, (DATABASE,)).await?.ok_or_else(missing)?;
    let row = rows.maybe_first_row::<(i32, i32, String, Vec<u8>)>().map_err(unreadable)?;
    let (format, buckets, datacenter, code_check) = row.ok_or_else(missing)?;
    let format = u32::try_from(format).map_err(unreadable)?;
    if format > FORMAT {
        return Err(StorageError::Newer(format));
    }
    let buckets = cluster::stored_buckets(buckets, MAX_BUCKETS)?;
    Ok(About { buckets, datacenter, code_check })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_a_power_of_two() {
        let check = |buckets| SchemaConfig { replication: 3, buckets }.check().is_ok();
        assert_eq!([0, 1, 3, 256, 1 << 16, 1 << 17].map(check), [false, true, false, true, true, false]);
        assert!(SchemaConfig { replication: 0, buckets: 1 }.check().is_err());
    }
}
