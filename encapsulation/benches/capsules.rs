//! One capsule made, opened, and its answer sealed, by this crate and by the `ohttp` crate, for every suite: time on the
//! processor, which tells the same on a busy machine. `cargo bench --workspace --bench capsules`.

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use encapsulation::gateway::Opener;
use encapsulation::{AeadName, KemName, Recipient};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};
use rustix::time::{ClockId, clock_gettime};

const SEED: [u8; 32] = [7; 32];
/// As short as a request for one identifier is padded to, and its answer.
const REQUEST: [u8; 1024] = [0; 1024];
const ANSWER: [u8; 4096] = [0; 4096];

/// What this thread has had of the processor.
struct CpuTime;

impl CpuTime {
    fn now() -> Duration {
        clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Self::now()
    }

    fn end(&self, started: Duration) -> Duration {
        Self::now() - started
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    #[allow(clippy::cast_precision_loss, reason = "as criterion's own")]
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn capsules(criterion: &mut Criterion<CpuTime>) {
    for (name, kem, aead) in [
        ("x25519/aes-128-gcm", (KemName::X25519, Kem::X25519Sha256), (AeadName::Aes128Gcm, Aead::Aes128Gcm)),
        (
            "x25519/chacha20-poly1305",
            (KemName::X25519, Kem::X25519Sha256),
            (AeadName::ChaCha20Poly1305, Aead::ChaCha20Poly1305),
        ),
        ("x-wing/aes-128-gcm", (KemName::XWing, Kem::XWing), (AeadName::Aes128Gcm, Aead::Aes128Gcm)),
        (
            "x-wing/chacha20-poly1305",
            (KemName::XWing, Kem::XWing),
            (AeadName::ChaCha20Poly1305, Aead::ChaCha20Poly1305),
        ),
    ] {
        let config = KeyConfig::derive(1, kem.1, vec![SymmetricSuite::new(Kdf::HkdfSha256, aead.1)], &SEED).unwrap();
        let ours = Opener::derive(1, kem.0, &[aead.0], &SEED).unwrap();
        let reference = Server::new(config.clone()).unwrap();
        let capsule = || ClientRequest::from_config(&mut config.clone()).unwrap().encapsulate(&REQUEST).unwrap().0;
        let mut group = criterion.benchmark_group(name);
        group.bench_function("aws-lc", |bencher| {
            let exchange = |capsule: Vec<u8>| {
                let (content, sealer) = ours.open(&capsule).unwrap();
                (content, sealer.seal(black_box(&ANSWER), &mut rand::rng()))
            };
            bencher.iter_batched(capsule, exchange, BatchSize::SmallInput);
        });
        group.bench_function("ohttp", |bencher| {
            let exchange = |capsule: Vec<u8>| {
                let (content, sealer) = reference.decapsulate(&capsule).unwrap();
                (content, sealer.encapsulate(black_box(&ANSWER)).unwrap())
            };
            bencher.iter_batched(capsule, exchange, BatchSize::SmallInput);
        });
        let configuration = config.encode().unwrap();
        group.bench_function("made/aws-lc", |bencher| {
            let recipient = || Recipient::decode(black_box(&configuration)).unwrap();
            bencher.iter(|| recipient().encapsulate(&REQUEST, &mut rand::rng()).unwrap());
        });
        group.bench_function("made/ohttp", |bencher| {
            let client = || ClientRequest::from_encoded_config(black_box(&configuration)).unwrap();
            bencher.iter(|| client().encapsulate(&REQUEST).unwrap());
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = capsules
}
criterion_main!(benches);
