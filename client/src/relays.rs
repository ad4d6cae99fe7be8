//! Several relays: one is picked at random for each request, a failing one is left alone for a while.
//!
//! A single relay would see every time at which a client asks. [`Relays`] spreads the requests; it holds no connection and
//! reads no clock: the time, and the number that picks, are arguments.
//!
//! ```
//! use std::time::Instant;
//!
//! use client::relays::{Relay, Relays};
//!
//! # fn main() -> Result<(), http::uri::InvalidUri> {
//! let relay = |host: &str| -> Result<Relay, http::uri::InvalidUri> {
//!     Ok(Relay { capsules: format!("https://{host}/p").parse()?, keys: format!("https://{host}/p/keys").parse()? })
//! };
//! let mut relays = Relays::new(relay("one.example")?, [relay("two.example")?]);
//! let now = Instant::now();
//! assert_eq!(relays.pick(&[], now, 1), Some(1));
//! relays.leave(1, None, now); // it failed, and rests
//! assert_eq!(relays.pick(&[], now, 1), Some(0));
//! # Ok(())
//! # }
//! ```

use std::time::{Duration, Instant};

use http::Uri;

/// One relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where capsules go.
    pub capsules: Uri,
    /// Where it serves the gateway's signed key configuration.
    pub keys: Uri,
}

/// For how long a failing relay is left alone, if it names no time itself.
pub const REST: Duration = Duration::from_secs(30);
/// The longest time that a relay is left alone for, whatever it asks for.
pub const LONGEST_REST: Duration = Duration::from_secs(600);

/// The relays of a client, and which of them rest.
#[derive(Clone, Debug)]
pub struct Relays {
    all: Vec<(Relay, Option<Instant>)>,
}

impl Relays {
    /// From at least one relay.
    #[must_use]
    pub fn new(first: Relay, others: impl IntoIterator<Item = Relay>) -> Self {
        Self { all: std::iter::once(first).chain(others).map(|relay| (relay, None)).collect() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The relay of this index.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Relay> {
        self.all.get(index).map(|(relay, _)| relay)
    }

    /// Picks one that is not in `tried`: by `pick` (a random number) among those that do not rest; if all do, the one
    /// whose rest ends first. `None` only if all were tried.
    #[must_use]
    pub fn pick(&self, tried: &[usize], now: Instant, pick: usize) -> Option<usize> {
        let untried = || (0..self.all.len()).filter(|index| !tried.contains(index));
        let awake: Vec<usize> = untried().filter(|index| self.all[*index].1.is_none_or(|until| until <= now)).collect();
        match awake.len() {
            0 => untried().min_by_key(|index| self.all[*index].1),
            awake_count => Some(awake[pick % awake_count]),
        }
    }

    /// Leaves a relay alone: for `asked`, or [`REST`] if it asked for less, up to [`LONGEST_REST`].
    pub fn leave(&mut self, index: usize, asked: Option<Duration>, now: Instant) {
        if let Some((_, until)) = self.all.get_mut(index) {
            *until = Some(now + asked.unwrap_or(REST).clamp(REST, LONGEST_REST));
        }
    }

    /// Takes a relay up again: it has answered.
    pub fn answered(&mut self, index: usize) {
        if let Some((_, until)) = self.all.get_mut(index) {
            *until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(count: usize) -> Relays {
        let relay = |number: usize| Relay {
            capsules: format!("https://r{number}.example/c").parse().unwrap(),
            keys: format!("https://r{number}.example/k").parse().unwrap(),
        };
        Relays::new(relay(0), (1..count).map(relay))
    }

    #[test]
    fn every_relay_is_picked() {
        let relays = relays(3);
        let now = Instant::now();
        let picked: Vec<_> = (0..3).map(|pick| relays.pick(&[], now, pick)).collect();
        assert_eq!(picked, [Some(0), Some(1), Some(2)]);
        assert_eq!(relays.pick(&[0, 2], now, 7), Some(1));
        assert_eq!(relays.pick(&[0, 1, 2], now, 7), None);
    }

    #[test]
    fn a_failing_relay_rests_and_comes_back() {
        let mut relays = relays(2);
        let now = Instant::now();
        relays.leave(0, None, now);
        assert_eq!((relays.pick(&[], now, 0), relays.pick(&[], now, 1)), (Some(1), Some(1)));
        assert_eq!(relays.pick(&[], now + REST, 0), Some(0));
        relays.leave(0, Some(Duration::MAX), now);
        assert_eq!(relays.pick(&[], now + LONGEST_REST - Duration::from_secs(1), 0), Some(1));
        assert_eq!(relays.pick(&[], now + LONGEST_REST, 0), Some(0));
        relays.answered(0);
        assert_eq!(relays.pick(&[], now, 0), Some(0));
    }

    /// Where all rest, asking the one that is nearest to its end is better than not asking.
    #[test]
    fn the_first_to_wake_is_asked_if_all_rest() {
        let mut relays = relays(2);
        let now = Instant::now();
        relays.leave(0, Some(Duration::from_secs(90)), now);
        relays.leave(1, Some(Duration::from_secs(60)), now);
        assert_eq!(relays.pick(&[], now, 0), Some(1));
        assert_eq!(relays.pick(&[1], now, 0), Some(0));
    }
}
