//! The annotated vectors under `docs/vectors/`, and the properties that every signed document shares.
//!
//! Each file is the hexadecimal encoding, taken apart item by item, with a remark on each line. A test strips the remarks
//! and compares with what the code makes; `UPDATE_VECTORS=1` writes the files anew, for a reviewer to read.

mod annotate;

use std::fmt::Debug;
use std::path::PathBuf;

use proptest::prelude::*;

use crate::authenticated::{UnverifiedMapping, VerifiedMapping};
use crate::conflict::{ConflictNotice, ConflictQuery};
use crate::enrollment::{Challenge, Code, EnrollmentId, EnrollmentRequest, HpkeSecretKey, Proof};
use crate::fixtures::{
    Counter, DAY, NOW, cpi, credential, mapping, msp, prover, provider, signed_credential, trust, user,
};
use crate::key_configuration::KeyConfiguration;
use crate::lookup::{Answer, CompactAnswer, Entry, LookupRequest, Outcome};
use crate::receipt::{Position, Receipt};
use crate::removal::Removal;
use crate::{Document, Signed, SigningKey, Timestamp, Unverified};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors").join(format!("{name}.hex"))
}

fn update(name: &str, bytes: &[u8]) {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path(name), annotate::annotate(bytes)).unwrap();
    }
}

/// The bytes of `docs/vectors/<name>.hex`, remarks aside.
fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    let digits: String =
        text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    hex::decode(digits).unwrap()
}

fn compare(name: &str, bytes: &[u8]) {
    update(name, bytes);
    assert_eq!(hex::encode(read(name)), hex::encode(bytes), "{name}");
}

/// A signed document is its vector, verifies, and reads back as what it was made of.
fn signed<D: Document + Clone + PartialEq + Debug>(name: &str, document: D, key: &SigningKey) {
    let made = Signed::sign(document, key);
    compare(name, made.bytes());
    assert!(made.bytes().len() <= D::MAX_BYTES);
    let read = Unverified::<D>::parse(made.bytes()).unwrap().verify(&key.public()).unwrap();
    assert_eq!(read, made);
}

fn request() -> EnrollmentRequest {
    EnrollmentRequest {
        cpi: cpi(),
        msp: msp(),
        user_key: user().public(),
        prover: "prover.example".to_owned(),
        issued_at: NOW,
        id: [4; 16],
    }
}

fn challenge() -> Challenge {
    Challenge {
        prover: "prover.example".to_owned(),
        id: EnrollmentId::from_bytes([5; 16]),
        request_hash: Signed::sign(request(), &user()).hash(),
        hpke_key: HpkeSecretKey::derive(&[7; 32]).public(),
        code_length: 8,
        issued_at: NOW,
        expires_at: NOW.plus(std::time::Duration::from_secs(600)),
    }
}

fn removal() -> Removal {
    Removal { issuer: "carrier.example".to_owned(), cpi: cpi(), issued_before: NOW.plus(DAY), issued_at: NOW.plus(DAY) }
}

fn receipt() -> Receipt {
    Receipt {
        provider: "provider.example".to_owned(),
        published_hash: [8; 32],
        position: Position { shard: 0, number: 300 },
        issued_at: NOW,
    }
}

fn conflict_query() -> ConflictQuery {
    ConflictQuery { cpi: cpi(), provider: "provider.example".to_owned(), user_key: user().public(), issued_at: NOW }
}

fn conflict_notice() -> ConflictNotice {
    ConflictNotice {
        provider: "provider.example".to_owned(),
        cpi: cpi(),
        holder: user().public().thumbprint(),
        displaced_at: NOW.plus(DAY),
        issued_at: NOW.plus(2 * DAY),
    }
}

fn key_configuration() -> KeyConfiguration {
    KeyConfiguration {
        issuer: "provider.example".to_owned(),
        ohttp_keys: vec![0xaa; 45],
        issued_at: NOW,
        expires_at: NOW.plus(DAY),
    }
}

#[test]
fn signed_documents() {
    signed("enrollment-request", request(), &user());
    signed("challenge", challenge(), &prover());
    signed("credential", credential(), &prover());
    signed("mapping", mapping(), &user());
    signed("removal", removal(), &SigningKey::from_seed(&[4; 32]));
    signed("receipt", receipt(), &provider());
    signed("key-configuration", key_configuration(), &provider());
    signed("conflict-query", conflict_query(), &user());
    signed("conflict-notice", conflict_notice(), &provider());
}

#[test]
fn messages() {
    let pair = VerifiedMapping::encode(&signed_credential(), &Signed::sign(mapping(), &user()));
    compare("authenticated-mapping", &pair);
    let verified = UnverifiedMapping::parse(&pair).unwrap().verify(&trust(), NOW).unwrap();
    compare("compact-mapping", &verified.to_compact());
    let unverified = UnverifiedMapping::from_compact(&read("compact-mapping"), &cpi()).unwrap();
    assert_eq!(unverified.verify(&trust(), NOW).unwrap().bytes(), pair);
    let lookup = LookupRequest::new(vec![cpi()], Some(msp())).unwrap();
    compare("lookup-request", &lookup.encode());
    assert_eq!(LookupRequest::decode(&lookup.encode()), Ok(lookup.clone()));
    let answer = Answer {
        entries: vec![
            Entry { outcome: Outcome::OneMapping, mappings: vec![pair] },
            Entry { outcome: Outcome::NeverMapped, mappings: vec![] },
        ],
    };
    compare("lookup-answer", &answer.encode());
    compare("lookup-request-compact", &lookup.clone().compact().encode());
    assert_eq!(LookupRequest::decode(&lookup.clone().compact().encode()), Ok(lookup.compact()));
    let compact = answer.to_compact().unwrap();
    compare("lookup-answer-compact", &compact.encode());
    assert_eq!(CompactAnswer::decode(&compact.encode()), Ok(compact));
    assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
}

/// The sender's key pair is derived from randomness, which the vector fixes as the bytes 1, 2, 3, …
#[test]
fn proof() {
    let code = Code::parse("12345678").unwrap();
    let (id, user) = (EnrollmentId::from_bytes([5; 16]), user().public().thumbprint());
    let secret = HpkeSecretKey::derive(&[7; 32]);
    let made = Proof::seal(&code, &id, &user, &secret.public(), &mut Counter(0)).unwrap();
    compare("proof", &made.encode());
    assert_eq!(Proof::decode(&read("proof")).unwrap().open(&id, &user, &secret), Ok(code));
}

proptest! {
    #[test]
    fn what_a_lookup_accepts_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(request) = LookupRequest::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes.clone());
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(answer.encode(), bytes);
        }
    }

    #[test]
    fn answers_round_trip(shapes in proptest::collection::vec((0..5u64, proptest::collection::vec(0..300usize, 0..5)), 1..64)) {
        let entries = shapes.into_iter().map(|(code, mappings)| Entry {
            outcome: Outcome::from_code(code).unwrap(),
            mappings: mappings.into_iter().map(|length| vec![7; length]).collect(),
        });
        let answer = Answer { entries: entries.collect() };
        prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn claims_of_any_value_round_trip(seq in any::<u64>(), times in any::<(u32, u32)>(), fresh in any::<bool>(), bytes in any::<[u8; 32]>(), shard in any::<u32>()) {
        let issued_at = Timestamp::from_seconds(times.0.into());
        let expires_at = Timestamp::from_seconds(u64::from(times.0) + u64::from(times.1) + 1);
        let made = Signed::sign(crate::mapping::Mapping { seq, issued_at, expires_at, fresh, credential_hash: bytes, ..mapping() }, &user());
        let read = Unverified::parse(made.bytes()).unwrap().verify(&user().public()).unwrap();
        prop_assert_eq!(&read, &made);
        let receipt = Receipt { published_hash: bytes, position: Position { shard, number: seq }, issued_at, ..receipt() };
        let made = Signed::sign(receipt, &provider());
        prop_assert_eq!(&Unverified::parse(made.bytes()).unwrap().verify(&provider().public()).unwrap(), &made);
    }
}
