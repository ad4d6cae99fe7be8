//! An open loop: calls are due at a steady rate, whatever became of those before. Latency counts from when a call was due, not
//! from when it could be made, so a server that stalls shows in every call that was due meanwhile (no coordinated
//! omission).

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::{Mutex, mpsc};

use crate::Result;
use crate::closed::Caller;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LONGEST: u64 = 600_000_000;
/// Digits that are told apart.
const DIGITS: u8 = 3;

/// When calls are due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the first is.
    pub start: Instant,
    /// Calls a second.
    pub rate: f64,
    /// How many.
    pub count: usize,
}

impl Schedule {
    /// `seconds` of `rate` calls a second, from now on.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of calls, rounded down")]
    pub fn from_now(rate: f64, seconds: u32) -> Self {
        Self { start: Instant::now(), rate, count: (rate * f64::from(seconds)) as usize }
    }

    /// When the nth call is due.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a count of calls is far below 2^52")]
    pub fn due(&self, n: usize) -> Instant {
        self.start + Duration::from_secs_f64(n as f64 / self.rate)
    }
}

/// A call that is due: its number, and since when.
pub type Due = (usize, Instant);

/// Says of each call when it is due, from a thread of its own: its clock is finer than the runtime's, which counts
/// milliseconds. The channel holds all calls, so that who is late keeps nobody waiting.
#[must_use]
pub fn arrivals(schedule: Schedule) -> mpsc::Receiver<Due> {
    let (sender, receiver) = mpsc::channel(schedule.count.max(1));
    thread::spawn(move || {
        for n in 0..schedule.count {
            let due = schedule.due(n);
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            if sender.try_send((n, due)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What an open loop came to.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST, DIGITS).expect("the bounds are good"))
    }
}

impl Latencies {
    /// Counts one in; longer ones count as the longest.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts all of `other` in.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What this share of calls, 0 to 1, was not slower than.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The slowest.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }
}

/// Makes every call that is due by the next caller that is free. Gives the callers back.
///
/// # Errors
///
/// The first failure of a call.
pub async fn run<C: Caller>(callers: Vec<C>, due: mpsc::Receiver<Due>) -> Result<(Vec<C>, Latencies)> {
    run_by(Instant::now, callers, due).await
}

/// [`run`] by another clock than the system's.
async fn run_by<C: Caller>(
    now: impl Fn() -> Instant + Clone + Send + 'static,
    callers: Vec<C>,
    due: mpsc::Receiver<Due>,
) -> Result<(Vec<C>, Latencies)> {
    let due = Arc::new(Mutex::new(due));
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|mut caller| {
            let (queue, now) = (Arc::clone(&due), now.clone());
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                loop {
                    let next = queue.lock().await.recv().await;
                    let Some((n, due)) = next else { return Result::Ok((caller, latencies)) };
                    caller.call(n).await?;
                    latencies.record(now().saturating_duration_since(due));
                }
            })
        })
        .collect();
    let (mut callers, mut all) = (Vec::with_capacity(tasks.len()), Latencies::default());
    for task in tasks {
        let (caller, latencies) = task.await??;
        callers.push(caller);
        all.add(&latencies);
    }
    Ok((callers, all))
}

#[cfg(test)]
mod tests;
