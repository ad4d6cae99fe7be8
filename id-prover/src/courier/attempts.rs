//! Trying again: with growing pauses, until a deadline, and only what cannot be sent twice by it.
//!
//! A courier makes an attempt, and takes its [`Failure`] to [`Attempts::failed`], which waits until the next one is due or says
//! what became of the delivery (`docs/decisions/0036-trying-a-delivery-again.md`).

use std::time::Duration;

use tokio::time::Instant;

use super::CourierError;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why an attempt to hand a message over failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It will fail again.
    Final(CourierError),
    /// The message was not taken over; it may be offered again, after this time at the earliest.
    Passing { after: Duration },
    /// Whether the message was taken over is not known, and it must not be offered again.
    InDoubt,
    /// Whether the message was taken over is not known; the next hop knows it again.
    Repeatable,
}

/// The attempts at one delivery.
#[derive(Debug)]
pub(crate) struct Attempts {
    deadline: Instant,
    pause: Duration,
    in_doubt: bool,
}

impl Attempts {
    pub(crate) fn within(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, pause: FIRST_PAUSE, in_doubt: false }
    }

    /// When all of it ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// A part of the message has been taken over: whatever happens, it has been sent in part.
    pub(crate) fn sent_in_part(&mut self) {
        self.in_doubt = true;
    }

    /// Waits until the next attempt is due.
    ///
    /// # Errors
    ///
    /// What became of the delivery, if there is to be none.
    pub(crate) async fn failed(&mut self, failure: Failure) -> Result<(), CourierError> {
        let next = self.next(failure, Instant::now(), rand::random())?;
        tokio::time::sleep_until(next).await;
        Ok(())
    }

    /// When the next attempt is due after one that failed at `now`. Half of the pause is by `chance`, from 0 to 1, so that those who
    /// failed together do not come back together.
    fn next(&mut self, failure: Failure, now: Instant, chance: f64) -> Result<Instant, CourierError> {
        let after = match failure {
            Failure::Final(error) => return Err(self.ends_with(error)),
            Failure::InDoubt => return Err(CourierError::InDoubt),
            Failure::Passing { after } => after,
            Failure::Repeatable => {
                self.in_doubt = true;
                Duration::ZERO
            }
        };
        let pause = self.pause.mul_f64(0.5 + chance / 2.0);
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        // How long the next hop wants to be left alone is its own to say, and may be beyond any clock.
        let next = now.checked_add(pause.max(after)).filter(|next| *next < self.deadline);
        next.ok_or_else(|| self.ends_with(CourierError::Unavailable))
    }

    fn ends_with(&self, error: CourierError) -> CourierError {
        if self.in_doubt { CourierError::InDoubt } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: Failure = Failure::Passing { after: Duration::ZERO };

    #[test]
    fn what_passes_is_tried_again_until_the_deadline() {
        let whole = Duration::from_millis(500);
        let begun = || {
            let attempts = Attempts::within(whole);
            let start = attempts.deadline() - whole;
            (attempts, start)
        };
        // Pauses of 200, 400, 800 ms, half of each by chance; an attempt at the deadline itself is none.
        for (chance, expected) in [(0.0, &[100, 300][..]), (0.5, &[150, 450]), (1.0, &[200])] {
            let (mut attempts, start) = begun();
            let mut now = start;
            for due in expected {
                now = attempts.next(PASSING, now, chance).unwrap();
                assert_eq!(now - start, Duration::from_millis(*due), "{chance}");
            }
            assert_eq!(attempts.next(PASSING, now, chance), Err(CourierError::Unavailable), "{chance}");
        }
        for after in [whole, Duration::from_secs(1), Duration::from_secs(u64::MAX), Duration::MAX] {
            let (mut attempts, start) = begun();
            assert_eq!(attempts.next(Failure::Passing { after }, start, 0.0), Err(CourierError::Unavailable));
        }
        let ((mut attempts, start), after) = (begun(), Duration::from_millis(499));
        assert_eq!(attempts.next(Failure::Passing { after }, start, 0.0), Ok(start + after));
    }

    #[tokio::test]
    async fn what_is_final_or_in_doubt_is_not() {
        let attempts = || Attempts::within(Duration::from_secs(60));
        let refused = Failure::Final(CourierError::Refused);
        assert_eq!(attempts().failed(refused).await, Err(CourierError::Refused));
        assert_eq!(attempts().failed(Failure::InDoubt).await, Err(CourierError::InDoubt));
    }

    #[tokio::test]
    async fn a_doubt_stays() {
        let mut repeated = Attempts::within(Duration::from_secs(60));
        assert_eq!(repeated.failed(Failure::Repeatable).await, Ok(()));
        let mut in_part = Attempts::within(Duration::ZERO);
        in_part.sent_in_part();
        for (mut attempts, failure) in [(repeated, Failure::Final(CourierError::Refused)), (in_part, PASSING)] {
            assert_eq!(attempts.failed(failure).await, Err(CourierError::InDoubt));
        }
    }
}
