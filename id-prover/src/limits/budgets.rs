//! One budget for each key, refilled evenly: GCRA by the `governor` crate, over a state store of our own, which can give back
//! what was taken, is bounded, and outlives both a change of the rate and a restart.
//!
//! Keys are kept as keyed hashes of 8 bytes: no identifier stays in memory, or in the stored counters, for the sake of a
//! limit. A state is the time at which a budget will be whole again, in nanoseconds since 1970. It is stored with the
//! rate's interval, so that under another rate the same share of the budget is used up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, UNIX_EPOCH};

use governor::clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use service::{Rate, RetryAfter};
use sha2::{Digest as _, Sha256};

use super::Secret;
use crate::Clock;

const SHARDS: usize = 64;

/// A key of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(super) u64);

/// The state of a budget as it is stored: 16 bytes, two numbers, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// Nanoseconds since 1970.
    whole_at: u64,
    /// What one message took, in nanoseconds.
    interval: u64,
}

/// A budget of the same rate for each key.
pub(crate) struct Budgets {
    quoted: RwLock<Quoted>,
    state: Shared,
    clock: Clock,
    secret: Secret,
}

/// What becomes of a budget of a ledger.
pub(super) struct Decided {
    /// Of each wish, in order; what is given back is never refused.
    pub(super) answers: Vec<Result<(), RetryAfter>>,
    /// If it changes: what is to be stored, and in how long it is whole again.
    pub(super) counter: Option<(Counter, Duration)>,
}

type Limiter<S> = RateLimiter<u64, S, LimitClock, NoOpMiddleware<Duration>>;

/// A rate, made ready.
struct Quoted {
    quota: Quota,
    limiter: Limiter<Shared>,
    /// What one message takes from a budget.
    interval: Nanos,
    /// What a whole budget is.
    whole: u64,
}

impl Counter {
    pub(super) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.whole_at.to_be_bytes());
        bytes[8..].copy_from_slice(&self.interval.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (whole_at, interval) = bytes.split_at_checked(8)?;
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
        Some(Self { whole_at: number(whole_at)?, interval: number(interval)? })
    }

    /// The same share of a budget of another interval.
    fn at_interval(self, interval: u64, now: u64) -> u64 {
        let used =
            u128::from(self.whole_at.saturating_sub(now)) * u128::from(interval) / u128::from(self.interval.max(1));
        now.saturating_add(u64::try_from(used).unwrap_or(u64::MAX))
    }
}

impl Budgets {
    pub(crate) fn new(rate: Rate, max_keys: usize, clock: Clock, secret: Secret) -> Self {
        let state = Shared::new(max_keys);
        Self { quoted: RwLock::new(Quoted::new(rate, &state, &clock)), state, clock, secret }
    }

    /// Takes one message from the budget of `name`.
    ///
    /// # Errors
    ///
    /// [`RetryAfter`], in whole seconds, rounded up; nothing is taken then.
    pub(crate) fn take(&self, name: &[u8]) -> Result<Key, RetryAfter> {
        let key = self.key(name);
        self.check(&self.quoted().limiter, key).map(|()| Key(key))
    }

    /// What becomes of a budget that a ledger holds if one after another takes from it (true) or gives back.
    pub(super) fn decide(&self, counter: Option<Counter>, wishes: impl Iterator<Item = bool>) -> Decided {
        let (quoted, now) = (self.quoted(), self.now());
        let interval = quoted.interval.as_u64();
        // A clock that was set back costs a whole budget at most.
        let latest = now.saturating_add(quoted.whole);
        let before = counter.map(|counter| counter.at_interval(interval, now).min(latest));
        let single = Single(Arc::new(Mutex::new(before.map(Nanos::from))));
        let limiter = limiter(quoted.quota, single.clone(), &self.clock);
        let grant = |takes| match takes {
            true => self.check(&limiter, 0),
            false => {
                single.lower(quoted.interval);
                Ok(())
            }
        };
        let answers = wishes.map(grant).collect();
        let after = single.get().map(|whole_at| whole_at.as_u64());
        let counter = after
            .filter(|_| after != before)
            .map(|whole_at| (Counter { whole_at, interval }, Duration::from_nanos(whole_at.saturating_sub(now))));
        Decided { answers, counter }
    }

    fn check<S: StateStore<Key = u64>>(&self, limiter: &Limiter<S>, key: u64) -> Result<(), RetryAfter> {
        limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(since_1970(&self.clock));
            RetryAfter((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
        })
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, key: Key) {
        let interval = self.quoted().interval;
        self.state.lower(key.0, interval);
    }

    /// Changes the rate; the same share of each budget stays used up.
    pub(super) fn set_rate(&self, rate: Rate) {
        let now = self.now();
        let mut quoted = self.quoted.write().unwrap_or_else(PoisonError::into_inner);
        let new = Quoted::new(rate, &self.state, &self.clock);
        let old = quoted.interval.as_u64();
        if old != new.interval.as_u64() {
            self.state
                .change_all(|whole_at| Counter { whole_at, interval: old }.at_interval(new.interval.as_u64(), now));
        }
        *quoted = new;
    }

    /// Forgets budgets that are whole again, and tells which they were.
    pub(super) fn forget_whole(&self) -> Vec<Key> {
        self.state.forget_before(self.now().into())
    }

    /// What is to be stored for `key`; nothing if its budget is whole. The first is the key it is stored under.
    pub(super) fn counter(&self, key: Key) -> (Key, Option<Counter>) {
        let interval = self.quoted().interval.as_u64();
        let (slot, whole_at) = self.state.find(key.0);
        (Key(slot), whole_at.map(|whole_at| Counter { whole_at: whole_at.as_u64(), interval }))
    }

    /// Takes up a stored counter. A clock that was set back costs a whole budget at most.
    pub(super) fn restore(&self, key: Key, counter: Counter) {
        let (now, quoted) = (self.now(), self.quoted());
        let whole_at = counter.at_interval(quoted.interval.as_u64(), now).min(now.saturating_add(quoted.whole));
        self.state.put(key.0, whole_at.into());
    }

    /// How many budgets are remembered.
    #[cfg(any(test, feature = "benching"))]
    pub(crate) fn len(&self) -> usize {
        self.state.0.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    pub(super) fn key(&self, name: &[u8]) -> u64 {
        let hash = Sha256::new_with_prefix(self.secret.0).chain_update(name).finalize();
        let (first, _) = hash.split_first_chunk().expect("SHA-256 has more than 8 bytes");
        u64::from_be_bytes(*first)
    }

    fn now(&self) -> u64 {
        Nanos::from(since_1970(&self.clock)).as_u64()
    }

    fn quoted(&self) -> RwLockReadGuard<'_, Quoted> {
        self.quoted.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quoted {
    fn new(rate: Rate, state: &Shared, clock: &Clock) -> Self {
        let each = Duration::from_secs(u64::from(rate.seconds.get())) / rate.count.get();
        let quota = quota(each, rate.count);
        let limiter = limiter(quota, state.clone(), clock);
        let interval: Nanos = quota.replenish_interval().into();
        Self { quota, limiter, interval, whole: interval.as_u64().saturating_mul(u64::from(rate.count.get())) }
    }
}

/// It counts from what its clock says when it is made: zero, so that states outlive it.
fn limiter<S: StateStore<Key = u64>>(quota: Quota, state: S, clock: &Clock) -> Limiter<S> {
    let clock = LimitClock { clock: Arc::clone(clock), runs: Arc::default() };
    let limiter = RateLimiter::new(quota, state, clock.clone());
    clock.runs.store(true, Ordering::Relaxed);
    limiter
}

fn quota(each: Duration, burst: NonZeroU32) -> Quota {
    let each = each.max(Duration::from_nanos(1));
    Quota::with_period(each).unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

fn since_1970(clock: &Clock) -> Duration {
    clock().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The prover's clock as governor reads it: time since 1970, once it runs.
#[derive(Clone)]
struct LimitClock {
    clock: Clock,
    runs: Arc<AtomicBool>,
}

impl clock::Clock for LimitClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        if self.runs.load(Ordering::Relaxed) { since_1970(&self.clock) } else { Duration::ZERO }
    }
}

/// When each budget will be whole again, in nanoseconds since 1970.
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

    fn find(&self, key: u64) -> (u64, Option<Nanos>) {
        let shard = self.shard(key);
        let slot = self.slot(&shard, key);
        (slot, shard.get(&slot).copied())
    }

    fn put(&self, key: u64, whole_at: Nanos) {
        let mut shard = self.shard(key);
        let slot = self.slot(&shard, key);
        shard.insert(slot, whole_at);
    }

    fn lower(&self, key: u64, weight: Nanos) {
        let mut shard = self.shard(key);
        let slot = self.slot(&shard, key);
        if let Entry::Occupied(mut entry) = shard.entry(slot) {
            let lowered = entry.get().saturating_sub(weight);
            entry.insert(lowered);
        }
    }

    fn change_all(&self, change: impl Fn(u64) -> u64) {
        for shard in &self.0.shards {
            for whole_at in lock(shard).values_mut() {
                *whole_at = change(whole_at.as_u64()).into();
            }
        }
    }

    fn forget_before(&self, time: Nanos) -> Vec<Key> {
        let mut forgotten = Vec::new();
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            forgotten.extend(shard.extract_if(|_, whole_at| *whole_at <= time).map(|(key, _)| Key(key)));
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
        }
        forgotten
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

/// When one budget will be whole again.
#[derive(Clone)]
struct Single(Arc<Mutex<Option<Nanos>>>);

impl Single {
    fn get(&self) -> Option<Nanos> {
        *self.lock()
    }

    fn lower(&self, weight: Nanos) {
        let mut whole_at = self.lock();
        *whole_at = whole_at.map(|whole_at| whole_at.saturating_sub(weight));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Single {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, _key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut held = self.lock();
        let (outcome, whole_at) = f(*held)?;
        *held = Some(whole_at);
        Ok(outcome)
    }
}

fn lock(shard: &Mutex<HashMap<u64, Nanos>>) -> MutexGuard<'_, HashMap<u64, Nanos>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
