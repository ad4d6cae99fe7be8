//! By a clock of our own, which only the callers move.

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Answers in one millisecond, but for one call. The clock is as far as its last answer.
struct Stalling {
    schedule: Schedule,
    clock: Arc<std::sync::Mutex<Instant>>,
    at: usize,
    stall: Duration,
}

impl Caller for Stalling {
    async fn call(&mut self, n: usize) -> Result<()> {
        let mut clock = self.clock.lock().unwrap();
        let begins = self.schedule.due(n).max(*clock);
        *clock = begins + if n == self.at { self.stall } else { MILLISECOND };
        Ok(())
    }
}

/// 100 calls, one in ten milliseconds, by one caller; one call stalls.
async fn one_caller(stall: Duration) -> Latencies {
    let schedule = Schedule::from_now(100.0, 1);
    assert_eq!(schedule.count, 100);
    let (sender, receiver) = mpsc::channel(schedule.count);
    (0..schedule.count).for_each(|n| sender.try_send((n, schedule.due(n))).unwrap());
    drop(sender);
    let clock = Arc::new(std::sync::Mutex::new(schedule.start));
    let caller = Stalling { schedule, clock: Arc::clone(&clock), at: 10, stall };
    let now = move || *clock.lock().unwrap();
    let (callers, latencies) = run_by(now, vec![caller], receiver).await.unwrap();
    assert_eq!(callers.len(), 1);
    latencies
}

#[tokio::test]
async fn a_stall_shows_in_every_call_that_was_due_meanwhile() {
    let steady = one_caller(MILLISECOND).await;
    assert_eq!((steady.count(), steady.max()), (100, MILLISECOND));

    let stalled = one_caller(500 * MILLISECOND).await;
    assert_eq!(stalled.count(), 100);
    assert!(stalled.max() >= 500 * MILLISECOND);
    // Call 11 waited for 490 ms and took its own, 12 waited for 481, and so on: 55 calls are late, where a loop that waits for
    // its answers before it makes the next call would have counted one.
    assert!(stalled.quantile(0.5) > 40 * MILLISECOND, "{:?}", stalled.quantile(0.5));
    assert!(stalled.quantile(0.9) > 300 * MILLISECOND, "{:?}", stalled.quantile(0.9));
    assert_eq!(stalled.quantile(0.4), MILLISECOND);
}

#[tokio::test]
async fn calls_are_due_at_a_steady_rate_whoever_takes_them() {
    let schedule = Schedule { start: Instant::now(), rate: 4000.0, count: 50 };
    let mut due = arrivals(schedule);
    // Nobody takes them until all have come: the thread does not wait.
    let mut taken = Vec::new();
    while let Some(next) = due.recv().await {
        taken.push(next);
    }
    assert_eq!(taken.len(), 50);
    for (n, at) in taken {
        assert_eq!(at, schedule.start + Duration::from_micros(250) * u32::try_from(n).unwrap());
    }
}

#[test]
fn quantiles_are_of_all_that_was_counted() {
    let (mut low, mut high) = (Latencies::default(), Latencies::default());
    (1..=50).for_each(|n| low.record(Duration::from_micros(n)));
    (51..=100).for_each(|n| high.record(Duration::from_micros(n)));
    low.add(&high);
    assert_eq!(low.count(), 100);
    for (share, microseconds) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
        assert_eq!(low.quantile(share), Duration::from_micros(microseconds));
    }
    assert_eq!(low.max(), Duration::from_micros(100));
}

#[test]
fn what_is_too_long_to_be_told_apart_counts_as_the_longest() {
    let mut latencies = Latencies::default();
    latencies.record(Duration::from_secs(3600));
    latencies.record(Duration::from_millis(250));
    assert_eq!(latencies.count(), 2);
    assert!(latencies.max() >= Duration::from_secs(600));
    // Three digits are told apart.
    let median = latencies.quantile(0.5);
    assert!(median.abs_diff(Duration::from_millis(250)) < Duration::from_micros(250), "{median:?}");
}

#[tokio::test]
async fn a_failure_ends_the_load() {
    struct Broken;
    impl Caller for Broken {
        async fn call(&mut self, _: usize) -> Result<()> {
            Err("broken".into())
        }
    }
    let schedule = Schedule::from_now(1000.0, 1);
    assert_eq!(run(vec![Broken, Broken], arrivals(schedule)).await.err().unwrap().to_string(), "broken");
}
