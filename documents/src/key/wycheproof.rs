//! Ed25519 verification against Project Wycheproof: one by one and in batches, what is valid holds and nothing else does. The strict rule
//! refuses more than its vectors tell of; those cases are in `is_as_strict_as_the_library`.

use std::collections::BTreeMap;

use ::wycheproof::TestResult;
use ::wycheproof::eddsa::{TestName, TestSet};

use super::*;

#[test]
fn wycheproof_ed25519() {
    let vectors = TestSet::load(TestName::Ed25519).unwrap();
    let mut counts = BTreeMap::<String, usize>::new();
    for group in &vectors.test_groups {
        let key = PublicKey::from_bytes(&group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            let signature = <&[u8; 64]>::try_from(&test.sig[..]).ok();
            let holds = signature.is_some_and(|signature| key.verifies(&test.msg, signature));
            let together = signature.is_some_and(|signature| key.verifies_all(&[(&test.msg[..], signature); 2]));
            let valid = test.result == TestResult::Valid;
            assert_eq!((holds, together), (valid, valid), "{}: {}", test.tc_id, test.comment);
            assert_eq!(test.flags.len(), 1);
            *counts.entry(format!("{:?} {:?}", test.result, test.flags[0])).or_default() += 1;
        }
    }
    let counts: Vec<_> = counts.iter().map(|(class, count)| (class.as_str(), *count)).collect();
    let expected = [
        ("Invalid CompressedSignature", 4),
        ("Invalid InvalidEncoding", 22),
        ("Invalid InvalidKnownTestVector", 1),
        ("Invalid InvalidSignature", 20),
        ("Invalid SignatureMalleability", 8),
        ("Invalid SignatureWithGarbage", 5),
        ("Invalid TruncatedSignature", 3),
        ("Valid KnownTestVector", 38),
        ("Valid TinkOverflow", 32),
        ("Valid Valid", 18),
    ];
    assert_eq!(counts, expected);
}
