//! Signing keys that are not files: a token in memory, which counts what it is asked and refuses when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ed25519_dalek::Signer as _;
use id_prover::keys::{Signer, SigningKeys, Token, TokenError};
use id_prover::{Prover, RunError};
use protocol::problem::ProblemType;
use protocol::trust::TrustAnchors;
use protocol::{PublicKey, SigningKey};

use crate::server::{MSP, Place, Server};
use crate::user::{PHONE, offer, problem, problem_type, request};

const SEED: [u8; 32] = [9; 32];

#[derive(Default)]
struct MemoryToken {
    desk: Arc<Desk>,
}

#[derive(Default)]
struct Desk {
    opened: AtomicUsize,
    closed: AtomicUsize,
    signed: AtomicUsize,
    refuses: AtomicBool,
}

impl Desk {
    fn refused(&self) -> Result<(), TokenError> {
        let refuses = self.refuses.load(Ordering::SeqCst);
        if refuses { Err(TokenError::Refused("the session is closed".to_owned())) } else { Ok(()) }
    }

    fn counts(&self) -> [usize; 3] {
        [&self.opened, &self.signed, &self.closed].map(|count| count.load(Ordering::SeqCst))
    }
}

impl Token for MemoryToken {
    fn open(&self) -> Result<SigningKeys, TokenError> {
        self.desk.refused()?;
        self.desk.opened.fetch_add(1, Ordering::SeqCst);
        let current = Arc::new(MemoryKey { desk: Arc::clone(&self.desk) });
        Ok(SigningKeys { current, next: None, retired: Vec::new() })
    }

    fn close(&self) {
        self.desk.closed.fetch_add(1, Ordering::SeqCst);
    }
}

struct MemoryKey {
    desk: Arc<Desk>,
}

impl Signer for MemoryKey {
    fn label(&self) -> &str {
        "memory"
    }

    fn public(&self) -> PublicKey {
        SigningKey::from_seed(&SEED).public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError> {
        self.desk.refused()?;
        self.desk.signed.fetch_add(1, Ordering::SeqCst);
        Ok(ed25519_dalek::SigningKey::from_bytes(&SEED).sign(message).to_bytes())
    }
}

/// Trusts the token's key.
fn trust(place: &Place) -> TrustAnchors {
    place.trust_in(SigningKey::from_seed(&SEED).public())
}

#[tokio::test]
async fn a_token_signs_in_place_of_the_files() {
    let place = Place::new();
    let token = MemoryToken::default();
    let desk = Arc::clone(&token.desk);
    let server = Server::start_with_token(&place, place.file_config(""), Arc::new(token)).await;
    let (msp, request) = (server.msp(&place), request(&place, PHONE));
    let challenge = msp.request(request.bytes()).await.unwrap();
    let challenged = request.challenged(&challenge, &trust(&place), place.now()).unwrap();
    let credential = offer(&msp, &challenged, &place.code()).await.unwrap();
    assert_eq!(desk.counts(), [1, 2, 0]);
    // The same code again is answered with what was signed.
    assert_eq!(offer(&msp, &challenged, &place.code()).await.unwrap(), credential);
    assert!(challenged.credential(&credential, &trust(&place)).is_ok());
    // Which it does twice; the second may be under way.
    server.reload(place.file_config("")).await;
    assert!(desk.counts()[0] >= 2);
    server.stop().await;
    assert_eq!(desk.counts(), [3, 2, 1]);
    assert!(!place.path("state/signing.key").exists());
}

#[tokio::test]
async fn while_a_token_refuses_callers_are_asked_to_come_back_and_nothing_is_lost() {
    let place = Place::new();
    let token = MemoryToken::default();
    let desk = Arc::clone(&token.desk);
    let config = place.file_config("[limits]\nper_cpi_hour = 1");
    let server = Server::start_with_token(&place, config, Arc::new(token)).await;
    let (msp, request) = (server.msp(&place), request(&place, PHONE));
    // Once it answers, it has the token's keys.
    let uri = format!("{}/.well-known/id-prover", server.base()).parse().unwrap();
    assert!(place.http(Some(MSP)).get(&uri, "application/json").await.unwrap().status().is_success());
    desk.refuses.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::Unavailable);
    }
    // No code was sent, and none counts.
    assert!(place.letters().is_empty());
    desk.refuses.store(false, Ordering::SeqCst);
    let challenge = msp.request(request.bytes()).await.unwrap();
    let challenged = request.challenged(&challenge, &trust(&place), place.now()).unwrap();

    desk.refuses.store(true, Ordering::SeqCst);
    for _ in 0..7 {
        let refused = problem(offer(&msp, &challenged, &place.code()).await);
        assert_eq!((refused.problem_type, refused.problem_type.status()), (ProblemType::Unavailable, 503));
    }
    // Keys are not taken up anew either; those that there are stay.
    server.reload(place.file_config("")).await;
    desk.refuses.store(false, Ordering::SeqCst);
    let credential = offer(&msp, &challenged, &place.code()).await.unwrap();
    assert!(challenged.credential(&credential, &trust(&place)).is_ok());
    server.stop().await;
    let prover = Prover::open(place.file_config(""), place.clock()).await.unwrap();
    // Two requests that were given up; requested, delivered, tried, proven.
    assert_eq!(prover.check_audit().await.unwrap(), 2 * 2 + 4);
}

#[tokio::test]
async fn without_its_token_a_prover_does_not_start() {
    let place = Place::new();
    let token = MemoryToken::default();
    token.desk.refuses.store(true, Ordering::SeqCst);
    let server = Server::start_with_token(&place, place.file_config(""), Arc::new(token)).await;
    let error = server.ended().await.unwrap_err();
    assert!(matches!(&error, RunError::Open(_)) && error.to_string().contains("the session is closed"));
}
