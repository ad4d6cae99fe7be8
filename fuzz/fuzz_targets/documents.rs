//! Signed documents of any bytes; the first octet says of which kind: refused, or a document that is read again as it was when it
//! is signed by another key; signed by its own key it is the same octets. With another first octet, deterministic CBOR: refused, or written
//! again as it came. Never a panic.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use protocol::conflict::{ConflictNotice, ConflictQuery};
use protocol::credential::CpiCredential;
use protocol::enrollment::{Challenge, EnrollmentRequest};
use protocol::key_configuration::KeyConfiguration;
use protocol::mapping::Mapping;
use protocol::receipt::Receipt;
use protocol::removal::Removal;
use protocol::{Document, Signed, SigningKey, Unverified, cbor};

const MAX_BYTES: usize = 64 * 1024;

/// Of `docs/vectors`: user, prover, provider, issuer.
const SEEDS: [[u8; 32]; 4] = [[1; 32], [2; 32], [3; 32], [4; 32]];

fn try_as<D: Document + Clone + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(unverified) = Unverified::<D>::parse(bytes) else { return };
    assert!(bytes.len() <= D::MAX_BYTES);
    assert_eq!(unverified.bytes(), bytes);
    let document = unverified.unverified_document().clone();
    for seed in SEEDS {
        let key = SigningKey::from_seed(&seed);
        let again = Signed::sign(document.clone(), &key);
        let read = Unverified::<D>::parse(again.bytes()).expect("what is written can be read");
        assert_eq!(*read.unverified_document(), document);
        if let Ok(signed) = Unverified::<D>::parse(bytes).expect("it was read before").verify(&key.public()) {
            assert_eq!((signed.bytes(), again.bytes()), (bytes, bytes));
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind {
        0 => try_as::<CpiCredential>(bytes),
        1 => try_as::<Mapping>(bytes),
        2 => try_as::<Receipt>(bytes),
        3 => try_as::<Removal>(bytes),
        4 => try_as::<ConflictQuery>(bytes),
        5 => try_as::<ConflictNotice>(bytes),
        6 => try_as::<Challenge>(bytes),
        7 => try_as::<EnrollmentRequest>(bytes),
        8 => try_as::<KeyConfiguration>(bytes),
        _ => {
            if let Ok(value) = cbor::decode(bytes, MAX_BYTES) {
                assert_eq!(cbor::encode(&value), bytes);
            }
        }
    }
});
