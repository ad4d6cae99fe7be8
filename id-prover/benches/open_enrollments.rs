//! What open enrollments cost: resident memory and the size of the database, with a million of them open, each of another
//! telephone number. Their records, deadlines, audit trail and limits' counters are those of the prover; the figures hold the
//! bench itself as well.
//!
//! `cargo bench --workspace --features id-prover/benching --bench open_enrollments` (`OPEN=100000` in front of it for fewer)

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking, and prints")]

use std::path::Path;
use std::time::Instant;

use id_prover::benching::OpenEnrollments;
use protocol::SigningKey;

const STEP: u64 = 4_000;
const LINE: u64 = 100_000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// The default of `cache_bytes`.
const CACHE_BYTES: usize = 128 * 1024 * 1024;

fn main() {
    let open: u64 = std::env::var("OPEN").map_or(1_000_000, |open| open.parse().unwrap());
    let (runtime, folder) = (tokio::runtime::Runtime::new().unwrap(), tempfile::tempdir().unwrap());
    let key = SigningKey::generate(&mut rand::rng()).public();
    let enrollments = OpenEnrollments::new(folder.path(), CACHE_BYTES, key).unwrap();
    let start = Instant::now();
    println!("      open   resident MiB   at most MiB   database MiB   seconds");
    for from in (0..open).step_by(usize::try_from(STEP).unwrap()) {
        let to = open.min(from + STEP);
        runtime.block_on(enrollments.open(from..to));
        if to.is_multiple_of(LINE) || to == open {
            let (now, most, took) = (memory("VmRSS:"), memory("VmHWM:"), start.elapsed().as_secs());
            println!("{to:>10} {now:>14.0} {most:>13.0} {:>14.0} {took:>9}", bytes_in(folder.path()) / MEBIBYTE);
        }
    }
}

/// A line of `/proc/self/status`, in MiB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn bytes_in(folder: &Path) -> f64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len() as f64).sum()
}
