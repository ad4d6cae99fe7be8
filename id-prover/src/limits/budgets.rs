//! Budgets by key: GCRA by the `governor` crate, over a state of our own, which can give back what was taken and is
//! bounded. Keys are kept as keyed hashes of 8 bytes: no identifier stays in memory for the sake of a limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use governor::clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use service::{Rate, RetryAfter};

use crate::Clock;

const SHARDS: usize = 64;

/// A key of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

/// A budget of the same rate for each key.
pub(super) struct Budgets {
    limiter: RateLimiter<u64, Shared, LimitClock, NoOpMiddleware<Duration>>,
    state: Shared,
    clock: LimitClock,
    /// The limiter counts from here.
    start: Duration,
    /// What one message takes from a budget.
    weight: Nanos,
    hasher: RandomState,
}

impl Budgets {
    pub(super) fn new(rate: Rate, max_keys: usize, clock: Clock) -> Self {
        let (state, clock) = (Shared::new(max_keys), LimitClock(clock));
        let each = Duration::from_secs(u64::from(rate.seconds.get())) / rate.count.get();
        let quota = quota(each, rate.count);
        let start = clock::Clock::now(&clock);
        Self {
            start,
            limiter: RateLimiter::new(quota, state.clone(), clock.clone()),
            state,
            clock,
            weight: quota.replenish_interval().into(),
            hasher: RandomState::new(),
        }
    }

    /// Takes one message from the budget of `key`.
    ///
    /// # Errors
    ///
    /// [`RetryAfter`], in whole seconds, rounded up; nothing is taken then.
    pub(super) fn take(&self, key: &(impl Hash + ?Sized)) -> Result<Key, RetryAfter> {
        let key = self.hasher.hash_one(key);
        self.limiter.check_key(&key).map(|()| Key(key)).map_err(|not_until| {
            let wait = not_until.wait_time_from(clock::Clock::now(&self.clock));
            RetryAfter((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
        })
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, key: Key) {
        self.state.lower(key.0, self.weight);
    }

    /// Forgets budgets that are whole again.
    pub(super) fn sweep(&self) {
        let now = clock::Clock::now(&self.clock);
        self.state.forget_before(now.saturating_sub(self.start).into());
    }

    /// How many budgets are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.state.0.shards.iter().map(|shard| lock(shard).len()).sum()
    }
}

fn quota(each: Duration, burst: NonZeroU32) -> Quota {
    let each = each.max(Duration::from_nanos(1));
    Quota::with_period(each).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

/// The prover's clock as governor reads it: time since 1970.
#[derive(Clone)]
struct LimitClock(Clock);

impl clock::Clock for LimitClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// When each budget will be whole again, in nanoseconds since the limiter's start.
#[derive(Clone)]
struct Shared(Arc<State>);

struct State {
    shards: [Mutex<HashMap<u64, Nanos>>; SHARDS],
    max_keys_per_shard: usize,
}

impl Shared {
    fn new(max_keys: usize) -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self(Arc::new(State { shards, max_keys_per_shard: max_keys.div_ceil(SHARDS) }))
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, Nanos>> {
        lock(&self.0.shards[usize::try_from(key % SHARDS as u64).unwrap_or_default()])
    }

    /// The key under which `key` counts: its own, or the one that all of a full shard share.
    fn slot(&self, shard: &HashMap<u64, Nanos>, key: u64) -> u64 {
        let own = shard.len() < self.0.max_keys_per_shard || shard.contains_key(&key);
        if own { key } else { key % SHARDS as u64 }
    }

    fn lower(&self, key: u64, weight: Nanos) {
        let mut shard = self.shard(key);
        let slot = self.slot(&shard, key);
        if let Entry::Occupied(mut entry) = shard.entry(slot) {
            let lowered = entry.get().saturating_sub(weight);
            entry.insert(lowered);
        }
    }

    fn forget_before(&self, time: Nanos) {
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            shard.retain(|_, whole_at| *whole_at > time);
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
        }
    }
}

impl StateStore for Shared {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shard(*key);
        let slot = self.slot(&shard, *key);
        let (outcome, whole_at) = f(shard.get(&slot).copied())?;
        shard.insert(slot, whole_at);
        Ok(outcome)
    }
}

fn lock(shard: &Mutex<HashMap<u64, Nanos>>) -> MutexGuard<'_, HashMap<u64, Nanos>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
