//! Trying again: an opt-in policy, [`Retry`], that honours what the other side asks for.
//!
//! A fault that lasts is never tried again. A passing one is, after the time that the answer named (`Retry-After`) or a
//! time that doubles with every try, whichever is longer, and a random part on top, so that clients which failed together
//! do not come back together. Tries and waiting are bounded.

use std::time::Duration;

use crate::error::Error;

/// How often, and for how long, a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many times a request is sent at most, the first included.
    pub max_tries: u32,
    /// How long is waited at most, over all tries of a request.
    pub max_wait: Duration,
    /// The first pause, where the answer names none; it doubles from try to try.
    pub first_pause: Duration,
}

impl Default for Retry {
    /// 4 tries, 60 seconds of waiting, half a second at first.
    fn default() -> Self {
        Self { max_tries: 4, max_wait: Duration::from_secs(60), first_pause: Duration::from_millis(500) }
    }
}

impl Retry {
    /// How long to wait before the next try, after `tries` tries of which the last ended with `error`, when `waited` has
    /// gone by in pauses; `None` to give up. `jitter`, from 0 to 1, is random: up to half of the pause is added by it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use client::retry::Retry;
    /// use client::{Error, Fault};
    ///
    /// let retry = Retry { max_tries: 3, ..Retry::default() };
    /// let busy = Error::passing(Fault::Relay, "busy"); // asks for two seconds
    /// assert_eq!(retry.pause(&busy, 1, Duration::ZERO, 0.0), Some(Duration::from_secs(2)));
    /// assert_eq!(retry.pause(&busy, 1, Duration::ZERO, 1.0), Some(Duration::from_secs(3)));
    /// assert_eq!(retry.pause(&busy, 3, Duration::ZERO, 0.0), None);
    /// let refused = Error::lasting(Fault::Store, "not allowed");
    /// assert_eq!(retry.pause(&refused, 1, Duration::ZERO, 0.0), None);
    /// ```
    #[must_use]
    pub fn pause(&self, error: &Error, tries: u32, waited: Duration, jitter: f64) -> Option<Duration> {
        let asked = error.retry_after?;
        if tries >= self.max_tries {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        let least = asked.max(doubled);
        // Checked before the random part is added: a pause that is asked for and fits is not lost to chance.
        if waited.saturating_add(least) > self.max_wait {
            return None;
        }
        let pause = least.saturating_add(least.mul_f64(jitter.clamp(0.0, 1.0) / 2.0));
        Some(pause.min(self.max_wait.saturating_sub(waited)))
    }

    /// Runs `attempt` until it succeeds, fails for good, or is given up. What is tried again must be harmless to repeat: a
    /// lookup is, and so is the publication of one document, which is answered by the same receipt.
    ///
    /// # Errors
    ///
    /// The last error of `attempt`.
    #[cfg(feature = "net")]
    pub async fn run<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let (mut tries, mut waited) = (1, Duration::ZERO);
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let Some(pause) = self.pause(&error, tries, waited, rand::random()) else { return Err(error) };
            tokio::time::sleep(pause).await;
            tries += 1;
            waited += pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Fault;

    fn after(seconds: u64) -> Error {
        Error { retry_after: Some(Duration::from_secs(seconds)), ..Error::lasting(Fault::Store, "busy") }
    }

    #[test]
    fn pauses_double_unless_more_is_asked_for() {
        let retry = Retry { max_tries: 9, max_wait: Duration::MAX, first_pause: Duration::from_secs(1) };
        let pauses: Vec<_> = (1..5).map(|tries| retry.pause(&after(3), tries, Duration::ZERO, 0.0)).collect();
        assert_eq!(pauses, [3, 3, 4, 8].map(|seconds| Some(Duration::from_secs(seconds))));
    }

    #[test]
    fn more_than_may_be_waited_is_not_waited() {
        let retry = Retry::default();
        assert_eq!(retry.pause(&after(61), 1, Duration::ZERO, 0.0), None);
        assert_eq!(retry.pause(&after(60), 1, Duration::ZERO, 1.0), Some(Duration::from_secs(60)));
        assert_eq!(retry.pause(&after(60), 2, Duration::from_secs(1), 0.0), None);
        assert_eq!(retry.pause(&after(u64::MAX), 1, Duration::ZERO, 1.0), None);
    }

    #[test]
    fn whoever_waits_without_end_does() {
        let retry = Retry { max_wait: Duration::MAX, first_pause: Duration::MAX, ..Retry::default() };
        assert_eq!(retry.pause(&after(u64::MAX), 1, Duration::ZERO, 1.0), Some(Duration::MAX));
    }

    proptest! {
        /// Never before what was asked for, never over the bound, never for a lasting fault.
        #[test]
        fn every_pause_is_within_its_bounds(
            asked in any::<u64>(), tries in 0_u32..10, waited in 0_u64..100, jitter in 0.0..1.0,
        ) {
            let retry = Retry::default();
            let waited = Duration::from_secs(waited);
            if let Some(pause) = retry.pause(&after(asked), tries, waited, jitter) {
                prop_assert!(tries < retry.max_tries);
                prop_assert!(pause >= Duration::from_secs(asked));
                prop_assert!(waited + pause <= retry.max_wait);
            }
            prop_assert_eq!(retry.pause(&Error::lasting(Fault::Store, "no"), tries, waited, jitter), None);
        }
    }
}
