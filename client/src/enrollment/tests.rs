//! The user's side of an enrollment, step by step, and every answer that it must not take.

use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::enrollment::HpkeSecretKey;
use protocol::trust::TrustAnchor;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const PROVER: &str = "prover.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn trust() -> TrustAnchors {
    TrustAnchors::new(vec![TrustAnchor {
        prover: PROVER.to_owned(),
        keys: vec![key(1).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

fn cpi() -> Cpi {
    Cpi::parse("tel:+14155552671").unwrap()
}

fn msp() -> Msp {
    Msp::parse("mimi://a.example").unwrap()
}

fn requested() -> Requested {
    Requested::begin(cpi(), msp(), PROVER, &key(2), NOW, &mut rand::rng())
}

fn challenge(requested: &Requested) -> Challenge {
    Challenge {
        prover: PROVER.to_owned(),
        id: EnrollmentId::from_bytes([3; 16]),
        request_hash: requested.request.hash(),
        hpke_key: HpkeSecretKey::derive(&[4; 32]).public(),
        code_length: 8,
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(600)),
    }
}

fn credential() -> CpiCredential {
    CpiCredential {
        prover: PROVER.to_owned(),
        cpi: cpi(),
        msp: msp(),
        user_key: key(2).public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
        id: [5; 16],
    }
}

fn wish() -> Wish {
    Wish {
        reachability: Reachability::At { msp: msp(), psi: None },
        tags: Tags::default(),
        seq: 1,
        fresh: false,
        state: State::Live,
        lifetime: Duration::from_secs(90 * 24 * 3600),
    }
}

#[test]
fn the_whole_way() {
    let requested = requested();
    let challenge = Signed::sign(challenge(&requested), &key(1));
    let challenged = requested.challenged(challenge.bytes(), &trust(), NOW).unwrap();
    let proof = challenged.prove(&Code::parse("12345678").unwrap(), &mut rand::rng()).unwrap();
    let opened = Proof::decode(&proof).unwrap().open(
        challenged.id(),
        &key(2).public().thumbprint(),
        &HpkeSecretKey::derive(&[4; 32]),
    );
    assert_eq!(opened.unwrap().digits(), "12345678");
    let enrolled = challenged.credential(Signed::sign(credential(), &key(1)).bytes(), &trust()).unwrap();
    let mapping = crate::verify::verify(&enrolled.map(wish(), &key(2), NOW).unwrap(), &trust(), NOW).unwrap();
    assert_eq!(mapping.mapping().expires_at, credential().expires_at);
}

/// What an MSP in the middle could try with the challenge.
#[test]
fn a_challenge_must_be_the_provers_own_for_this_request() {
    let refused = |change: fn(&mut Challenge), signer: u8, now: Timestamp| {
        let requested = requested();
        let mut challenge = challenge(&requested);
        change(&mut challenge);
        requested.challenged(Signed::sign(challenge, &key(signer)).bytes(), &trust(), now).unwrap_err().message
    };
    assert!(refused(|_| (), 9, NOW).contains("not trusted"));
    assert!(refused(|challenge| challenge.request_hash[0] ^= 1, 1, NOW).contains("another request"));
    assert!(refused(|challenge| challenge.prover = "other.example".to_owned(), 1, NOW).contains("another prover"));
    assert!(refused(|_| (), 1, NOW.plus(Duration::from_secs(901))).contains("expired"));
}

#[test]
fn a_credential_must_be_what_was_asked_for() {
    let refused = |change: fn(&mut CpiCredential)| {
        let requested = requested();
        let challenge = Signed::sign(challenge(&requested), &key(1));
        let challenged = requested.challenged(challenge.bytes(), &trust(), NOW).unwrap();
        let mut credential = credential();
        change(&mut credential);
        challenged.credential(Signed::sign(credential, &key(1)).bytes(), &trust()).unwrap_err().message
    };
    assert!(refused(|credential| credential.user_key = key(8).public()).contains("not what was asked"));
    assert!(
        refused(|credential| credential.msp = Msp::parse("mimi://b.example").unwrap()).contains("not what was asked")
    );
}

#[test]
fn a_mapping_stays_within_its_credential() {
    let enrolled = Enrolled::from_credential(Signed::sign(credential(), &key(1)).bytes(), &trust()).unwrap();
    assert!(enrolled.map(wish(), &key(8), NOW).unwrap_err().message.contains("another key"));
    let elsewhere = Reachability::At { msp: Msp::parse("mimi://b.example").unwrap(), psi: None };
    let wish_elsewhere = Wish { reachability: elsewhere, ..wish() };
    assert!(enrolled.map(wish_elsewhere, &key(2), NOW).unwrap_err().message.contains("another provider"));
    assert!(enrolled.map(wish(), &key(2), credential().expires_at).unwrap_err().message.contains("expired"));
}
