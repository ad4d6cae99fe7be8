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
        let after = match failure {
            Failure::Final(error) => return Err(self.ends_with(error)),
            Failure::InDoubt => return Err(CourierError::InDoubt),
            Failure::Passing { after } => after,
            Failure::Repeatable => {
                self.in_doubt = true;
                Duration::ZERO
            }
        };
        // Half of it by chance, so that those who failed together do not come back together.
        let pause = self.pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        // How long the next hop wants to be left alone is its own to say, and may be beyond any clock.
        let next = Instant::now().checked_add(pause.max(after)).filter(|next| *next < self.deadline);
        let Some(next) = next else { return Err(self.ends_with(CourierError::Unavailable)) };
        tokio::time::sleep_until(next).await;
        Ok(())
    }

    fn ends_with(&self, error: CourierError) -> CourierError {
        if self.in_doubt { CourierError::InDoubt } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: Failure = Failure::Passing { after: Duration::ZERO };

    #[tokio::test]
    async fn what_passes_is_tried_again_until_the_deadline() {
        let mut attempts = Attempts::within(Duration::from_millis(500));
        assert_eq!(attempts.failed(PASSING).await, Ok(()));
        let mut more = 0;
        while attempts.failed(PASSING).await.is_ok() {
            more += 1;
        }
        assert!(more <= 2);
        assert!(Instant::now() < attempts.deadline());
        for after in [Duration::from_secs(1), Duration::from_secs(u64::MAX), Duration::MAX] {
            let mut attempts = Attempts::within(Duration::from_millis(500));
            assert_eq!(attempts.failed(Failure::Passing { after }).await, Err(CourierError::Unavailable));
        }
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
