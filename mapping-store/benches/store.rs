//! Point lookups and durable publications, inside the store: no network, no TLS.
//!
//! `cargo bench -p mapping-store` (or with `--profile dev`, whose engine and cryptography are optimised as well).
//! `MAPPING_STORE_BENCH_RECORDS` sets the sizes to fill (`10000,100000` without it); `MAPPING_STORE_BENCH_FOLDER` where (the
//! system's temporary folder without it), `MAPPING_STORE_BENCH_CACHE_BYTES` the cache (1 GiB without it). The fill publishes as
//! everybody does: every signature is made and checked.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench fails by panicking and reports by printing"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mapping_store::Store;
use mapping_store::config::StoreConfig;
use mapping_store::store::{Clock, system_clock};
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::lookup::LookupRequest;
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::{Msp, Psi};
use protocol::trust::{TrustAnchor, TrustAnchorTable};
use protocol::{Signed, SigningKey, Timestamp};
use tempfile::TempDir;

const PUBLISHERS: u64 = 64;
/// Documents handed in at once while filling.
const WINDOW: u64 = 512;
const PROCESSOR_LOOKUPS: u64 = 300_000;

struct Place {
    _folder: TempDir,
    config: StoreConfig,
    prover: SigningKey,
    now: Timestamp,
}

impl Place {
    fn new() -> Self {
        let parent = std::env::var_os("MAPPING_STORE_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = tempfile::tempdir_in(parent).unwrap();
        let prover = SigningKey::from_seed(&[9; 32]);
        let anchor = TrustAnchor {
            prover: "prover.example".to_owned(),
            keys: vec![prover.public()],
            methods: vec![Method::SmsOtp],
            max_credential_lifetime: DEFAULT_LIFETIME,
        };
        let config = StoreConfig {
            provider: "dp.example".to_owned(),
            folder: folder.path().join("database"),
            hash_key_file: folder.path().join("hash.key"),
            receipt_key_file: folder.path().join("receipt.key"),
            provers: vec![TrustAnchorTable::from(&anchor)],
            issuers: Vec::new(),
            cluster: None,
            cache_bytes: std::env::var("MAPPING_STORE_BENCH_CACHE_BYTES")
                .map_or(1 << 30, |bytes| bytes.parse().unwrap()),
            max_answer_bytes: 900 * 1024,
        };
        let clock: Clock = system_clock();
        Self { _folder: folder, config, prover, now: clock() }
    }

    fn open(&self) -> Store {
        Store::open(&self.config, system_clock()).unwrap()
    }

    /// A live mapping of the nth number.
    fn document(&self, n: u64, seq: u64) -> Vec<u8> {
        let user = SigningKey::from_seed(&[1; 32]);
        let msp = Msp::from_domain("a.example").unwrap();
        let credential = CpiCredential {
            prover: "prover.example".to_owned(),
            cpi: cpi(n),
            msp: msp.clone(),
            user_key: user.public(),
            method: Method::SmsOtp,
            issued_at: self.now,
            expires_at: self.now.plus(DEFAULT_LIFETIME),
            id: [7; 16],
        };
        let credential = Signed::sign(credential, &self.prover);
        let mapping = Mapping {
            cpi: cpi(n),
            reachability: Reachability::At {
                msp,
                psi: Some(Psi::parse(&format!("mimi://a.example/u/user{n}")).unwrap()),
            },
            tags: Tags::new(["Default"]).unwrap(),
            seq,
            credential_hash: credential.hash(),
            fresh: false,
            state: State::Live,
            issued_at: self.now,
            expires_at: self.now.plus(DEFAULT_LIFETIME),
        };
        VerifiedMapping::encode(&credential, &Signed::sign(mapping, &user))
    }
}

/// The nth of ten million numbers.
fn cpi(n: u64) -> Cpi {
    Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + n)).unwrap()
}

fn sizes() -> Vec<u64> {
    let sizes = std::env::var("MAPPING_STORE_BENCH_RECORDS").unwrap_or_else(|_| "10000,100000".to_owned());
    sizes.split(',').map(|size| size.trim().parse().unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Publishes numbers `from..to`, many at once.
async fn fill(store: &Store, place: &Arc<Place>, from: u64, to: u64) {
    let next = Arc::new(AtomicU64::new(from));
    let tasks: Vec<_> = (0..WINDOW)
        .map(|_| {
            let (store, place, next) = (store.clone(), Arc::clone(place), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= to {
                        return;
                    }
                    store.publish(&place.document(n, 1)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn look_up(store: &Store, requests: &[LookupRequest], count: u64) {
    for request in requests.iter().cycle().take(usize::try_from(count).unwrap()) {
        black_box(store.lookup(black_box(request)).await.unwrap());
    }
}

/// How long this thread has been on a processor (Linux: the first field of `schedstat`, in nanoseconds).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn folder_bytes(place: &Place) -> u64 {
    std::fs::read_dir(&place.config.folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// One identifier after the other, spread over all that are there, on one core.
fn lookups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(1));
    let (runtime, place) = (runtime(), Arc::new(Place::new()));
    let store = place.open();
    let mut filled = 0;
    for size in sizes() {
        let start = Instant::now();
        runtime.block_on(fill(&store, &place, filled, size));
        let took = start.elapsed();
        let bytes = place.document(0, 1).len() as u64;
        println!(
            "filled {} to {size} in {took:?}; a mapping has {bytes} bytes, the folder {} for each",
            filled,
            folder_bytes(&place) / size
        );
        filled = size;
        let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (name, offset) in [("found", 0), ("absent", 500_000_000)] {
            let requests: Vec<_> = (0..size.min(100_000))
                .map(|n| LookupRequest::new(vec![cpi(offset + n * 7919 % size)], None).unwrap())
                .collect();
            // Once round, so that what fits into the cache is in it; then the time on the processor, whoever else uses it.
            single.block_on(look_up(&store, &requests, requests.len() as u64));
            let (count, before) = (PROCESSOR_LOOKUPS, processor_time());
            single.block_on(look_up(&store, &requests, count));
            let each = (processor_time() - before) / u32::try_from(count).unwrap();
            println!("lookup/{name}/{size}: {each:?} on the processor, {:.0} a second", 1.0 / each.as_secs_f64());
            group.bench_with_input(BenchmarkId::new(name, size), &size, |bencher, _| {
                bencher.iter_custom(|count| {
                    let start = Instant::now();
                    single.block_on(look_up(&store, &requests, count));
                    start.elapsed()
                });
            });
        }
    }
    group.finish();
}

/// 64 publishers, each waiting for its receipt before it publishes again; every receipt means a sync.
fn publications(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(15));
    let (runtime, place) = (runtime(), Arc::new(Place::new()));
    let store = place.open();
    let next = AtomicU64::new(0);
    for publishers in [1, PUBLISHERS] {
        group.bench_function(BenchmarkId::new("durable", publishers), |bencher| {
            bencher.iter_custom(|count| {
                let each = count.div_ceil(publishers);
                let from = next.fetch_add(each * publishers, Ordering::Relaxed);
                // Signing is the user's work, not the store's.
                let documents: Vec<Vec<_>> = (0..publishers)
                    .map(|publisher| (0..each).map(|n| place.document(from + publisher * each + n, 1)).collect())
                    .collect();
                runtime.block_on(async {
                    let start = Instant::now();
                    let tasks: Vec<_> = documents
                        .into_iter()
                        .map(|documents| {
                            let store = store.clone();
                            tokio::spawn(async move {
                                for document in documents {
                                    store.publish(&document).await.unwrap();
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                    start.elapsed().mul_f64(count as f64 / (each * publishers) as f64)
                })
            });
        });
    }
    group.finish();
}

/// From closed to the first answer.
fn restarts(criterion: &mut Criterion) {
    let size = sizes().into_iter().min().unwrap_or(10_000);
    let (runtime, place) = (runtime(), Arc::new(Place::new()));
    let store = place.open();
    runtime.block_on(fill(&store, &place, 0, size));
    drop(store);
    let request = LookupRequest::new(vec![cpi(1)], None).unwrap();
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10);
    group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
        bencher.iter(|| runtime.block_on(place.open().lookup(&request)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, lookups, publications, restarts);
criterion_main!(benches);
