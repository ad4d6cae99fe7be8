//! What the schema is created with: [`SchemaConfig`].

use serde::Deserialize;

use super::super::StorageError;

/// What the schema is created with; fixed from then on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaConfig {
    /// How many nodes have each bucket.
    #[serde(default = "replication")]
    pub replication: u32,
    /// Into how many partitions records and log are split: a power of two, 2^20 at most. For ten thousand CPIs a bucket: 1,024 for ten
    /// million, 2^20 for ten thousand million.
    #[serde(default = "buckets")]
    pub buckets: u32,
}

impl Default for SchemaConfig {
    fn default() -> Self {
        Self { replication: replication(), buckets: buckets() }
    }
}

/// Of a database.
pub(super) const MAX_BUCKETS: u32 = 1 << 20;

const fn replication() -> u32 {
    3
}

const fn buckets() -> u32 {
    1024
}

impl SchemaConfig {
    pub(super) fn check(&self) -> Result<(), StorageError> {
        Ok(cluster::first_broken(&[
            (cluster::is_count_of_buckets(self.buckets, MAX_BUCKETS), "buckets: a power of two, 1048576 at most"),
            ((1..=255).contains(&self.replication), "replication: from 1 to 255"),
        ])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_a_power_of_two() {
        let check = |buckets| SchemaConfig { buckets, ..SchemaConfig::default() }.check().is_ok();
        assert_eq!([0, 1, 3, 4, 1000, 1 << 20, 1 << 21].map(check), [false, true, false, true, false, true, false]);
    }
}
