//! Limits looked up among many keys: the time of a look-up that takes from a budget, in random order, and memory for each key.
//!
//! `cargo bench --workspace --features id-prover/benching --bench limit_keys` (`KEYS=10000,10000000,30000000` in front of it for others)

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints")]

use std::time::{Duration, Instant};

use id_prover::benching::LimitKeys;

const LOOKUPS: u64 = 2_000_000;
const ROUNDS: usize = 5;

fn main() {
    let sizes = std::env::var("KEYS").unwrap_or_else(|_| "10000,10000000".to_owned());
    println!("      keys   bytes a key   ns a look-up: least, median, most of {ROUNDS} rounds");
    for keys in sizes.split(',').map(|keys| keys.parse::<u64>().unwrap()) {
        let before = resident();
        let limits = LimitKeys::new(usize::try_from(keys).unwrap());
        for key in 0..keys {
            assert!(limits.take(key));
        }
        assert!(limits.len() as u64 > keys / 100 * 95, "some share a key");
        let bytes = resident().saturating_sub(before) / keys;
        let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round(&limits, keys).as_nanos() / u128::from(LOOKUPS)).collect();
        rounds.sort_unstable();
        println!("{keys:>10} {bytes:>13} {:>15}, {}, {}", rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
    }
}

fn round(limits: &LimitKeys, keys: u64) -> Duration {
    let mut key: u64 = 1;
    let start = Instant::now();
    for _ in 0..LOOKUPS {
        // Knuth's MMIX generator; its upper half.
        key = key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        assert!(limits.take((key >> 32) % keys));
    }
    start.elapsed()
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
