//! The pace of requests: a least time between the starts of two.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest time between two turns: a year. More than a clock can tell would be no time at all.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Gives out turns, at least `interval` apart.
#[derive(Debug, Default)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// `interval` is held to [`LONGEST`].
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: interval.min(LONGEST), next: Mutex::new(None) }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) {
        if self.interval > Duration::ZERO {
            tokio::time::sleep_until(self.reserve(Instant::now()).into()).await;
        }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn.checked_add(self.interval).unwrap_or(turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_apart_and_idleness_is_not_saved_up() {
        let pace = Pace::new(Duration::from_secs(2));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let turns: Vec<_> = [0, 0, 1, 60, 60].map(|now| pace.reserve(at(now))).to_vec();
        assert_eq!(turns, [0, 2, 4, 60, 62].map(at));
    }

    #[test]
    fn a_pace_without_end_is_a_turn_a_year() {
        let (pace, start) = (Pace::new(Duration::MAX), Instant::now());
        assert_eq!([0, 1, 2].map(|_| pace.reserve(start)), [0, 1, 2].map(|years| start + LONGEST * years));
    }
}
