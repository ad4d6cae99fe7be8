//! The crate against the vectors of its RFCs and of Wycheproof, and, both ways, against the `ohttp` crate.

use ohttp::{ClientRequest, ClientResponse, KeyConfig};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use wycheproof::TestResult;
use wycheproof::xdh::{TestName, TestSet};

use crate::kem::{CurveKey, PrivateKey, PublicKey};
use crate::schedule::Schedule;
use crate::{AeadName, HEADER_BYTES, KemName, KeyRefused, OpenError, Recipient, gateway, reference};

const AEADS: [AeadName; 2] = AeadName::ALL;
const KEMS: [KemName; 2] = KemName::ALL;
const SEED: [u8; 32] = [3; 32];
/// ML-KEM-768's part of what X-Wing encapsulates; that of the curve comes after it.
const LATTICE_CIPHERTEXT_BYTES: usize = 1088;

fn given(vectors: &Value, name: &str) -> Vec<u8> {
    hex::decode(vectors[name].as_str().unwrap()).unwrap()
}

fn array<const N: usize>(octets: &[u8]) -> [u8; N] {
    octets.try_into().unwrap()
}

/// A key in both ways, and a client of the `ohttp` crate for each capsule.
struct Pair {
    ours: gateway::Opener,
    reference: reference::Opener,
}

impl Pair {
    fn new(kem: KemName, aeads: &[AeadName], seed: &[u8; 32]) -> Self {
        let ours = gateway::Opener::derive(9, kem, aeads, seed).unwrap();
        Self { ours, reference: reference::Opener::derive(9, kem, aeads, seed).unwrap() }
    }

    /// Every suite, each with a key of its own.
    fn all(seed: &[u8; 32]) -> Vec<Self> {
        let suites = KEMS.iter().flat_map(|kem| AEADS.map(|aead| (*kem, aead)));
        suites.map(|(kem, aead)| Self::new(kem, &[aead], seed)).collect()
    }

    fn seal(&self, content: &[u8]) -> (Vec<u8>, ClientResponse) {
        let mut config = KeyConfig::decode(self.ours.configuration()).unwrap();
        ClientRequest::from_config(&mut config).unwrap().encapsulate(content).unwrap()
    }

    /// What both make of a capsule; they have to agree.
    fn open(&self, capsule: &[u8]) -> Result<Vec<u8>, OpenError> {
        let ours = self.ours.open(capsule).map(|(content, _)| content);
        let reference = self.reference.open(capsule).map(|(content, _)| content);
        assert_eq!(ours, reference);
        ours
    }
}

#[test]
fn rfc_9180_appendix_a() {
    let vectors: Value = serde_json::from_str(include_str!("tests/rfc_9180.json")).unwrap();
    for (section, aead) in [("A.1.1", AEADS[0]), ("A.2.1", AEADS[1])] {
        let vectors = &vectors[section];
        let given = |name| given(vectors, name);
        let key = PrivateKey::derive(KemName::X25519, &array(&given("ikmR"))).unwrap();
        assert_eq!(key.public(), given("pkRm"));
        let same = PrivateKey::X25519(CurveKey::new(&array(&given("skRm"))).unwrap());
        assert_eq!(same.public(), given("pkRm"));
        let shared_secret = key.decapsulate(&given("enc")).unwrap();
        assert_eq!(shared_secret.as_slice(), given("shared_secret"));
        let schedule = Schedule::new(KemName::X25519, aead, &given("info"));
        assert_eq!(schedule.key_schedule_context(), given("key_schedule_context"));
        let ephemeral = array(&given("skEm"));
        let encapsulated = PublicKey::decode(KemName::X25519, &given("pkRm")).unwrap().encapsulate(&ephemeral).unwrap();
        assert_eq!((encapsulated.0.as_slice(), encapsulated.1), (shared_secret.as_slice(), given("enc")));
        let context = schedule.context(&shared_secret);
        assert_eq!(context.message.seal(&given("aad"), &[], &given("pt")), given("ct"));
        assert_eq!(context.message.open(&given("aad"), &given("ct")), Some(given("pt")));
        assert_eq!(context.message.open(b"", &given("ct")), None);
        let exports = vectors["exports"].as_array().unwrap();
        assert_eq!(exports.len(), 3);
        for export in exports {
            let mut value = vec![0; usize::try_from(export["L"].as_u64().unwrap()).unwrap()];
            context.export(&self::given(export, "exporter_context"), &mut value);
            assert_eq!(value, self::given(export, "exported_value"));
        }
    }
}

#[test]
fn rfc_9458_appendix_a() {
    let vectors: Value = serde_json::from_str(include_str!("../../gateway/tests/interop/appendix_a.json")).unwrap();
    let given = |name| given(&vectors, name);
    let key = PrivateKey::X25519(CurveKey::new(&array(&given("secret_key"))).unwrap());
    let opener = gateway::Opener::new(1, KemName::X25519, &AEADS, key);
    assert_eq!(opener.configuration(), given("key_configuration"));
    let (request, sealer) = opener.open(&given("encapsulated_request")).unwrap();
    assert_eq!(request, given("request"));
    assert_eq!(sealer.seal_under(&given("response_nonce"), &given("response")), given("encapsulated_response"));
    // The example's configuration offers two suites, of which its client takes the first.
    let mut configuration = given("key_configuration");
    let suites = configuration.len() - 10;
    configuration.splice(suites.., [0, 4, 0, 1, 0, 1]);
    let recipient = Recipient::decode(&configuration).unwrap();
    let (capsule, answer) =
        recipient.encapsulate_by(&array(&given("ephemeral_secret_key")), &given("request")).unwrap();
    assert_eq!(capsule, given("encapsulated_request"));
    assert_eq!(answer.open(&given("encapsulated_response")), Ok(given("response")));
}

#[test]
fn capsules_of_the_reference_open_and_answers_come_back() {
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
    runner
        .run(&(any::<[u8; 32]>(), octets(3000), octets(5000)), |(seed, content, answer)| {
            for pair in Pair::all(&seed) {
                prop_assert_eq!(pair.ours.configuration(), pair.reference.configuration());
                let (capsule, opener) = pair.seal(&content);
                prop_assert_eq!(&pair.reference.open(&capsule).unwrap().0, &content);
                let (opened, sealer) = pair.ours.open(&capsule).unwrap();
                prop_assert_eq!(opened, &content[..]);
                let sealed = sealer.seal(&answer, &mut rand::rng());
                prop_assert_eq!(opener.decapsulate(&sealed).unwrap(), &answer[..]);
                let (other, opener) = pair.seal(&content);
                prop_assert!(other != capsule);
                prop_assert!(opener.decapsulate(&sealed).is_err(), "an answer opens for its own request alone");
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn capsules_open_at_the_reference_and_its_answers_come_back() {
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
    runner
        .run(&(any::<[u8; 32]>(), octets(3000), octets(5000)), |(seed, content, answer)| {
            for pair in Pair::all(&seed) {
                let recipient = Recipient::decode(pair.ours.configuration()).unwrap();
                let make = || recipient.encapsulate(&content, &mut rand::rng()).unwrap();
                let ((capsule, opener), (other, other_opener)) = (make(), make());
                prop_assert!(capsule[HEADER_BYTES..] != other[HEADER_BYTES..]);
                prop_assert_eq!(&pair.ours.open(&capsule).unwrap().0, &content);
                let (opened, sealer) = pair.reference.open(&capsule).unwrap();
                prop_assert_eq!(&opened, &content);
                let sealed = sealer.seal(&answer, &mut rand::rng());
                prop_assert_eq!(opener.open(&sealed), Ok(answer.clone()));
                prop_assert_eq!(other_opener.open(&sealed), Err(OpenError::Sealed));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_octet_of_an_answer_can_be_changed_or_cut() {
    for pair in Pair::all(&SEED) {
        let recipient = Recipient::decode(pair.ours.configuration()).unwrap();
        let exchange = || {
            let (capsule, opener) = recipient.encapsulate(b"what is asked", &mut rand::rng()).unwrap();
            let sealed = pair.ours.open(&capsule).unwrap().1.seal(b"what is answered", &mut rand::rng());
            (opener, sealed)
        };
        let length = exchange().1.len();
        for at in 0..length {
            let (opener, mut sealed) = exchange();
            sealed[at] ^= 1;
            assert_eq!(opener.open(&sealed), Err(OpenError::Sealed), "octet {at}");
            let (opener, sealed) = exchange();
            assert_eq!(opener.open(&sealed[..at]), Err(OpenError::Sealed), "length {at}");
        }
        let (opener, sealed) = exchange();
        assert_eq!(opener.open(&sealed).as_deref(), Ok(&b"what is answered"[..]));
    }
}

#[test]
fn a_recipient_is_one_key_with_one_suite() {
    for pair in Pair::all(&SEED) {
        let configuration = pair.ours.configuration();
        assert!(Recipient::decode(configuration).is_ok());
        for length in 0..configuration.len() {
            assert!(Recipient::decode(&configuration[..length]).is_err(), "{length}");
        }
        assert!(Recipient::decode(&[configuration, &[0]].concat()).is_err());
        // KEM, length of the suites, KDF, AEAD: each octet has one value here that will do; the identifier may be any.
        let suites = configuration.len() - 6;
        for at in [1, 2].into_iter().chain(suites..configuration.len()) {
            let mut changed = configuration.to_vec();
            changed[at] ^= 0x80;
            assert!(Recipient::decode(&changed).is_err(), "octet {at}");
        }
        let mut other = configuration.to_vec();
        other[0] ^= 0xff;
        assert!(Recipient::decode(&other).is_ok());
    }
    let two = gateway::Opener::derive(9, KemName::X25519, &AEADS, &SEED).unwrap();
    assert!(Recipient::decode(two.configuration()).is_err());
}

#[test]
fn nothing_is_encapsulated_to_what_is_no_key() {
    let encapsulate = |kem, key: &[u8]| PublicKey::decode(kem, key).and_then(|key| key.encapsulate(&SEED)).map(|_| ());
    let lattice = PrivateKey::derive(KemName::XWing, &SEED).unwrap().public()[..1184].to_vec();
    for first in [0, 1] {
        let mut point = [0; 32];
        point[0] = first;
        assert_eq!(encapsulate(KemName::X25519, &point), Err(KeyRefused));
        assert_eq!(encapsulate(KemName::XWing, &[&lattice[..], &point].concat()), Err(KeyRefused));
    }
    assert_eq!(encapsulate(KemName::X25519, &[9; 32]), Ok(()));
    assert_eq!(encapsulate(KemName::XWing, &[&lattice[..], &[9; 32]].concat()), Ok(()));
    // A coefficient out of range (FIPS 203 §7.2).
    assert_eq!(encapsulate(KemName::XWing, &[0xff; 1216]), Err(KeyRefused));
}

#[test]
fn any_octets_are_taken_alike() {
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let pairs = Pair::all(&SEED);
    runner
        .run(&(0..pairs.len(), prop::collection::vec(any::<u8>(), 0..1300)), |(at, mut octets)| {
            let capsule = pairs[at].seal(b"").0;
            let header = octets.len().min(HEADER_BYTES);
            octets[..header].copy_from_slice(&capsule[..header]);
            prop_assert_eq!(pairs[at].open(&octets), Err(OpenError::Sealed));
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_octet_of_a_capsule_can_be_changed() {
    for pair in Pair::all(&SEED) {
        let (capsule, _) = pair.seal(b"what is asked");
        for at in 0..capsule.len() {
            // The highest bit of a coordinate does not count for X25519; it does for what is derived from it.
            for bit in [0, 7] {
                let mut changed = capsule.clone();
                changed[at] ^= 1 << bit;
                let expected = if at < HEADER_BYTES { OpenError::Suite } else { OpenError::Sealed };
                assert_eq!(pair.open(&changed), Err(expected), "octet {at}");
            }
        }
        assert_eq!(pair.open(&capsule), Ok(b"what is asked".to_vec()));
    }
}

#[test]
fn no_capsule_can_be_cut_or_lengthened() {
    for pair in Pair::all(&SEED) {
        let (mut capsule, _) = pair.seal(b"what is asked");
        for length in 0..capsule.len() {
            assert_eq!(pair.open(&capsule[..length]), Err(OpenError::Sealed), "{length}");
        }
        capsule.push(0);
        assert_eq!(pair.open(&capsule), Err(OpenError::Sealed));
    }
}

#[test]
fn other_suites_are_told_apart() {
    for pair in Pair::all(&SEED) {
        let (capsule, _) = pair.seal(b"what is asked");
        let with = |at: usize, number: u16| {
            let mut capsule = capsule.clone();
            let changed = capsule[at..at + 2] != number.to_be_bytes();
            capsule[at..at + 2].copy_from_slice(&number.to_be_bytes());
            changed.then(|| pair.open(&capsule))
        };
        // KEM, KDF, AEAD: whatever the registry has, and the export-only AEAD.
        let numbers = |at| (0..0x70).chain([0x647a, 0xffff]).filter_map(move |number| with(at, number));
        for at in [1, 3, 5] {
            let refused: Vec<_> = numbers(at).collect();
            assert_eq!(refused.len(), 0x71);
            assert!(refused.iter().all(|opened| *opened == Err(OpenError::Suite)));
        }
    }
}

/// Whoever sends a point of small order knows what X25519 makes of it, zeros, without knowing any key: RFC 9180 §7.1.4 has such
/// capsules refused, which could otherwise be sealed.
#[test]
fn points_of_small_order_are_refused() {
    let (curve, hybrid) = (KEMS[0], KEMS[1]);
    let decapsulate = |kem, enc: &[u8]| PrivateKey::derive(kem, &SEED).unwrap().decapsulate(enc).is_some();
    let (capsule, _) = Pair::new(hybrid, &AEADS, &SEED).seal(b"");
    let of_lattice = &capsule[HEADER_BYTES..][..LATTICE_CIPHERTEXT_BYTES];
    let with = |point: &[u8]| [of_lattice, point].concat();
    assert!(decapsulate(curve, &[9; 32]) && decapsulate(hybrid, &with(&[9; 32])));
    for first in [0, 1] {
        let mut point = [0; 32];
        point[0] = first;
        assert!(!decapsulate(curve, &point) && !decapsulate(hybrid, &with(&point)));
    }
}

#[test]
fn wycheproof_x25519() {
    let vectors = TestSet::load(TestName::X25519).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for test in vectors.test_groups.iter().flat_map(|group| &group.tests) {
        let key = CurveKey::new(&array(&test.private_key)).unwrap();
        let shared = key.agree(&test.public_key, <[u8]>::to_vec);
        if test.shared_secret.iter().all(|octet| *octet == 0) {
            assert_eq!(shared, None, "{}", test.tc_id);
            refused += 1;
        } else {
            assert_ne!(test.result, TestResult::Invalid);
            assert_eq!(shared.as_deref(), Some(&test.shared_secret[..]), "{}", test.tc_id);
            agreed += 1;
        }
    }
    assert!(agreed > 400 && refused > 20, "{agreed} and {refused}");
}
