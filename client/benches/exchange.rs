//! A client's part of one lookup: the capsule made, its answer opened, the document in it verified.
//!
//! `cargo bench -p client --bench exchange`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

#[path = "../tests/it/fixtures.rs"]
#[allow(dead_code, reason = "not all of the cast appears here")]
mod fixtures;

use std::hint::black_box;

use bhttp::{Message, Mode, StatusCode};
use client::lookup::{answer, padded_bytes, question};
use client::oblivious::{Opener, encapsulate, select};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{KeyConfig, Server, SymmetricSuite};
use protocol::lookup::{Answer, Entry, Outcome};

/// As long as our gateway's answer to a question for one number.
const ANSWER_BYTES: usize = 4096;

fn exchange(criterion: &mut Criterion) {
    let body = Answer {
        entries: vec![Entry {
            outcome: Outcome::OneMapping,
            mappings: vec![fixtures::document("mimi://a.example", &["Default"])],
        }],
    }
    .encode();
    let request = question(&[fixtures::cpi()], &"https://provider.example/v1/lookup".parse().unwrap()).unwrap();
    for (name, kem) in [("x25519", Kem::X25519Sha256), ("x-wing", Kem::XWing)] {
        let suite = SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm);
        let gateway = Server::new(KeyConfig::new(1, kem, vec![suite]).unwrap()).unwrap();
        let key = select(&KeyConfig::encode_list(&[gateway.config()]).unwrap()).unwrap();
        let ask = || encapsulate(black_box(&request), padded_bytes(1), &key).unwrap();
        let sealed = |(capsule, opener): (Vec<u8>, Opener)| {
            let (_, sealer) = gateway.decapsulate(&capsule).unwrap();
            let mut message = Message::response(StatusCode::OK);
            message.write_content(&body);
            let mut binary = Vec::new();
            message.write_bhttp(Mode::KnownLength, &mut binary).unwrap();
            binary.resize(ANSWER_BYTES, 0);
            (opener, sealer.encapsulate(&binary).unwrap())
        };
        let mut group = criterion.benchmark_group(name);
        group.bench_function("make a capsule", |bencher| bencher.iter(ask));
        group.bench_function("open an answer", |bencher| {
            let open = |(opener, answer): (Opener, Vec<u8>)| opener.open(&answer).unwrap();
            bencher.iter_batched(|| sealed(ask()), open, BatchSize::SmallInput);
        });
        group.finish();
    }
    let (cpis, provers) = ([fixtures::cpi()], fixtures::trust().provers);
    criterion.bench_function("read an answer and verify its mapping", |bencher| {
        bencher.iter(|| {
            let found = answer(&cpis, black_box(&body), &provers, fixtures::NOW).unwrap();
            assert_eq!(found[0].mappings.len(), 1);
        });
    });
}

criterion_group!(benches, exchange);
criterion_main!(benches);
