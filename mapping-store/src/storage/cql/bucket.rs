//! What a bucket says of itself: [`Bucket`]; and of all that were seen: [`Seen`].

use std::sync::{MutexGuard, PoisonError};

use cluster::{column, unreadable};

use super::super::{StorageError, Tally};
use super::Shared;

/// The static columns of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Grows by one with each write; 0 before the first.
    pub(super) version: i64,
    /// The last number of its log.
    pub(super) head: i64,
    pub(super) tally: Tally,
}

/// Columns `version`, `head`, `live`, `tombstones`.
pub(super) type Statics = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

impl From<Statics> for Bucket {
    fn from((version, head, live, tombstones): Statics) -> Self {
        let or_0 = Option::unwrap_or_default;
        Self {
            version: or_0(version),
            head: or_0(head),
            tally: Tally { live: or_0(live), tombstones: or_0(tombstones) },
        }
    }
}

impl Bucket {
    /// The number of its log's last entry.
    pub(super) fn last_number(self) -> Result<u64, StorageError> {
        u64::try_from(self.head).map_err(|error| unreadable(error).into())
    }
}

/// All buckets, each as of the latest version that was seen, and the sum of their tallies.
#[derive(Default)]
pub(super) struct Seen {
    buckets: Vec<Bucket>,
    tally: Tally,
}

impl Seen {
    /// Takes in one bucket, if it is later than what was seen of it.
    pub(super) fn take_in(&mut self, bucket: u32, seen: Bucket) {
        let index = bucket as usize;
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, Bucket::default());
        }
        let before = self.buckets[index];
        if before.version < seen.version {
            self.tally += seen.tally;
            self.tally += Tally { live: -before.tally.live, tombstones: -before.tally.tombstones };
            self.buckets[index] = seen;
        }
    }

    pub(super) const fn tally(&self) -> Tally {
        self.tally
    }
}

impl Shared {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bucket as it is once every conditional write that was accepted is in it.
    pub(super) async fn settled(&self, bucket: u32) -> Result<Bucket, StorageError> {
        let rows = self.cluster.settled(&self.statements.settled, (column(bucket),)).await?;
        let row = rows.maybe_first_row::<Statics>().map_err(unreadable)?;
        let settled = row.map(Bucket::from).unwrap_or_default();
        self.seen().take_in(bucket, settled);
        Ok(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_latest_versions() {
        let bucket = |version, live| Bucket { version, head: 0, tally: Tally { live, tombstones: 1 } };
        let mut seen = Seen::default();
        for (index, taken) in [(5, bucket(2, 20)), (0, bucket(1, 7)), (5, bucket(1, 10)), (5, bucket(3, 4))] {
            seen.take_in(index, taken);
        }
        assert_eq!(seen.tally(), Tally { live: 11, tombstones: 2 });
    }
}
