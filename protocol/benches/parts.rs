//! What each document, identifier and message takes: parsing identifiers, verifying mappings one by one and all at once, writing
//! and reading questions and answers.
//!
//! `cargo bench -p protocol --bench parts`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use protocol::authenticated::{UnverifiedMapping, VerifiedMapping};
use protocol::cpi::{Cpi, Region};
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::lookup::{Answer, Entry, LookupRequest, Outcome};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::{Msp, Psi};
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{Signed, SigningKey, Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// As many as a question may have.
const BATCH: u8 = 64;

fn number(n: u8) -> Cpi {
    Cpi::parse(&format!("tel:+14155552{n:03}")).unwrap()
}

fn prover() -> SigningKey {
    SigningKey::from_seed(&[255; 32])
}

fn trust() -> TrustAnchors {
    TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![prover().public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

/// A mapping of the nth number, by a holder of its own.
fn document(n: u8) -> Vec<u8> {
    let (user, msp) = (SigningKey::from_seed(&[n; 32]), Msp::from_domain("a.example").unwrap());
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: number(n),
        msp: msp.clone(),
        user_key: user.public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
        id: [n; 16],
    };
    let credential = Signed::sign(credential, &prover());
    let mapping = Mapping {
        cpi: number(n),
        reachability: Reachability::At { msp, psi: Some(Psi::parse("mimi://a.example/u/user").unwrap()) },
        tags: Tags::new(["Default"]).unwrap(),
        seq: 1,
        credential_hash: credential.hash(),
        fresh: false,
        state: State::Live,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, &user))
}

fn identifiers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("identifier");
    for text in ["tel:+14155552671", "mailto:first.last@mail.example.com"] {
        group.bench_function(text, |bencher| bencher.iter(|| Cpi::parse(black_box(text)).unwrap()));
    }
    let region = Region::parse("US").unwrap();
    for typed in ["(415) 555-2671", "First.Last@Bücher.example"] {
        group.bench_function(typed, |bencher| {
            bencher.iter(|| Cpi::from_user_input(black_box(typed), Some(region)).unwrap());
        });
    }
    group.finish();
}

fn mappings(criterion: &mut Criterion) {
    let (documents, trust): (Vec<_>, _) = ((0..BATCH).map(document).collect(), trust());
    let parse = |document: &Vec<u8>| UnverifiedMapping::parse(document).unwrap();
    let mut group = criterion.benchmark_group("mapping");
    group.bench_function("parse", |bencher| bencher.iter(|| parse(black_box(&documents[0]))));
    group.bench_function("verify", |bencher| {
        let verify = |parsed: UnverifiedMapping| parsed.verify(&trust, NOW).unwrap();
        bencher.iter_batched(|| parse(&documents[0]), verify, BatchSize::SmallInput);
    });
    group.throughput(Throughput::Elements(BATCH.into()));
    group.bench_function("verify 64 at once", |bencher| {
        let parsed = || documents.iter().map(|document| (parse(document), NOW)).collect::<Vec<_>>();
        let verify = |parsed| UnverifiedMapping::verify_all(parsed, &trust);
        assert!(verify(parsed()).iter().all(Result::is_ok));
        bencher.iter_batched(parsed, verify, BatchSize::SmallInput);
    });
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    let question = LookupRequest::new((0..BATCH).map(number).collect(), None).unwrap();
    let entry = |n| Entry { outcome: Outcome::OneMapping, mappings: vec![document(n)] };
    let answer = Answer { entries: (0..BATCH).map(entry).collect() };
    let (asked, answered) = (question.encode(), answer.encode());
    let mut group = criterion.benchmark_group("message of 64");
    group.bench_function("write a question", |bencher| bencher.iter(|| black_box(&question).encode()));
    group.bench_function("read a question", |bencher| {
        bencher.iter(|| LookupRequest::decode(black_box(&asked)).unwrap())
    });
    group.bench_function("write an answer", |bencher| bencher.iter(|| black_box(&answer).encode()));
    group.bench_function("read an answer", |bencher| bencher.iter(|| Answer::decode(black_box(&answered)).unwrap()));
    group.finish();
}

criterion_group!(benches, identifiers, mappings, messages);
criterion_main!(benches);
