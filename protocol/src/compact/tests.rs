//! The compact form gives back the very octets, is of one CPI alone, and no changed octet of it verifies.

use std::time::Duration;

use documents::signed::Signed;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{NOW, cpi, credential, mapping, msp, prover, signed_credential, trust, user};

fn verified(change: impl FnOnce(&mut Mapping)) -> VerifiedMapping {
    let mut mapping = mapping();
    change(&mut mapping);
    let pair = VerifiedMapping::encode(&signed_credential(), &Signed::sign(mapping, &user()));
    UnverifiedMapping::parse(&pair).unwrap().verify(&trust(), NOW).unwrap()
}

fn again(compact: &[u8]) -> Vec<u8> {
    let unverified = UnverifiedMapping::from_compact(compact, &cpi()).unwrap();
    unverified.verify(&trust(), NOW).unwrap().bytes().to_vec()
}

#[test]
fn the_very_octets_come_back() {
    for change in [
        |_: &mut Mapping| (),
        |mapping: &mut Mapping| mapping.reachability = Reachability::Nowhere,
        |mapping: &mut Mapping| mapping.reachability = Reachability::At { msp: msp(), psi: None },
        |mapping: &mut Mapping| (mapping.state, mapping.fresh, mapping.seq) = (State::Withdrawn, true, u64::MAX),
        |mapping: &mut Mapping| mapping.tags = Tags::default(),
        |mapping: &mut Mapping| mapping.issued_at = NOW.minus(Duration::from_secs(99)),
        |mapping: &mut Mapping| {
            let psi = Psi::parse("mimi://a.example/d/j%C3%BCrgen/a@b").unwrap();
            mapping.reachability = Reachability::At { msp: msp(), psi: Some(psi) };
        },
    ] {
        let verified = verified(change);
        let compact = verified.to_compact();
        assert_eq!(again(&compact), verified.bytes());
        assert!(compact.len() * 9 < verified.bytes().len() * 5, "{} of {}", compact.len(), verified.bytes().len());
    }
}

#[test]
fn by_email_too() {
    let email = Cpi::parse("mailto:bob@xn--bcher-kva.example").unwrap();
    let credential =
        Signed::sign(CpiCredential { cpi: email.clone(), method: Method::EmailOtp, ..credential() }, &prover());
    let mapping = Mapping { cpi: email.clone(), credential_hash: credential.hash(), ..mapping() };
    let pair = VerifiedMapping::encode(&credential, &Signed::sign(mapping, &user()));
    let mut anchor = crate::fixtures::anchor();
    anchor.methods.push(Method::EmailOtp);
    let trust = crate::trust::TrustAnchors::new(vec![anchor]);
    let verified = UnverifiedMapping::parse(&pair).unwrap().verify(&trust, NOW).unwrap();
    let unverified = UnverifiedMapping::from_compact(&verified.to_compact(), &email).unwrap();
    assert_eq!(unverified.verify(&trust, NOW).unwrap().bytes(), pair);
}

#[test]
fn it_is_of_one_cpi_alone() {
    let compact = verified(|_| ()).to_compact();
    let other = Cpi::parse("tel:+14155552672").unwrap();
    let unverified = UnverifiedMapping::from_compact(&compact, &other).unwrap();
    let error = unverified.verify(&trust(), NOW).unwrap_err();
    assert!(matches!(error, MappingError::CredentialSignature(_)), "{error}");
    // A method proves one kind of CPI.
    let address = Cpi::parse("mailto:bob@a.example").unwrap();
    assert!(matches!(UnverifiedMapping::from_compact(&compact, &address), Err(CompactError::Document(_))));
    assert!(!compact.windows(7).any(|octets| octets == b"1415555"));
}

#[test]
fn wrong_fields_are_named() {
    let Value::Array(good) = cbor::decode(&verified(|_| ()).to_compact(), MAX_BYTES).unwrap() else { unreachable!() };
    let of =
        |values: Vec<Value>| UnverifiedMapping::from_compact(&cbor::encode(&Value::Array(values)), &cpi()).unwrap_err();
    for index in 0..FIELDS {
        let mut values = good.clone();
        values[index] = Value::Null;
        assert_eq!(of(values), CompactError::Field(index + 1));
    }
    for (index, value) in [
        (1, Value::from(vec![0; 31])),
        (3, Value::from(u64::MAX)),
        // The neutral element: of small order, as anybody could sign under it.
        (5, Value::from([&[1][..], &[0; 31]].concat())),
        (6, Value::from(2)),
        (7, Value::from("A.example")),
        (11, Value::from(2)),
        (11, Value::from("/r/room")),
        (11, Value::from("u/alice")),
        (12, Value::Array(vec![Value::from("a"), Value::from("a")])),
        (13, Value::from(-1)),
        (15, Value::from(2)),
    ] {
        let mut values = good.clone();
        values[index] = value;
        assert_eq!(of(values), CompactError::Field(index + 1), "{index}");
    }
    // A life of no length is no document.
    for index in [3, 10] {
        let mut values = good.clone();
        values[index] = Value::from(0);
        assert!(matches!(of(values), CompactError::Document(_)));
    }
    assert_eq!(of(good[1..].to_vec()), CompactError::Field(0));
    assert_eq!(of([&good[..], &[Value::Null]].concat()), CompactError::Field(0));
    assert!(matches!(UnverifiedMapping::from_compact(&[0; MAX_BYTES + 1], &cpi()), Err(CompactError::Cbor(_))));
}

proptest! {
    /// What a changed octet stands for is refused, or does not verify; and what is accepted is its own compact form.
    #[test]
    fn no_changed_octet_verifies(at in any::<prop::sample::Index>(), change in 1..=u8::MAX) {
        let mut compact = verified(|_| ()).to_compact();
        let at = at.index(compact.len());
        compact[at] ^= change;
        if let Ok(unverified) = UnverifiedMapping::from_compact(&compact, &cpi()) {
            prop_assert!(unverified.verify(&trust(), NOW).is_err());
        }
    }

    #[test]
    fn any_octets_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(UnverifiedMapping::from_compact(&bytes, &cpi()).is_err());
    }

    #[test]
    fn any_claims_come_back(seq in any::<u64>(), life in 1_u64..3_000_000, fresh in any::<bool>(), tags in proptest::collection::btree_set("[a-zé]{1,8}", 0..8)) {
        let verified = verified(|mapping| {
            mapping.seq = seq;
            mapping.fresh = fresh;
            mapping.expires_at = NOW.plus(Duration::from_secs(life));
            mapping.tags = Tags::new(tags).unwrap();
        });
        prop_assert_eq!(again(&verified.to_compact()), verified.bytes());
    }
}
