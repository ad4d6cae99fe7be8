//! What counts of an answer: every mapping that verifies, whatever the provider claims.

use std::time::Duration;

use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, Tags};
use protocol::mimi_uri::Msp;
use protocol::trust::TrustAnchor;
use protocol::{Signed, SigningKey};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn trust() -> TrustAnchors {
    TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![key(1).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

fn cpi(last: char) -> Cpi {
    Cpi::parse(&format!("tel:+1415555267{last}")).unwrap()
}

fn document(cpi: &Cpi, msp: &str, holder: u8, seq: u64, state: State) -> Vec<u8> {
    let msp = Msp::parse(msp).unwrap();
    let credential = Signed::sign(
        CpiCredential {
            prover: "prover.example".to_owned(),
            cpi: cpi.clone(),
            msp: msp.clone(),
            user_key: key(holder).public(),
            method: Method::SmsOtp,
            issued_at: NOW,
            expires_at: NOW.plus(DEFAULT_LIFETIME),
            id: [0; 16],
        },
        &key(1),
    );
    let mapping = Mapping {
        cpi: cpi.clone(),
        reachability: Reachability::At { msp, psi: None },
        tags: Tags::default(),
        seq,
        credential_hash: credential.hash(),
        fresh: false,
        state,
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(3600)),
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, &key(holder)))
}

fn judged(claimed: Outcome, mappings: Vec<Vec<u8>>) -> Found {
    judge(&cpi('1'), Entry { outcome: claimed, mappings }, &trust(), NOW)
}

#[test]
fn every_verified_mapping_counts() {
    let a = document(&cpi('1'), "mimi://a.example", 2, 1, State::Live);
    let b = document(&cpi('1'), "mimi://b.example", 2, 1, State::Live);
    let found = judged(Outcome::SeveralProviders, vec![a, b]);
    assert_eq!((found.outcome, found.mappings.len(), found.refused.len()), (Outcome::SeveralProviders, 2, 0));
}

/// A provider that answers with another user's mapping, a withdrawn one, a forged one, or an old one beside the new.
#[test]
fn a_lying_provider_is_not_believed() {
    let other = document(&cpi('2'), "mimi://a.example", 2, 1, State::Live);
    assert_eq!(judged(Outcome::OneMapping, vec![other]).refused, [Refused::OtherCpi]);
    let withdrawn = document(&cpi('1'), "mimi://a.example", 2, 1, State::Withdrawn);
    assert_eq!(judged(Outcome::OneMapping, vec![withdrawn]).refused, [Refused::Withdrawn]);
    let mut forged = document(&cpi('1'), "mimi://a.example", 2, 1, State::Live);
    *forged.last_mut().unwrap() ^= 1;
    let found = judged(Outcome::OneMapping, vec![forged]);
    assert!(matches!(found.refused[..], [Refused::Unverified(MappingError::MappingSignature(_))]));
    assert_eq!((found.outcome, found.claimed), (Outcome::NeverMapped, Outcome::OneMapping));
    let old = document(&cpi('1'), "mimi://a.example", 2, 1, State::Live);
    let new = document(&cpi('1'), "mimi://a.example", 2, 2, State::Live);
    for order in [vec![old.clone(), new.clone()], vec![new, old]] {
        let found = judged(Outcome::OneMapping, order);
        assert_eq!((found.mappings[0].mapping().seq, &found.refused[..]), (2, &[Refused::Replaced][..]));
    }
}
