//! Whether the time of a refusal tells how much of a code was right: wrong codes that differ from the right one in the last digit
//! alone, and such that differ in every digit, in random order, by way of the whole prover with its database. Welch's t of
//! both, raw and without the slowest tenth of all (as dudect does it: |t| > 4.5 would be a leak).
//!
//! `cargo bench --workspace --bench timing` (`PAIRS=20000` in front of it for more)

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints")]

mod scene;

use std::time::Instant;

use scene::{Change, MSP, Scene};

/// What is done to the right code's digits.
const CLASSES: [(&str, Change); 2] = [
    ("one digit wrong", |place, digit| if place == 7 { 9 - digit } else { digit }),
    ("all digits wrong", |_, digit| 9 - digit),
];

fn main() {
    let pairs: u64 = std::env::var("PAIRS").map_or(5_000, |pairs| pairs.parse().unwrap());
    let mut scene = Scene::new();
    let requests = scene.requests(pairs);
    let (challenges, _) = scene.start(requests.clone());
    let wrong = scene.wrong_proofs(&requests, &challenges, CLASSES.map(|(_, change)| change));
    let mut times = [Vec::new(), Vec::new()];
    for (id, proofs) in wrong {
        let first = usize::from(rand::random::<bool>());
        for class in [first, 1 - first] {
            let start = Instant::now();
            let refused = scene.runtime.block_on(scene.prover.prove(id, &proofs[class], &[MSP.to_owned()]));
            times[class].push(start.elapsed().as_secs_f64() * 1e6);
            assert!(refused.is_err());
        }
    }
    for ((name, _), times) in CLASSES.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let (at, (mean, _)) = (|share: usize| times[times.len() * share / 100], mean_and_variance(times));
        println!("{name:>16}: mean {mean:.1} us, median {:.1}, 90 % {:.1}, of {}", at(50), at(90), times.len());
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let slow = all[all.len() * 9 / 10];
    let kept = times.each_ref().map(|times| &times[..times.partition_point(|time| *time < slow)]);
    println!("t = {:.2}; without the slowest tenth of all {:.2}", welch(&times[0], &times[1]), welch(kept[0], kept[1]));
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0))
}

fn welch(left: &[f64], right: &[f64]) -> f64 {
    let ((left_mean, left_variance), (right_mean, right_variance)) =
        (mean_and_variance(left), mean_and_variance(right));
    (left_mean - right_mean) / (left_variance / left.len() as f64 + right_variance / right.len() as f64).sqrt()
}
