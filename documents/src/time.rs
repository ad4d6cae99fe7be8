//! Time as documents carry it: whole seconds since 1970-01-01T00:00:00Z.
//!
//! Nothing here reads a clock; whoever needs the present time is given it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far two honest clocks may be apart (`protocol.md` §2): five minutes.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Whole seconds since the Unix epoch (`NumericDate` of RFC 8392).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From seconds since the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// This time and `duration`, held at the end of the range; fractions of a second are dropped.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// This time less `duration`, held at the epoch; fractions of a second are dropped.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

impl From<Timestamp> for ciborium::Value {
    fn from(time: Timestamp) -> Self {
        Self::from(time.0)
    }
}

/// RFC 3339 in UTC, for people: `2026-11-21T04:40:00Z`. Times after the year 9999 print as its end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const END_OF_9999: u64 = 253_402_300_799;
        let time = UNIX_EPOCH + Duration::from_secs(self.0.min(END_OF_9999));
        fmt::Display::fmt(&humantime::format_rfc3339_seconds(time), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_236_000, "2026-11-21T04:40:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let late = Timestamp::from_seconds(u64::MAX);
        assert_eq!(late.plus(CLOCK_SKEW), late);
        assert_eq!(Timestamp::from_seconds(10).minus(CLOCK_SKEW), Timestamp::from_seconds(0));
        assert_eq!(Timestamp::from_seconds(10).since(Timestamp::from_seconds(20)), Duration::ZERO);
    }
}
