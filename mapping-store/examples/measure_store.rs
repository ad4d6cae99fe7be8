//! Measures a store that `make_mappings` and `mapping-store import` have filled: `measure_store FOLDER COUNT [LOOKUPS]`.
//!
//! Restart to the first answer, point lookups (found, and never mapped) on one core in time on the processor, resident
//! memory, octets on disk for each octet of the documents. `MEASURE_CACHE_BYTES` sets the cache (1 GiB without it).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measurements fails by panicking")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use mapping_store::store::system_clock;
use mapping_store::{Config, Store};
use protocol::cpi::Cpi;
use protocol::lookup::LookupRequest;

const LOOKUPS: u64 = 1_000_000;
/// Requests made beforehand, in pieces: making them is not what is measured.
const PIECE: u64 = 100_000;
/// Steps through all numbers so that neighbours in time are none in the database.
const STRIDE: u64 = 7_919;
const ABSENT: u64 = 500_000_000;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (folder, count) = (Path::new(&arguments[0]), arguments[1].parse::<u64>().unwrap());
    let lookups = arguments.get(2).map_or(LOOKUPS, |lookups| lookups.parse().unwrap());
    let mut config: Config = service::load_config(&folder.join("store.toml")).unwrap();
    config.store.cache_bytes = std::env::var("MEASURE_CACHE_BYTES").map_or(1 << 30, |bytes| bytes.parse().unwrap());
    let documents = std::fs::metadata(folder.join("mappings.cbor-seq")).unwrap().len();
    let disk: u64 = files(&config.store.folder);
    println!(
        "disk: {} octets for each document of {}: {:.2} times",
        disk / count,
        documents / count,
        ratio(disk, documents)
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = request(1);
    let start = Instant::now();
    let store = Store::open(&config.store, system_clock()).unwrap();
    runtime.block_on(store.lookup(&first)).unwrap();
    println!("restart: {:?} to the first answer", start.elapsed());
    println!("memory after the start: {} MiB", resident() >> 20);
    for (name, offset) in [("found", 0), ("never mapped", ABSENT)] {
        // The first round fills the cache with what fits into it.
        for round in ["cold", "warm"] {
            let (mut on_processor, mut elapsed, mut done) = (Duration::ZERO, Duration::ZERO, 0);
            while done < lookups {
                let requests: Vec<_> =
                    (done..done + PIECE).map(|n| request(offset + n.wrapping_mul(STRIDE) % count)).collect();
                let (start, before) = (Instant::now(), processor_time());
                runtime.block_on(async {
                    for request in &requests {
                        black_box(store.lookup(black_box(request)).await.unwrap());
                    }
                });
                on_processor += processor_time() - before;
                elapsed += start.elapsed();
                done += PIECE;
            }
            let each = on_processor / u32::try_from(done).unwrap();
            println!(
                "lookup, {name}, {round}: {each:?} on the processor, {:.0} a second a core; {:?} elapsed",
                1.0 / each.as_secs_f64(),
                elapsed / u32::try_from(done).unwrap()
            );
        }
    }
    println!("memory after the lookups: {} MiB", resident() >> 20);
}

fn request(n: u64) -> LookupRequest {
    LookupRequest::new(vec![Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + n)).unwrap()], None).unwrap()
}

fn files(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// How long this thread has been on a processor (Linux: the first field of `schedstat`, in nanoseconds).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// Resident memory of this process, in octets (Linux).
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[allow(clippy::cast_precision_loss, reason = "two digits are told")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
