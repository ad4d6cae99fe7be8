//! The layout of a signed document octet by octet, and every departure from it refused by name.

use proptest::prelude::*;

use super::*;
use crate::cbor::Label;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Note(String);
const NOTE: Label = Label::new(2, "sub");

impl Document for Note {
    const TYP: &'static str = "application/note+cwt";
    const MAX_BYTES: usize = 512;
    fn to_claims(&self) -> MapWriter {
        MapWriter::new().field(NOTE, self.0.as_str())
    }
    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        claims.text(NOTE).map(Self)
    }
}

struct Other;
impl Document for Other {
    const TYP: &'static str = "application/other+cwt";
    const MAX_BYTES: usize = 512;
    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
    }
    fn from_claims(_: &mut MapReader) -> Result<Self, FieldError> {
        Ok(Self)
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn note() -> Signed<Note> {
    Signed::sign(Note("hello".to_owned()), &key())
}

/// The whole layout, field by field.
#[test]
fn the_layout_byte_by_byte() {
    let mut expected = Vec::new();
    expected.extend(hex::decode("d284").unwrap()); // tag 18, array of four
    expected.extend(hex::decode("583c").unwrap()); // protected: byte string of 60
    expected.extend(hex::decode("a3").unwrap()); // map of three
    expected.extend(hex::decode("0132").unwrap()); // alg: Ed25519 (-19)
    expected.extend(hex::decode("045820").unwrap()); // kid: 32 bytes
    expected.extend(key().public().thumbprint().as_bytes());
    expected.extend(hex::decode("1074").unwrap()); // typ: text of 20
    expected.extend(b"application/note+cwt");
    expected.extend(hex::decode("a0").unwrap()); // unprotected: empty map
    expected.extend(hex::decode("48").unwrap()); // payload: byte string of 8
    expected.extend(hex::decode("a10265").unwrap()); // map of one, sub: text of 5
    expected.extend(b"hello");
    expected.extend(hex::decode("5840").unwrap()); // signature: 64 bytes
    assert_eq!(hex::encode(&note().bytes()[..expected.len()]), hex::encode(&expected));
    assert_eq!(note().bytes().len(), expected.len() + 64);
}

fn sign1(protected: Header, unprotected: Header, payload: Vec<u8>) -> Vec<u8> {
    coset::CoseSign1Builder::new()
        .protected(protected)
        .unprotected(unprotected)
        .payload(payload)
        .create_signature(&[], |message| key().sign(message).to_vec())
        .build()
        .to_tagged_vec()
        .unwrap()
}

fn header() -> HeaderBuilder {
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::Ed25519)
        .key_id(key().public().thumbprint().as_bytes().to_vec())
        .value(HEADER_TYP, Value::from(Note::TYP))
}

fn payload() -> Vec<u8> {
    cbor::encode(&Note("hello".to_owned()).to_claims().finish())
}

fn parse(bytes: &[u8]) -> Result<Unverified<Note>, DocumentError> {
    Unverified::parse(bytes)
}

#[test]
fn a_signed_document_verifies_and_keeps_its_bytes() {
    let parsed = parse(note().bytes()).unwrap();
    assert_eq!(parsed.unverified_document(), note().document());
    let signed = parsed.verify(&key().public()).unwrap();
    assert_eq!(signed, note());
    assert_eq!(sign1(header().build(), Header::default(), payload()), note().bytes());
}

#[test]
fn headers_outside_the_profile_are_refused() {
    let with = |header: HeaderBuilder| parse(&sign1(header.build(), Header::default(), payload())).unwrap_err();
    let bare = || HeaderBuilder::new().key_id(key().public().thumbprint().as_bytes().to_vec());
    let typ = |builder: HeaderBuilder| builder.value(HEADER_TYP, Value::from(Note::TYP));
    assert!(matches!(with(typ(bare().algorithm(iana::Algorithm::EdDSA))), DocumentError::Cose(_)));
    assert!(matches!(with(bare().algorithm(iana::Algorithm::Ed25519)), DocumentError::Cose(_)));
    assert!(matches!(with(header().content_type("text/plain".to_owned())), DocumentError::Cose(_)));
    assert!(matches!(with(header().value(40, Value::from(1))), DocumentError::Cose(_)));
    assert_eq!(with(header().add_critical(iana::HeaderParameter::Alg)), DocumentError::UnknownCritical);
    assert!(matches!(
        with(typ(HeaderBuilder::new().algorithm(iana::Algorithm::Ed25519)).key_id(vec![1; 31])),
        DocumentError::Cose(_)
    ));
    let unprotected = HeaderBuilder::new().key_id(vec![1]).build();
    assert!(matches!(parse(&sign1(header().build(), unprotected, payload())), Err(DocumentError::Cose(_))));
}

#[test]
fn another_kind_of_document_is_refused() {
    let other = Signed::sign(Other, &key());
    assert_eq!(parse(other.bytes()).unwrap_err(), DocumentError::Typ { expected: Note::TYP });
    assert_eq!(typ(other.bytes(), 512).unwrap(), Other::TYP);
}

#[test]
fn claims_are_closed_and_deterministic() {
    let with = |payload: Vec<u8>| parse(&sign1(header().build(), Header::default(), payload)).unwrap_err();
    let extra = MapWriter::new().field(NOTE, "hello").field(Label::new(99, "x"), 1).finish();
    assert_eq!(with(cbor::encode(&extra)), DocumentError::Claim(FieldError::Unknown(99)));
    assert_eq!(with(hex::decode("bf026568656c6c6fff").unwrap()), DocumentError::Cbor(CborError::Indefinite));
    assert_eq!(with(hex::decode("a0").unwrap()), DocumentError::Claim(FieldError::Missing("sub")));
}

#[test]
fn the_wrong_key_is_refused() {
    let other = SigningKey::from_seed(&[4; 32]);
    assert_eq!(parse(note().bytes()).unwrap().verify(&other.public()).unwrap_err(), SignatureError::OtherKey);
}

#[test]
fn untagged_and_oversized_are_refused() {
    assert!(parse(&note().bytes()[1..]).is_err());
    let long = Signed::sign(Note("x".repeat(600)), &key());
    assert_eq!(parse(long.bytes()).unwrap_err(), DocumentError::Cbor(CborError::TooLong(512)));
}

/// Every bit of a document, flipped alone, breaks it.
#[test]
fn any_flipped_bit_is_refused() {
    let good = note();
    for index in 0..good.bytes().len() * 8 {
        let mut bytes = good.bytes().to_vec();
        bytes[index / 8] ^= 1 << (index % 8);
        let refused = parse(&bytes).map_err(|_| ()).and_then(|parsed| parsed.verify(&key().public()).map_err(|_| ()));
        assert!(refused.is_err(), "bit {index}");
    }
}

proptest! {
    #[test]
    fn sign_parse_verify_is_the_identity(text in ".{0,60}", seed in any::<[u8; 32]>()) {
        let key = SigningKey::from_seed(&seed);
        let signed = Signed::sign(Note(text), &key);
        let read = Unverified::<Note>::parse(signed.bytes()).unwrap().verify(&key.public()).unwrap();
        prop_assert_eq!(&read, &signed);
        let again = Signed::sign(read.document().clone(), &key);
        prop_assert_eq!(again.bytes(), signed.bytes());
    }
}

fn unverified(text: &str, key: &SigningKey) -> Unverified<Note> {
    Unverified::parse(Signed::sign(Note(text.to_owned()), key).bytes()).unwrap()
}

/// With one bad signature, or none, or many, in batches of all sizes: each document comes to what it comes to alone.
#[test]
fn together_and_alone_come_to_the_same() {
    let stranger = SigningKey::from_seed(&[4; 32]);
    for length in [0, 1, SMALL_BATCH, SMALL_BATCH + 1, 3 * SMALL_BATCH, 200] {
        for bad in [usize::MAX, 1, 2, 7, 40] {
            let documents: Vec<_> = (0..length)
                .map(|n| match n % bad {
                    _ if bad == usize::MAX || n % bad != bad - 1 => unverified(&n.to_string(), &key()),
                    _ if n.is_multiple_of(2) => unverified("by another", &stranger),
                    _ => {
                        let mut spoilt = unverified(&n.to_string(), &key());
                        spoilt.signature[n % 64] ^= 1;
                        spoilt
                    }
                })
                .collect();
            let alone: Vec<_> = documents.iter().map(|document| document.clone().verify(&key().public())).collect();
            assert_eq!(verify_all(documents, &key().public()), alone, "{length} {bad}");
        }
    }
}
