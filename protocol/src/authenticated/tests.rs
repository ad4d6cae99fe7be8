//! Good pairs of credential and mapping verify; each disagreement, wrong time or untrusted key is refused by name.

use proptest::prelude::*;

use super::*;
use crate::SigningKey;
use crate::credential::Method;
use crate::fixtures::{DAY, NOW, anchor, credential, mapping, prover, signed_credential, trust, user};
use crate::mapping::{Reachability, State};
use crate::mimi_uri::Msp;
use crate::trust::TrustAnchor;

fn pair(credential: &Signed<CpiCredential>, mapping: Mapping, key: &SigningKey) -> Vec<u8> {
    VerifiedMapping::encode(credential, &Signed::sign(mapping, key))
}

fn check(bytes: &[u8], trust: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, MappingError> {
    UnverifiedMapping::parse(bytes)?.verify(trust, now)
}

fn good() -> Vec<u8> {
    pair(&signed_credential(), mapping(), &user())
}

/// The good pair with one thing changed in the mapping.
fn changed(change: impl FnOnce(&mut Mapping)) -> Result<VerifiedMapping, MappingError> {
    let mut mapping = mapping();
    change(&mut mapping);
    check(&pair(&signed_credential(), mapping, &user()), &trust(), NOW)
}

/// The good pair under a changed credential that the mapping cites correctly.
fn under(change: impl FnOnce(&mut CpiCredential)) -> Result<VerifiedMapping, MappingError> {
    let mut credential = credential();
    change(&mut credential);
    let credential = Signed::sign(credential, &prover());
    let mapping = Mapping { credential_hash: credential.hash(), ..mapping() };
    check(&pair(&credential, mapping, &user()), &trust(), NOW)
}

#[test]
fn a_good_pair_verifies() {
    let verified = check(&good(), &trust(), NOW).unwrap();
    assert_eq!(verified.mapping(), &mapping());
    assert_eq!(verified.credential(), &credential());
    assert_eq!(verified.holder(), &user().public());
    assert_eq!(verified.bytes(), good());
}

#[test]
fn opting_out_needs_no_msp() {
    let verified = changed(|mapping| mapping.reachability = Reachability::Nowhere).unwrap();
    assert_eq!(verified.mapping().reachability.msp(), None);
}

#[test]
fn disagreement_is_refused() {
    let other = Cpi::parse("tel:+14155552672").unwrap();
    assert_eq!(changed(|mapping| mapping.cpi = other), Err(MappingError::OtherCpi));
    let elsewhere = Reachability::At { msp: Msp::parse("mimi://b.example").unwrap(), psi: None };
    assert_eq!(changed(|mapping| mapping.reachability = elsewhere), Err(MappingError::OtherMsp));
    assert_eq!(changed(|mapping| mapping.credential_hash[0] ^= 1), Err(MappingError::OtherCredential));
    let stranger = SigningKey::from_seed(&[7; 32]);
    let bytes = pair(&signed_credential(), mapping(), &stranger);
    assert_eq!(check(&bytes, &trust(), NOW), Err(MappingError::MappingSignature(SignatureError::OtherKey)));
}

#[test]
fn only_trusted_provers_count_and_only_for_their_methods() {
    assert_eq!(check(&good(), &TrustAnchors::default(), NOW), Err(MappingError::UntrustedProver));
    let renamed = TrustAnchors::new(vec![TrustAnchor { prover: "other.example".to_owned(), ..anchor() }]);
    assert_eq!(check(&good(), &renamed, NOW), Err(MappingError::UntrustedProver));
    let rekeyed = TrustAnchors::new(vec![TrustAnchor { keys: vec![user().public()], ..anchor() }]);
    assert_eq!(check(&good(), &rekeyed, NOW), Err(MappingError::UntrustedProver));
    let email_only = TrustAnchors::new(vec![TrustAnchor { methods: vec![Method::EmailOtp], ..anchor() }]);
    assert_eq!(check(&good(), &email_only, NOW), Err(MappingError::UntrustedMethod));
}

/// Good ones and bad ones of every kind, by two provers, in batches large enough to be checked at once.
#[test]
fn together_each_comes_to_what_it_comes_to_alone() {
    let other_prover = SigningKey::from_seed(&[8; 32]);
    let other = TrustAnchor { prover: "other.example".to_owned(), keys: vec![other_prover.public()], ..anchor() };
    let trust = TrustAnchors::new(vec![anchor(), other]);
    let by_other = Signed::sign(CpiCredential { prover: "other.example".to_owned(), ..credential() }, &other_prover);
    let unknown = Signed::sign(CpiCredential { prover: "third.example".to_owned(), ..credential() }, &other_prover);
    let cited = |credential: &Signed<CpiCredential>, mapping: Mapping| Mapping {
        credential_hash: credential.hash(),
        ..mapping
    };
    let spoilt = |at_end: usize| {
        let bytes = signed_credential().bytes().to_vec();
        let place = bytes.len() - at_end;
        let mut pair = good();
        let start = pair.windows(bytes.len()).position(|window| window == bytes).unwrap();
        pair[start + place] ^= 1;
        pair
    };
    let mut late = mapping();
    late.expires_at = credential().expires_at.plus(DAY);
    let kinds = [
        good(),
        pair(&by_other, cited(&by_other, mapping()), &user()),
        pair(&unknown, cited(&unknown, mapping()), &user()),
        pair(&signed_credential(), late, &user()),
        pair(&signed_credential(), mapping(), &SigningKey::from_seed(&[7; 32])),
        spoilt(1),
        spoilt(64),
    ];
    for counts in [[1; 7], [100, 50, 0, 0, 0, 0, 0], [90, 90, 3, 2, 5, 1, 0], [40, 0, 0, 0, 0, 40, 40]] {
        let all: Vec<_> = kinds.iter().zip(counts).flat_map(|(kind, count)| vec![kind; count]).collect();
        // Neighbours are of different kinds.
        let mixed: Vec<_> = (0..all.len()).map(|n| all[n * 101 % all.len()]).collect();
        let parsed = mixed.iter().map(|bytes| (UnverifiedMapping::parse(bytes).unwrap(), NOW)).collect();
        let together = UnverifiedMapping::verify_all(parsed, &trust);
        let alone: Vec<_> = mixed.iter().map(|bytes| check(bytes, &trust, NOW)).collect();
        assert_eq!(together, alone);
        assert_eq!(together.iter().filter(|result| result.is_ok()).count(), counts[0] + counts[1]);
    }
    assert_eq!(UnverifiedMapping::verify_all(Vec::new(), &trust), []);
}

#[test]
fn times_hold_with_five_minutes_of_skew() {
    let (expires, skew) = (mapping().expires_at, CLOCK_SKEW);
    let second = std::time::Duration::from_secs(1);
    assert!(check(&good(), &trust(), NOW.minus(skew)).is_ok());
    assert_eq!(check(&good(), &trust(), NOW.minus(skew + second)), Err(MappingError::FromTheFuture));
    assert!(check(&good(), &trust(), expires.plus(skew)).is_ok());
    assert_eq!(check(&good(), &trust(), expires.plus(skew + second)), Err(MappingError::MappingExpired));
    let credential_ends = credential().expires_at;
    assert_eq!(check(&good(), &trust(), credential_ends.plus(skew + second)), Err(MappingError::CredentialExpired));
    assert_eq!(changed(|m| m.expires_at = credential_ends.plus(second)), Err(MappingError::OutlivesCredential));
    assert_eq!(under(|credential| credential.expires_at = NOW.plus(46 * DAY)), Err(MappingError::CredentialTooLong));
    assert!(under(|credential| credential.expires_at = NOW.plus(45 * DAY)).is_ok());
}

#[test]
fn a_withdrawal_verifies_like_any_mapping() {
    assert_eq!(changed(|mapping| mapping.state = State::Withdrawn).unwrap().mapping().state, State::Withdrawn);
}

#[test]
fn swapped_or_foreign_documents_are_refused() {
    let signed = Signed::sign(mapping(), &user());
    let swapped =
        cbor::encode(&Value::Array(vec![signed.bytes().to_vec().into(), signed_credential().bytes().to_vec().into()]));
    assert!(matches!(check(&swapped, &trust(), NOW), Err(MappingError::Credential(DocumentError::Typ { .. }))));
    assert_eq!(check(&cbor::encode(&Value::Null), &trust(), NOW), Err(MappingError::NotAPair));
    assert!(matches!(
        check(&vec![0; MAX_BYTES + 1], &trust(), NOW),
        Err(MappingError::Malformed(cbor::CborError::TooLong(_)))
    ));
}

/// A mapping with one bit flipped anywhere is refused.
#[test]
fn any_flipped_bit_is_refused() {
    let good = good();
    for index in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[index / 8] ^= 1 << (index % 8);
        assert!(check(&bytes, &trust(), NOW).is_err(), "bit {index}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for length in 0..good().len() {
        assert!(check(&good()[..length], &trust(), NOW).is_err(), "length {length}");
    }
}

proptest! {
    #[test]
    fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(check(&bytes, &trust(), NOW).is_err());
    }

    /// Whatever is put in place of some bytes: it is refused, or it is the same.
    #[test]
    fn spliced_bytes_are_refused(at in any::<prop::sample::Index>(), noise in proptest::collection::vec(any::<u8>(), 1..20)) {
        let mut bytes = good();
        let at = at.index(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        prop_assert!(bytes == good() || check(&bytes, &trust(), NOW).is_err());
    }
}
