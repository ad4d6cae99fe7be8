//! The store's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
pub(crate) use service::metrics::float;

use crate::storage::{Figures, Tally};

/// Publications and removals by outcome: `new`, `known`, or the name of the problem.
pub const PUBLICATIONS: &str = "mapping_store_publications_total";
/// Identifiers looked up, by outcome: `0` to `4` as on the wire.
pub const LOOKUPS: &str = "mapping_store_lookups_total";
/// Queries by displaced holders, by outcome: `notice`, or the name of the problem.
pub const CONFLICTS: &str = "mapping_store_conflict_queries_total";
/// The number of the last log entry, by shard; of more than [`SERIES`] shards their sum, without a label.
pub const LOG_HEAD: &str = "mapping_store_log_head";
/// Seconds to write and sync a group of publications.
pub const SYNC_SECONDS: &str = "mapping_store_sync_seconds";
/// Publications that shared a sync.
pub const GROUP_PUBLICATIONS: &str = "mapping_store_group_publications";
/// Mappings to be found; one that has expired counts until the sweep has come by.
pub const LIVE: &str = "mapping_store_live_mappings";
/// Mappings of which only the `seq` is remembered.
pub const TOMBSTONES: &str = "mapping_store_tombstones";
/// Records that the sweep has looked at.
pub const SWEPT: &str = "mapping_store_swept_total";
/// Of the blocks that were read since the start, the part that was in the cache: 0 to 1.
pub const CACHE_HIT_RATIO: &str = "mapping_store_cache_hit_ratio";
/// Bytes of memory that the engine has in use.
pub const MEMORY_BYTES: &str = "mapping_store_engine_memory_bytes";
/// Bytes of tables on disk.
pub const DISK_BYTES: &str = "mapping_store_engine_disk_bytes";
/// Entries of the source's log that a follower has not read yet, by shard; of more than [`SERIES`] shards their sum, without a label.
pub const FOLLOWER_LAG: &str = "mapping_store_follower_lag";
/// Entries that a follower has read, by outcome: `taken`, `refused`.
pub const FOLLOWED: &str = "mapping_store_followed_total";
/// Attempts to read from the source that failed.
pub const FOLLOW_FAILURES: &str = "mapping_store_follow_failures_total";

/// While the hash key is changed, the part of the log whose records stand under the new one: 0 to 1. 1 without a change.
pub const HASH_KEY_MOVED_RATIO: &str = "mapping_store_hash_key_moved_ratio";

/// Up to so many shards have a series each.
pub const SERIES: u32 = 64;

/// Registers the help texts.
pub fn describe() {
    describe_counter!(PUBLICATIONS, "Publications and removals by outcome");
    describe_counter!(LOOKUPS, "Identifiers looked up, by outcome code");
    describe_counter!(CONFLICTS, "Queries by displaced holders, by outcome");
    describe_gauge!(LOG_HEAD, "The number of the last log entry, by shard or of all");
    describe_histogram!(SYNC_SECONDS, Unit::Seconds, "To write and sync a group of publications");
    describe_histogram!(GROUP_PUBLICATIONS, "Publications that shared a sync");
    describe_gauge!(LIVE, "Mappings to be found");
    describe_gauge!(TOMBSTONES, "Mappings of which only the seq is remembered");
    describe_counter!(SWEPT, "Records that the sweep has looked at");
    describe_gauge!(CACHE_HIT_RATIO, "Part of the blocks read that was in the cache");
    describe_gauge!(MEMORY_BYTES, Unit::Bytes, "Memory that the engine has in use");
    describe_gauge!(DISK_BYTES, Unit::Bytes, "Tables on disk");
    describe_gauge!(FOLLOWER_LAG, "Entries of the source's log not read yet, by shard or of all");
    describe_counter!(FOLLOWED, "Entries that a follower has read, by outcome");
    describe_gauge!(HASH_KEY_MOVED_RATIO, "While the hash key is changed, the part that is done");
    describe_counter!(FOLLOW_FAILURES, "Attempts to read from the source that failed");
}

/// Whether so many shards have a series each.
pub(crate) const fn is_apart(shards: u32) -> bool {
    shards <= SERIES
}

/// Sets the gauges that are read off the engine now and then.
pub(crate) fn observe(heads: &[u64], tally: Tally, figures: Figures) {
    if u32::try_from(heads.len()).is_ok_and(is_apart) {
        for (shard, head) in heads.iter().enumerate() {
            ::metrics::gauge!(LOG_HEAD, "shard" => shard.to_string()).set(float(*head));
        }
    } else {
        ::metrics::gauge!(LOG_HEAD).set(float(heads.iter().sum()));
    }
    ::metrics::gauge!(LIVE).set(float(tally.live.unsigned_abs()));
    ::metrics::gauge!(TOMBSTONES).set(float(tally.tombstones.unsigned_abs()));
    let reads = figures.cache_hits + figures.cache_misses;
    if reads > 0 {
        ::metrics::gauge!(CACHE_HIT_RATIO).set(float(figures.cache_hits) / float(reads));
    }
    ::metrics::gauge!(MEMORY_BYTES).set(float(figures.memory_bytes));
    ::metrics::gauge!(DISK_BYTES).set(float(figures.disk_bytes));
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, with_local_recorder};

    use super::*;

    /// Keeps gauges, each under its name and labels.
    #[derive(Default)]
    struct Gauges(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Recorder for Gauges {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            let labels: Vec<_> = key.labels().map(|label| format!("{{{}={}}}", label.key(), label.value())).collect();
            let name = format!("{}{}", key.name(), labels.concat());
            Gauge::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    /// The gauges that are set by the way, in the order of their names.
    pub(crate) fn gauges(act: impl FnOnce()) -> Vec<(String, f64)> {
        let gauges = Gauges::default();
        with_local_recorder(&gauges, act);
        let value = |(name, bits): (String, Arc<AtomicU64>)| (name, f64::from_bits(bits.load(Ordering::Relaxed)));
        gauges.0.into_inner().unwrap().into_iter().map(value).collect()
    }

    /// However many shards a log has, its series are few.
    #[test]
    fn heads_of_many_shards_are_one_series() {
        let of_log = |heads: &[u64]| {
            let mut seen = gauges(|| observe(heads, Tally::default(), Figures::default()));
            seen.retain(|(name, _)| name.starts_with(LOG_HEAD));
            seen
        };
        let few = of_log(&[3; SERIES as usize]);
        assert_eq!((few.len(), few[0].clone()), (64, ("mapping_store_log_head{shard=0}".to_owned(), 3.0)));
        assert_eq!(of_log(&[3; 1 << 16]), [("mapping_store_log_head".to_owned(), 196_608.0)]);
    }
}
