//! Rows of the requirements that this crate shows, by their names.

use std::time::Duration;

use bytes::Bytes;
use client::enrollment::{Enrolled, Wish};
use http::StatusCode;
use protocol::authenticated::{MappingError, UnverifiedMapping, VerifiedMapping};
use protocol::cbor::{self, Value};
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::enrollment::{Challenge, Code, EnrollmentRequest, HpkePublicKey, HpkeSecretKey, Proof};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::{Signed, SigningKey, Unverified};
use sha2::{Digest as _, Sha256};

use crate::server::{MSP, PROVER, Place, Server};
use crate::user::{PHONE, another, challenged_with, enrolled, enrolled_with, offer, problem_type, request};

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

fn user() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

/// The key that signs in this place: what a prover that means ill has.
fn prover_key(place: &Place) -> SigningKey {
    let seed = std::fs::read_to_string(place.path("state/signing.key")).unwrap();
    SigningKey::from_seed(&hex::decode(seed.trim()).unwrap().try_into().unwrap())
}

/// What the prover would issue now for this key.
fn credential(place: &Place, key: &SigningKey) -> CpiCredential {
    CpiCredential {
        prover: PROVER.to_owned(),
        cpi: Cpi::parse(PHONE).unwrap(),
        msp: Msp::from_domain(MSP).unwrap(),
        user_key: key.public(),
        method: Method::SmsOtp,
        issued_at: place.now(),
        expires_at: place.now().plus(DEFAULT_LIFETIME),
        id: rand::random(),
    }
}

fn mapping(place: &Place, credential_hash: [u8; 32]) -> Mapping {
    Mapping {
        cpi: Cpi::parse(PHONE).unwrap(),
        reachability: wish().reachability,
        tags: Tags::default(),
        seq: 1,
        credential_hash,
        fresh: false,
        state: State::Live,
        issued_at: place.now(),
        expires_at: place.now().plus(DEFAULT_LIFETIME),
    }
}

/// This credential and a mapping that cites it, signed by whoever wants to.
fn mapped(place: &Place, credential: &Signed<CpiCredential>, by: &SigningKey) -> Vec<u8> {
    VerifiedMapping::encode(credential, &Signed::sign(mapping(place, credential.hash()), by))
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

/// An MSP that has all but the user's code: it enrolls a CPI of its choice under a key of its own, guesses until it may not, and
/// then issues to itself what the prover would have.
#[tokio::test]
async fn r01_an_msp_alone_gets_no_mapping() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let key = SigningKey::generate(&mut rand::rng());
    let challenged = challenged_with(&place, &msp, PHONE, &key).await;
    let wrong = another(&place.code());
    for _ in 0..5 {
        assert_eq!(problem_type(offer(&msp, &challenged, &wrong).await), ProblemType::WrongCode);
    }
    assert_eq!(problem_type(offer(&msp, &challenged, &wrong).await), ProblemType::EnrollmentLocked);
    server.stop().await;

    let claims = credential(&place, &key);
    for (signer, expected) in [
        // Under the prover's name by its own key, and by the user's.
        (SigningKey::generate(&mut rand::rng()), MappingError::UntrustedProver),
        (SigningKey::from_seed(&key.to_seed()), MappingError::UntrustedProver),
    ] {
        let forged = Signed::sign(claims.clone(), &signer);
        assert_eq!(verify(&place, &mapped(&place, &forged, &key)), Err(expected));
    }
    // The prover's signature from another document does not fit.
    let honest = Signed::sign(CpiCredential { user_key: user().public(), ..claims.clone() }, &prover_key(&place));
    let forged = Signed::sign(claims, &key);
    let (honest, forged) = (honest.bytes(), forged.bytes());
    let spliced = [&forged[..forged.len() - 64], &honest[honest.len() - 64..]].concat();
    let mapping = Signed::sign(mapping(&place, Sha256::digest(&spliced).into()), &key);
    let pair = Value::Array(vec![spliced.into(), mapping.bytes().to_vec().into()]);
    assert!(verify(&place, &cbor::encode(&pair)).is_err());
}

/// A prover that uses its key as it likes: without the user's key there is no mapping for the user's credential.
#[tokio::test]
async fn r01_a_prover_alone_gets_no_mapping() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let enrolled = enrolled_with(&place, &server.msp(&place), PHONE, &user()).await;
    server.stop().await;
    let provers = prover_key(&place);
    let theirs = mapped(&place, enrolled.credential(), &provers);
    assert!(matches!(verify(&place, &theirs), Err(MappingError::MappingSignature(_))));
    // Nor does one that the user has signed for another credential serve for one that it issues by itself.
    let ours = mapped(&place, enrolled.credential(), &user());
    assert_eq!(verify(&place, &ours), Ok(()));
    let another = Signed::sign(credential(&place, &user()), &provers);
    let signed = Signed::sign(mapping(&place, enrolled.credential().hash()), &user());
    let moved = VerifiedMapping::encode(&another, &signed);
    assert_eq!(verify(&place, &moved), Err(MappingError::OtherCredential));
}

/// Consent is given to one MSP (the interim's notes: "it would be per-MSP"): the message names it, and neither another MSP nor
/// the same credential at another one will do.
#[tokio::test]
async fn d05_consent_is_for_the_msp_that_the_message_names() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let enrolled = enrolled_with(&place, &server.msp(&place), PHONE, &user()).await;
    assert!(place.letters()[0].text.contains(MSP));
    let elsewhere = Msp::from_domain("b.example").unwrap();
    // A request for the one by way of the other.
    let others = server.connection(place.http(Some("b.example")));
    let refused = others.request(request(&place, PHONE).bytes()).await;
    assert_eq!(problem_type(refused), ProblemType::NotThisMsp);
    // The user's own signature does not take the credential elsewhere.
    let reachability = Reachability::At { msp: elsewhere, psi: None };
    assert!(enrolled.map(Wish { reachability: reachability.clone(), ..wish() }, &user(), place.now()).is_err());
    let there = Mapping { reachability, ..mapping(&place, enrolled.credential().hash()) };
    let there = VerifiedMapping::encode(enrolled.credential(), &Signed::sign(there, &user()));
    assert_eq!(verify(&place, &there), Err(MappingError::OtherMsp));
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
        cpi: Cpi::parse(PHONE).unwrap(),
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
    // Neither the MSP nor the prover can sign in the user's place.
    for other in [SigningKey::generate(&mut rand::rng()), prover_key(&place)] {
        assert!(enrolled.map(wish(), &other, place.now()).is_err());
        let theirs = mapped(&place, enrolled.credential(), &other);
        assert!(matches!(verify(&place, &theirs), Err(MappingError::MappingSignature(_))));
    }
    // What the user signs is every word: tags, sequence number, reachability, all of it.
    let unverified = UnverifiedMapping::parse(&mapping).unwrap();
    let said = unverified.unverified_mapping().clone();
    let changed = [
        Mapping { seq: 2, ..said.clone() },
        Mapping { fresh: true, ..said.clone() },
        Mapping { tags: Tags::new(["Default"]).unwrap(), ..said.clone() },
        Mapping { state: State::Withdrawn, ..said.clone() },
        Mapping { reachability: Reachability::Nowhere, ..said.clone() },
    ];
    let honest = Signed::sign(said, &key);
    let signature = &honest.bytes()[honest.bytes().len() - 64..];
    for changed in changed {
        let bytes = Signed::sign(changed, &key).bytes().to_vec();
        let spliced = [&bytes[..bytes.len() - 64], signature].concat();
        let pair = Value::Array(vec![enrolled.credential().bytes().to_vec().into(), spliced.into()]);
        assert!(matches!(verify(&place, &cbor::encode(&pair)), Err(MappingError::MappingSignature(_))));
    }
    server.stop().await;
}

#[tokio::test]
async fn d07_the_prover_is_needed_at_enrollment_only() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let key = SigningKey::generate(&mut rand::rng());
    let enrolled = enrolled_with(&place, &server.msp(&place), PHONE, &key).await;
    let trust = place.trust();
    // Nothing can be looked up there, and nothing published.
    let http = place.http(Some(MSP));
    for path in ["/v1/lookup", "/v1/mappings", "/v1/changes", "/.well-known/ohttp-gateway"] {
        let uri = format!("{}{path}", server.base()).parse().unwrap();
        let answer = http.post(&uri, "application/cbor", Bytes::new()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
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

    // The next holder of a recycled number enrolls with a key of their own, and may say that the number is newly theirs: the
    // credential shows that it was proven later.
    let next_key = SigningKey::generate(&mut rand::rng());
    let next = enrolled_with(&place, &msp, PHONE, &next_key).await;
    assert_ne!(next.user_key(), first.user_key());
    assert!(next.credential().document().issued_at > renewed.credential().document().issued_at);
    let fresh = next.map(Wish { fresh: true, ..wish() }, &next_key, place.now()).unwrap();
    assert_eq!(verify(&place, &fresh), Ok(()));
    // The former holder proves nothing any more: the codes go to the next one, and the old key and credential count for
    // nothing without.
    let former = challenged_with(&place, &msp, PHONE, &key).await;
    assert_eq!(problem_type(offer(&msp, &former, &another(&place.code())).await), ProblemType::WrongCode);
    server.stop().await;
}
