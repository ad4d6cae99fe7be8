//! Rows of the requirements that this crate shows, by their names.

use std::time::Duration;

use client::enrollment::{Enrolled, Wish};
use protocol::authenticated::{MappingError, UnverifiedMapping};
use protocol::credential::DEFAULT_LIFETIME;
use protocol::enrollment::{Challenge, Code, EnrollmentRequest, HpkePublicKey, HpkeSecretKey, Proof};
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::{Signed, SigningKey, Unverified};

use crate::server::{MSP, PROVER, Place, Server};
use crate::user::{PHONE, challenged_with, enrolled, enrolled_with, offer, problem_type, request};

fn wish() -> Wish {
    Wish {
        reachability: Reachability::At { msp: Msp::from_domain(MSP).unwrap(), psi: None },
        tags: Tags::default(),
        seq: 1,
        fresh: false,
        state: State::Live,
        lifetime: DEFAULT_LIFETIME,
    }
}

fn verify(place: &Place, mapping: &[u8]) -> Result<(), MappingError> {
    UnverifiedMapping::parse(mapping)?.verify(&place.trust(), place.now()).map(drop)
}

/// An MSP that puts its own user key or its own HPKE key into the handshake gets no credential for the user's CPI, and what
/// the user has is not made useless by it.
#[tokio::test]
async fn r01_an_msp_that_swaps_keys_in_the_handshake_gets_no_mapping() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    // It sends a request under a key of its own in place of the user's: the user's client refuses the challenge.
    let (users, msps) = (request(&place, PHONE), request(&place, PHONE));
    let challenge = msp.request(msps.bytes()).await.unwrap();
    assert!(users.challenged(&challenge, &place.trust(), place.now()).is_err());
    let fingerprint = place.letters()[0].text.split("Key ").nth(1).unwrap()[..12].to_owned();
    let msps = msps.challenged(&challenge, &place.trust(), place.now()).unwrap();

    // It carries the user's request, but puts its own HPKE key into the challenge: that is not the prover's signature.
    let users = request(&place, PHONE);
    let bytes = users.bytes().to_vec();
    let challenge = msp.request(&bytes).await.unwrap();
    let sealed_to_msp = HpkeSecretKey::derive(&[7; 32]).public();
    let mut document = Unverified::<Challenge>::parse(&challenge).unwrap().unverified_document().clone();
    assert_ne!(document.hpke_key, sealed_to_msp);
    document.hpke_key = HpkePublicKey(sealed_to_msp.0);
    let forged = Signed::sign(document, &SigningKey::generate(&mut rand::rng()));
    assert!(request(&place, PHONE).challenged(forged.bytes(), &place.trust(), place.now()).is_err());

    // It turns the user's proof to its own enrollment: it does not open there.
    let users = users.challenged(&challenge, &place.trust(), place.now()).unwrap();
    assert!(!place.letters()[1].text.contains(&fingerprint));
    let proof = users.prove(&Code::parse(&place.code()).unwrap(), &mut rand::rng()).unwrap();
    assert_eq!(problem_type(msp.proof(msps.id(), &proof).await), ProblemType::WrongCode);

    // It signs a mapping for the user's credential with a key of its own: nobody takes it.
    let credential = msp.proof(users.id(), &proof).await.unwrap();
    let enrolled = users.credential(&credential, &place.trust()).unwrap();
    assert!(enrolled.map(wish(), &SigningKey::generate(&mut rand::rng()), place.now()).is_err());
    server.stop().await;
}

/// User-driven: the user's own client speaks through the MSP's connection. MSP-mediated: the MSP's app on the handset holds the
/// user's key and does the same steps; the documents are the same, and the prover cannot tell, nor the MSP's servers sign.
#[tokio::test]
async fn d05_both_modes_of_consent_yield_the_same_documents() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let user_driven = enrolled(&place, &msp, PHONE).await;

    // The MSP's app: it builds the documents by itself, without our client.
    let app_key = SigningKey::generate(&mut rand::rng());
    let request = EnrollmentRequest {
        cpi: protocol::cpi::Cpi::parse(PHONE).unwrap(),
        msp: Msp::from_domain(MSP).unwrap(),
        user_key: app_key.public(),
        prover: PROVER.to_owned(),
        issued_at: place.now(),
        id: rand::random(),
    };
    let challenge = msp.request(Signed::sign(request, &app_key).bytes()).await.unwrap();
    let challenge = Unverified::<Challenge>::parse(&challenge).unwrap();
    let key = id_prover::keys::public_signing_key(&place.path("state")).unwrap();
    let challenge = challenge.verify(&key).unwrap().document().clone();
    let code = Code::parse(&place.code()).unwrap();
    let thumbprint = app_key.public().thumbprint();
    let proof = Proof::seal(&code, &challenge.id, &thumbprint, &challenge.hpke_key, &mut rand::rng()).unwrap();
    let credential = msp.proof(&challenge.id, &proof.encode()).await.unwrap();
    let mediated = Enrolled::from_credential(&credential, &place.trust()).unwrap();

    let (ours, theirs) = (user_driven.credential().document(), mediated.credential().document());
    assert_eq!((&ours.cpi, &ours.msp, ours.method), (&theirs.cpi, &theirs.msp, theirs.method));
    assert_eq!(theirs.user_key, app_key.public());
    assert_eq!(verify(&place, &mediated.map(wish(), &app_key, place.now()).unwrap()), Ok(()));
    server.stop().await;
}

#[tokio::test]
async fn d06_the_users_key_signs_every_mapping() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let key = SigningKey::generate(&mut rand::rng());
    let enrolled = enrolled_with(&place, &server.msp(&place), PHONE, &key).await;
    let mapping = enrolled.map(wish(), &key, place.now()).unwrap();
    assert_eq!(verify(&place, &mapping), Ok(()));
    // The last bytes are the user's signature.
    let mut forged = mapping.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(verify(&place, &forged), Err(MappingError::MappingSignature(_))));
    // Neither the prover nor the MSP can sign in the user's place.
    let other = SigningKey::generate(&mut rand::rng());
    assert!(enrolled.map(wish(), &other, place.now()).is_err());
    server.stop().await;
}

#[tokio::test]
async fn d07_the_prover_is_needed_at_enrollment_only() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let key = SigningKey::generate(&mut rand::rng());
    let enrolled = enrolled_with(&place, &server.msp(&place), PHONE, &key).await;
    let trust = place.trust();
    server.stop().await;
    // It is gone, with all it had: mappings are signed and verified all the same.
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.advance(Duration::from_secs(86_400));
    for seq in 1..4 {
        let mapping = enrolled.map(Wish { seq, ..wish() }, &key, place.now()).unwrap();
        assert!(UnverifiedMapping::parse(&mapping).unwrap().verify(&trust, place.now()).is_ok());
    }
}

#[tokio::test]
async fn d08_a_credential_ends_and_its_renewal_proves_possession_again() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let key = SigningKey::generate(&mut rand::rng());
    let first = enrolled_with(&place, &msp, PHONE, &key).await;
    let claims = first.credential().document();
    assert_eq!(claims.expires_at.since(claims.issued_at), Duration::from_secs(45 * 86_400));
    let mapping = first.map(wish(), &key, place.now()).unwrap();
    assert_eq!(verify(&place, &mapping), Ok(()));

    // Renewal, before it ends: nothing without a new code to the CPI.
    place.advance(Duration::from_secs(40 * 86_400));
    let old_code = place.code();
    let renewal = challenged_with(&place, &msp, PHONE, &key).await;
    assert_eq!(place.letters().len(), 2);
    if old_code != place.code() {
        assert_eq!(problem_type(offer(&msp, &renewal, &old_code).await), ProblemType::WrongCode);
    }
    let renewed = offer(&msp, &renewal, &place.code()).await.unwrap();
    let renewed = renewal.credential(&renewed, &place.trust()).unwrap();
    assert_eq!(renewed.user_key(), first.user_key());
    assert!(renewed.credential().document().expires_at > claims.expires_at);

    // Whoever does not renew is found no longer: abandonment and recycling end by themselves.
    place.advance(Duration::from_secs(6 * 86_400));
    assert!(verify(&place, &mapping).is_err());
    assert!(first.map(wish(), &key, place.now()).is_err());
    assert_eq!(verify(&place, &renewed.map(wish(), &key, place.now()).unwrap()), Ok(()));

    // The next holder of a recycled number enrolls with a key of their own.
    let next = enrolled(&place, &msp, PHONE).await;
    assert_ne!(next.user_key(), first.user_key());
    server.stop().await;
}
