//! Proofs open for their enrollment, key and prover alone; codes as people type them.

use proptest::prelude::*;

use super::*;
use crate::fixtures::Counter;

const ID: EnrollmentId = EnrollmentId::from_bytes([5; 16]);
const KEY: Thumbprint = Thumbprint::from_bytes([6; 32]);

fn secret() -> HpkeSecretKey {
    HpkeSecretKey::derive(&[7; 32])
}

fn proof() -> Proof {
    Proof::seal(&Code::parse("12345678").unwrap(), &ID, &KEY, &secret().public(), &mut Counter(0)).unwrap()
}

#[test]
fn opens_for_its_enrollment_key_and_prover_alone() {
    assert_eq!(proof().open(&ID, &KEY, &secret()).unwrap().digits(), "12345678");
    assert_eq!(proof().open(&EnrollmentId::from_bytes([0; 16]), &KEY, &secret()), Err(HpkeError));
    assert_eq!(proof().open(&ID, &Thumbprint::from_bytes([0; 32]), &secret()), Err(HpkeError));
    assert_eq!(proof().open(&ID, &KEY, &HpkeSecretKey::derive(&[8; 32])), Err(HpkeError));
}

#[test]
fn the_layout_byte_by_byte() {
    let bytes = hex::encode(proof().encode());
    assert_eq!(&bytes[..8], "a2015820"); // map of two; 1: 32 bytes of enc
    assert_eq!(&bytes[72..78], "025818"); // 2: 24 bytes, 8 digits and the tag
    assert_eq!(bytes.len(), 78 + 48);
    assert_eq!(Proof::decode(&hex::decode(bytes).unwrap()), Ok(proof()));
}

#[test]
fn malformed_proofs_name_the_rule() {
    let with = |enc: usize, ciphertext: usize| {
        let fields = MapWriter::new().field(ENC, vec![1; enc]).field(CIPHERTEXT, vec![1; ciphertext]).finish();
        Proof::decode(&cbor::encode(&fields))
    };
    assert!(with(32, 22).is_ok() && with(32, 28).is_ok());
    for (enc, ciphertext) in [(31, 24), (33, 24), (32, 0), (32, 21), (32, 29)] {
        assert!(matches!(with(enc, ciphertext), Err(ProofError::Field(_))), "{enc} {ciphertext}");
    }
    assert!(matches!(with(32, 200), Err(ProofError::Cbor(cbor::CborError::TooLong(MAX_BYTES)))));
}

#[test]
fn codes_as_people_type_them() {
    assert_eq!(Code::parse("1234 5678").unwrap(), Code::parse("1234-5678").unwrap());
    for text in ["", "12345", "1234567890123", "1234567a", "１２３４５６７８", "12345678\n"] {
        assert_eq!(Code::parse(text), Err(CodeError), "{text:?}");
    }
    assert!(!format!("{:?}", Code::parse("12345678").unwrap()).contains("1234"));
}

proptest! {
    #[test]
    fn a_generated_code_has_its_length_and_reads_back(length in any::<u8>(), seed in any::<u8>()) {
        let code = Code::generate(length, &mut Counter(seed));
        prop_assert_eq!(code.digits().len(), usize::from(length.clamp(6, 12)));
        prop_assert_eq!(Code::parse(code.digits()), Ok(code));
    }

    #[test]
    fn what_is_accepted_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
        if let Ok(proof) = Proof::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
        }
    }
}
