//! How far the source is ahead, as the metric tells it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::metrics::{self, FOLLOWER_LAG, is_apart};

/// As of the last reading of each shard: a series for each of a few shards, or their sum.
#[derive(Default)]
pub(super) struct Lag(Mutex<Known>);

#[derive(Default)]
struct Known {
    shards: u32,
    /// Those that the source is ahead in.
    behind: HashMap<u32, u64>,
    sum: u64,
}

impl Lag {
    /// The source has so many shards.
    pub(super) fn of(&self, shards: u32) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_apart(known.shards) && !is_apart(shards) {
            // From here on they are in the sum.
            (0..known.shards).for_each(|shard| set_one(shard, 0));
        }
        known.shards = shards;
    }

    pub(super) fn set(&self, shard: u32, behind: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if behind == 0 { known.behind.remove(&shard) } else { known.behind.insert(shard, behind) };
        known.sum = known.sum.saturating_sub(before.unwrap_or_default()).saturating_add(behind);
        if is_apart(known.shards) {
            set_one(shard, behind);
        } else {
            ::metrics::gauge!(FOLLOWER_LAG).set(metrics::float(known.sum));
        }
    }
}

fn set_one(shard: u32, behind: u64) {
    ::metrics::gauge!(FOLLOWER_LAG, "shard" => shard.to_string()).set(metrics::float(behind));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::gauges;

    #[test]
    fn a_few_shards_have_a_series_each() {
        let seen = gauges(|| {
            let lag = Lag::default();
            lag.of(2);
            lag.set(0, 7);
            lag.set(1, 5);
            lag.set(0, 3);
        });
        assert_eq!(
            seen,
            [
                ("mapping_store_follower_lag{shard=0}".to_owned(), 3.0),
                ("mapping_store_follower_lag{shard=1}".to_owned(), 5.0)
            ]
        );
    }

    /// A source that was carried into a cluster: what stood under its one shard counts in the sum.
    #[test]
    fn many_shards_have_their_sum() {
        let seen = gauges(|| {
            let lag = Lag::default();
            lag.of(1);
            lag.set(0, 9);
            lag.of(1 << 20);
            for (shard, behind) in [(0, 4), (70, 10), (1_048_575, 6), (70, 3), (0, 0)] {
                lag.set(shard, behind);
            }
        });
        assert_eq!(
            seen,
            [("mapping_store_follower_lag".to_owned(), 9.0), ("mapping_store_follower_lag{shard=0}".to_owned(), 0.0)]
        );
    }
}
