//! Several relays: one is picked at random for each request, a failing one is left alone for a while.
//!
//! A single relay would see every time at which a client asks. [`Relays`] spreads the requests; it holds no connection and
//! reads no clock and throws no dice: the time, and what draws a number, are arguments.
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
//! let any = |count: usize| rand::random_range(0..count);
//! assert!(relays.pick(&[], now, any).is_some());
//! relays.leave(1, None, now); // it failed, and rests
//! assert_eq!(relays.pick(&[], now, any), Some(0));
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

    /// The relay of this index.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Relay> {
        self.all.get(index).map(|(relay, _)| relay)
    }

    /// Picks one that is not in `tried`: among those that do not rest the one that `draw` says, which is given how many they are
    /// and draws a number below that; if all rest, the one whose rest ends first. `None` only if all were tried.
    #[must_use]
    pub fn pick(&self, tried: &[usize], now: Instant, draw: impl FnOnce(usize) -> usize) -> Option<usize> {
        let untried = || (0..self.all.len()).filter(|index| !tried.contains(index));
        let awake: Vec<usize> = untried().filter(|index| self.all[*index].1.is_none_or(|until| until <= now)).collect();
        match awake.len() {
            0 => untried().min_by_key(|index| self.all[*index].1),
            count => Some(awake[draw(count).min(count - 1)]),
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

    /// What is picked, by every number that can be drawn.
    fn picks(relays: &Relays, tried: &[usize], now: Instant) -> Vec<Option<usize>> {
        let mut count = 1;
        let first = relays.pick(tried, now, |of| {
            count = of;
            0
        });
        std::iter::once(first).chain((1..count).map(|number| relays.pick(tried, now, |_| number))).collect()
    }

    #[test]
    fn every_relay_is_picked() {
        let relays = relays(3);
        let now = Instant::now();
        assert_eq!(picks(&relays, &[], now), [Some(0), Some(1), Some(2)]);
        assert_eq!(picks(&relays, &[0, 2], now), [Some(1)]);
        assert_eq!(picks(&relays, &[0, 1, 2], now), [None]);
    }

    /// Each of those that can be picked is picked by one number, so that the share of one that rests is not its neighbour's alone.
    #[test]
    fn the_choice_is_even_where_some_rest_or_were_tried() {
        let now = Instant::now();
        for resting in 0..4 {
            let mut relays = relays(4);
            relays.leave(resting, None, now);
            let awake: Vec<_> = (0..4).filter(|index| *index != resting).collect();
            assert_eq!(picks(&relays, &[], now), awake.iter().map(|index| Some(*index)).collect::<Vec<_>>());
            assert_eq!(picks(&relays, &awake[..1], now), [Some(awake[1]), Some(awake[2])]);
        }
    }

    #[test]
    fn a_number_that_is_too_large_picks_the_last() {
        assert_eq!(relays(2).pick(&[], Instant::now(), |count| count), Some(1));
    }

    #[test]
    fn a_failing_relay_rests_and_comes_back() {
        let mut relays = relays(2);
        let now = Instant::now();
        relays.leave(0, None, now);
        assert_eq!(picks(&relays, &[], now), [Some(1)]);
        assert_eq!(picks(&relays, &[], now + REST), [Some(0), Some(1)]);
        relays.leave(0, Some(Duration::MAX), now);
        assert_eq!(picks(&relays, &[], now + LONGEST_REST - Duration::from_secs(1)), [Some(1)]);
        assert_eq!(picks(&relays, &[], now + LONGEST_REST), [Some(0), Some(1)]);
        relays.answered(0);
        assert_eq!(picks(&relays, &[], now), [Some(0), Some(1)]);
    }

    /// Where all rest, asking the one that is nearest to its end is better than not asking.
    #[test]
    fn the_first_to_wake_is_asked_if_all_rest() {
        let mut relays = relays(2);
        let now = Instant::now();
        relays.leave(0, Some(Duration::from_secs(90)), now);
        relays.leave(1, Some(Duration::from_secs(60)), now);
        assert_eq!(picks(&relays, &[], now), [Some(1)]);
        assert_eq!(picks(&relays, &[1], now), [Some(0)]);
    }
}
