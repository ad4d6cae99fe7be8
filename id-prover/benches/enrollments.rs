//! Enrollments started and completed a second: the prover with its database synced and the file courier, without HTTP and TLS.
//! What users do (signing requests, reading codes, sealing proofs) is done beforehand and not measured.
//!
//! `cargo bench --workspace --bench enrollments`

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(missing_docs, reason = "the macros of criterion write undocumented items")]

mod scene;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use scene::Scene;

fn enrollments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("enrollments");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(10));
    // Each has a prover of its own, so that the messages of the first are not read for the second.
    let mut scene = Scene::new();
    group.bench_function("started", |bencher| {
        bencher.iter_custom(|count| {
            let requests = scene.requests(count);
            let (challenges, took) = scene.start(requests);
            assert_eq!(challenges.len() as u64, count);
            took
        });
    });
    let mut scene = Scene::new();
    group.bench_function("completed", |bencher| {
        bencher.iter_custom(|count| {
            let requests = scene.requests(count);
            let (challenges, _) = scene.start(requests.clone());
            scene.complete(scene.proofs(&requests, &challenges))
        });
    });
    group.finish();
}

criterion_group!(benches, enrollments);
criterion_main!(benches);
