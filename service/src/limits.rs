//! Limits on how often, by key or in total: GCRA, by the `governor` crate, with an exact `Retry-After`.
//!
//! The memory of a keyed limiter is bounded. Up to a number of keys, each has a budget of its own, and keeps it for as long
//! as it is in use, whatever comes after it; further ones share a fixed set of 4096 buckets, so that nothing is let through
//! unlimited. Idle keys, their budget whole again, are dropped by [`KeyedLimiter::sweep`].
//!
//! An address takes 69 bytes: 66 MiB for a million, and nothing more for the two million after them
//! (`examples/limiter_memory.rs` measures it).

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::nanos::Nanos;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{NotUntil, Quota, RateLimiter};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

const OVERFLOW_BUCKETS: u64 = 4096;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// So many in a period, evenly spread, after a burst of as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how many seconds.
    pub seconds: NonZeroU32,
}

/// The limit is reached; come back after this many whole seconds (at least one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(pub u64);

impl Rate {
    /// `count` in `seconds`; zero counts as one.
    #[must_use]
    pub fn new(count: u32, seconds: u32) -> Self {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { count: at_least_one(count), seconds: at_least_one(seconds) }
    }

    fn quota(self) -> Quota {
        let each = Duration::from_secs(u64::from(self.seconds.get())) / self.count.get();
        Quota::with_period(each.max(Duration::from_nanos(1)))
            .unwrap_or(Quota::per_second(self.count))
            .allow_burst(self.count)
    }
}

/// A limit on the total.
#[derive(Debug)]
pub struct Limiter {
    inner: RateLimiter<NotKeyed, InMemoryState, DefaultClock>,
    clock: DefaultClock,
}

impl Limiter {
    /// A limiter of this rate.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { inner: RateLimiter::direct(rate.quota()), clock: DefaultClock::default() }
    }

    /// Takes `cost` from the budget.
    ///
    /// # Errors
    ///
    /// [`RetryAfter`] if there is not enough; nothing is taken then. A cost above the whole budget counts as the whole.
    pub fn check(&self, cost: NonZeroU32) -> Result<(), RetryAfter> {
        let wait = |not_until: NotUntil<_>| not_until.wait_time_from(self.clock.now());
        match self.inner.check_n(cost) {
            Ok(checked) => checked.map_err(|not_until| retry_after(wait(not_until))),
            Err(capacity) => {
                let whole = NonZeroU32::new(capacity.0).unwrap_or(NonZeroU32::MIN);
                match self.inner.check_n(whole) {
                    Ok(Err(not_until)) => Err(retry_after(wait(not_until))),
                    Ok(Ok(())) | Err(_) => Ok(()),
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Slot<K> {
    Own(K),
    Shared(u64),
}

/// Where a keyed limiter keeps its slots, shared with the limiter of `governor`, which cannot tell whether it has a key.
#[derive(Debug)]
struct Store<K: Hash + Eq + Clone>(Arc<DashMapStateStore<Slot<K>>>);

impl<K: Hash + Eq + Clone> StateStore for Store<K> {
    type Key = Slot<K>;

    fn measure_and_replace<T, F, E>(&self, slot: &Slot<K>, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(slot, measure)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<Slot<K>> for Store<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        DashMapStateStore::shrink_to_fit(&self.0);
    }

    fn len(&self) -> usize {
        DashMapStateStore::len(&self.0)
    }

    fn is_empty(&self) -> bool {
        DashMapStateStore::is_empty(&self.0)
    }
}

/// A limit for each key.
#[derive(Debug)]
pub struct KeyedLimiter<K: Hash + Eq + Clone> {
    inner: RateLimiter<Slot<K>, Store<K>, DefaultClock>,
    slots: Arc<DashMapStateStore<Slot<K>>>,
    clock: DefaultClock,
    max_keys: usize,
    hasher: RandomState,
}

impl<K: Hash + Eq + Clone> KeyedLimiter<K> {
    /// A limiter of this rate for each of `max_keys` keys, and shared buckets for those beyond.
    #[must_use]
    pub fn new(rate: Rate, max_keys: usize) -> Self {
        let (slots, clock) = (Arc::<DashMapStateStore<Slot<K>>>::default(), DefaultClock::default());
        Self {
            inner: RateLimiter::new(rate.quota(), Store(Arc::clone(&slots)), clock.clone()),
            slots,
            clock,
            max_keys,
            hasher: RandomState::new(),
        }
    }

    /// Takes `cost` from the budget of `key`.
    ///
    /// # Errors
    ///
    /// As [`Limiter::check`].
    pub fn check(&self, key: &K, cost: NonZeroU32) -> Result<(), RetryAfter> {
        let slot = self.slot(key);
        let wait = |not_until: NotUntil<_>| not_until.wait_time_from(self.clock.now());
        match self.inner.check_key_n(&slot, cost) {
            Ok(checked) => checked.map_err(|not_until| retry_after(wait(not_until))),
            Err(capacity) => {
                let whole = NonZeroU32::new(capacity.0).unwrap_or(NonZeroU32::MIN);
                match self.inner.check_key_n(&slot, whole) {
                    Ok(Err(not_until)) => Err(retry_after(wait(not_until))),
                    Ok(Ok(())) | Err(_) => Ok(()),
                }
            }
        }
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.inner.len()
    }

    /// Drops keys whose budget is whole again, every ten seconds until `shutdown`.
    pub async fn sweep(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
            self.inner.retain_recent();
            self.inner.shrink_to_fit();
        }
    }

    fn slot(&self, key: &K) -> Slot<K> {
        let own = Slot::Own(key.clone());
        // `len` locks every shard for a moment: cheap beside the work that a limit guards.
        if self.slots.contains_key(&own) || self.slots.len() < self.max_keys {
            own
        } else {
            Slot::Shared(self.hasher.hash_one(key) % OVERFLOW_BUCKETS)
        }
    }
}

fn retry_after(wait: Duration) -> RetryAfter {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    RetryAfter(whole.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    #[test]
    fn a_burst_and_then_a_wait() {
        let limiter = Limiter::new(Rate::new(3, 3600));
        for _ in 0..3 {
            assert_eq!(limiter.check(ONE), Ok(()));
        }
        let RetryAfter(seconds) = limiter.check(ONE).unwrap_err();
        assert!((1195..=1200).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_cost_above_the_budget_takes_it_whole() {
        let limiter = Limiter::new(Rate::new(10, 3600));
        assert_eq!(limiter.check(NonZeroU32::new(64).unwrap()), Ok(()));
        assert!(limiter.check(ONE).is_err());
    }

    #[test]
    fn keys_have_budgets_of_their_own_until_there_are_too_many() {
        let limiter = KeyedLimiter::new(Rate::new(1, 3600), 100);
        assert_eq!(limiter.check(&0_u32, ONE), Ok(()));
        assert!(limiter.check(&0, ONE).is_err());
        assert_eq!(limiter.check(&1, ONE), Ok(()));
        let passed = (2..200_000_u32).filter(|key| limiter.check(key, ONE).is_ok()).count();
        assert!(limiter.keys() <= 100 + 4096, "{}", limiter.keys());
        assert!(passed <= 100 + 4096, "{passed}");
    }

    #[test]
    fn a_flood_of_new_keys_takes_nobodys_budget() {
        let limiter = KeyedLimiter::new(Rate::new(10, 3600), 100);
        assert_eq!(limiter.check(&0_u32, NonZeroU32::new(9).unwrap()), Ok(()));
        let flooded = (1..100_000_u32).filter(|key| limiter.check(key, ONE).is_err()).count();
        assert!(flooded > 0);
        // Neither lost nor doubled.
        assert_eq!(limiter.check(&0, ONE), Ok(()));
        assert!(limiter.check(&0, ONE).is_err());
    }
}
