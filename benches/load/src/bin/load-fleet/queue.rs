//! The simulation of one machine: requests come at random (Poisson), each takes one core for a time that is exponentially distributed, and waits
//! for one in the order of arrival. What is found can be held against Erlang's formula.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, RngExt as _};

/// Samples of a whole lookup.
const LOOKUPS: usize = 200_000;
/// Time is counted in these, so that it can be ordered.
const PER_SECOND: f64 = 1e12;

/// What became of the requests.
pub(crate) struct Simulated {
    /// Of all cores' time, the part that they worked.
    pub(crate) busy: f64,
    /// From arrival to end, in seconds, in order.
    sojourns: Vec<f64>,
}

/// Lets `requests` come, so many a second, to a machine of `cores`; each takes `seconds` on average.
pub(crate) fn simulate(rate: f64, seconds: f64, cores: usize, requests: usize, rng: &mut impl Rng) -> Simulated {
    let mut free: BinaryHeap<Reverse<u64>> = (0..cores).map(|_| Reverse(0)).collect();
    let (mut now, mut worked, mut end) = (0.0, 0.0, 0.0_f64);
    let mut sojourns = Vec::with_capacity(requests);
    for _ in 0..requests {
        now += exponential(1.0 / rate, rng);
        let work = exponential(seconds, rng);
        let Reverse(earliest) = free.pop().unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "a picosecond more or less")]
        let begun = (earliest as f64 / PER_SECOND).max(now);
        let done = begun + work;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time of some seconds, after the start"
        )]
        free.push(Reverse((done * PER_SECOND) as u64));
        worked += work;
        end = end.max(done);
        sojourns.push(done - now);
    }
    sojourns.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "a count of cores")]
    let all = end * cores as f64;
    Simulated { busy: worked / all, sojourns }
}

impl Simulated {
    /// What this share of requests was not slower than, in seconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(&self.sojourns, share)
    }

    /// One request, or the slower of two.
    fn once(&self, is_quorum: bool, rng: &mut impl Rng) -> f64 {
        let mut any = || self.sojourns[rng.random_range(0..self.sojourns.len())];
        let first = any();
        if is_quorum { first.max(any()) } else { first }
    }
}

/// The 99th percentile of a lookup that passes all parts, each independent of the others. Of a part that is a quorum the slower of
/// two answers counts.
pub(crate) fn chain<'a>(
    parts: impl Iterator<Item = (&'a Simulated, bool)>,
    network_seconds: f64,
    rng: &mut impl Rng,
) -> f64 {
    let parts: Vec<_> = parts.collect();
    let mut whole: Vec<f64> = (0..LOOKUPS)
        .map(|_| network_seconds + parts.iter().map(|(part, is_quorum)| part.once(*is_quorum, rng)).sum::<f64>())
        .collect();
    whole.sort_by(f64::total_cmp);
    quantile(&whole, 0.99)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn exponential(mean: f64, rng: &mut impl Rng) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    /// How long a request waits on average (M/M/c, Erlang C): `offered` is the rate times the seconds of a request.
    fn erlang_wait(offered: f64, seconds: f64, cores: u32) -> f64 {
        // Erlang B by its recurrence, then C.
        let blocked = (1..=cores).fold(1.0, |blocked, n| offered * blocked / (f64::from(n) + offered * blocked));
        let cores = f64::from(cores);
        let waits = cores * blocked / (cores - offered * (1.0 - blocked));
        waits * seconds / (cores - offered)
    }

    #[test]
    fn the_simulation_agrees_with_erlang() {
        let mut rng = StdRng::seed_from_u64(7);
        for (cores, busy) in [(1, 0.5), (4, 0.7), (16, 0.9)] {
            let seconds = 1e-4;
            let offered = f64::from(cores) * busy;
            let found = simulate(offered / seconds, seconds, cores as usize, 1_000_000, &mut rng);
            assert!((found.busy - busy).abs() < 0.01, "{cores} cores, {busy}: {}", found.busy);
            let mean = found.sojourns.iter().sum::<f64>() / 1e6;
            let expected = seconds + erlang_wait(offered, seconds, cores);
            assert!((mean / expected - 1.0).abs() < 0.05, "{cores} cores, {busy}: {mean} and not {expected}");
        }
    }

    /// A machine alone: the time in it is exponential, and its 99th percentile is ln 100 times the mean.
    #[test]
    fn one_core_has_the_known_percentile() {
        let found = simulate(5_000.0, 1e-4, 1, 1_000_000, &mut StdRng::seed_from_u64(3));
        let expected = 2e-4 * 100_f64.ln();
        assert!((found.quantile(0.99) / expected - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_chain_is_as_slow_as_its_parts_together() {
        let constant = |seconds| Simulated { busy: 0.0, sojourns: vec![seconds; 3] };
        let (first, second) = (constant(1.0), constant(2.0));
        let whole = chain([(&first, false), (&second, true)].into_iter(), 0.5, &mut StdRng::seed_from_u64(1));
        assert!((whole - 3.5).abs() < 1e-9);
    }
}
