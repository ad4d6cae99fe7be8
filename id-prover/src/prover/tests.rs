//! What is done after a crash between two steps: the state that it leaves is written here as the step before wrote it.

use std::time::Duration;

use protocol::Thumbprint;
use protocol::credential::DEFAULT_LIFETIME;
use protocol::enrollment::{Code, Proof};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::courier::Language;
use crate::enrollment::{Challenged, Proven, Requested, Stored, Terms, Verdict};
use crate::fixtures::{MINUTE, NOW, PROVER, TestClock, opened, prover as other_key, request, requested, user};
use crate::storage::audit::Event;
use crate::storage::change::Change;

const CHALLENGE: &[u8] = b"the signed challenge";

struct Scene {
    prover: Prover,
    clock: TestClock,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
        Self { prover: opened(&folder, &clock).await, clock, folder }
    }

    /// An enrollment whose code is known.
    fn requested(&self, code: &Code) -> Requested {
        let requested = requested(7);
        let hash = self.prover.keys().hash_code(&requested.facts.id, code);
        requested.with_code(hash)
    }

    fn challenged(&self, code: &Code, tries: u8) -> Challenged {
        self.requested(code).delivered(CHALLENGE.to_vec(), tries)
    }

    fn proven(&self, code: &Code, signer: Thumbprint) -> Proven {
        let spent = self.challenged(code, 5).spend([0; 32], NOW).unwrap();
        let hash = self.prover.keys().hash_code(&requested(7).facts.id, code);
        let Verdict::Right(matched) = spent.compare(Some(hash)) else { panic!("the code is right") };
        let expires_at = NOW.plus(DEFAULT_LIFETIME);
        matched.prove(Terms { credential_id: [8; 16], issued_at: NOW, expires_at, signer })
    }

    async fn write(&self, change: Change) {
        self.prover.shared.storage.write(change).await.unwrap();
    }

    fn proof(&self, code: &Code) -> Vec<u8> {
        let (id, hpke_key) = (requested(7).facts.id, self.prover.keys().hpke().public());
        Proof::seal(code, &id, &user().public().thumbprint(), &hpke_key, &mut rand::rng()).unwrap().encode()
    }

    async fn prove(&self, proof: &[u8]) -> Result<Vec<u8>, ProveError> {
        self.prover.prove(requested(7).facts.id, proof, &names()).await
    }
}

fn names() -> [String; 1] {
    ["a.example".to_owned()]
}

fn code(digits: &str) -> Code {
    Code::parse(digits).unwrap()
}

#[tokio::test]
async fn a_message_that_may_not_have_left_is_sent_again_with_another_code() {
    let scene = Scene::new().await;
    let lost = code("12345678");
    scene.write(Change::open(&scene.requested(&lost), NOW)).await;
    scene.clock.advance(4 * MINUTE);
    assert_eq!(scene.prove(&scene.proof(&lost)).await, Err(ProveError::Unknown));
    let answer = scene.prover.enroll(request(7).bytes(), &names(), Language::ENGLISH).await.unwrap();
    assert!(matches!(answer, Enrolled::New(_)));
    let outbox = std::fs::read_dir(scene.folder.path().join("outbox")).unwrap();
    let letters: Vec<_> = outbox.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let [letter] = &letters[..] else { panic!("not one message") };
    assert!(letter.contains("valid 6 minutes"), "{letter}");
    let digits = letter.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap();
    assert_eq!(scene.prove(&scene.proof(&lost)).await, Err(ProveError::WrongCode { tries_left: 4 }));
    assert!(scene.prove(&scene.proof(&code(digits))).await.is_ok());
}

#[tokio::test]
async fn a_try_that_was_spent_on_a_proof_is_not_spent_on_it_again() {
    let scene = Scene::new().await;
    let right = code("12345678");
    let (proof, other_proof) = (scene.proof(&right), scene.proof(&right));
    let spent = scene.challenged(&right, 1).spend(Sha256::digest(&proof).into(), NOW).unwrap();
    scene.write(Change::found(&spent.stored(), Event::Tried { tries_left: 0 }, NOW)).await;
    assert_eq!(scene.prove(&other_proof).await, Err(ProveError::Locked));
    assert!(scene.prove(&proof).await.is_ok());
}

#[tokio::test]
async fn what_was_proven_is_signed_as_it_was_recorded() {
    let scene = Scene::new().await;
    let right = code("12345678");
    let keys = scene.prover.keys();
    let proven = scene.proven(&right, keys.signing().public().thumbprint());
    let expected = token::sign(&proven.credential(PROVER), &**keys.signing()).unwrap();
    scene.write(Change::found(&Stored::Proven(proven.clone()), Event::Proven(proven.terms), NOW)).await;
    scene.clock.advance(Duration::from_secs(3000));
    let wrong = scene.prove(&scene.proof(&code("12345679"))).await;
    assert_eq!(wrong, Err(ProveError::WrongCode { tries_left: 0 }));
    assert_eq!(scene.prove(&scene.proof(&right)).await.as_deref(), Ok(expected.bytes()));
    assert_eq!(scene.prover.credential([8; 16]).await.unwrap().as_deref(), Some(expected.bytes()));
}

#[tokio::test]
async fn nothing_is_signed_by_another_key_than_was_recorded() {
    let scene = Scene::new().await;
    let right = code("12345678");
    let proven = scene.proven(&right, other_key().public().thumbprint());
    scene.write(Change::found(&Stored::Proven(proven.clone()), Event::Proven(proven.terms), NOW)).await;
    assert_eq!(scene.prove(&scene.proof(&right)).await, Err(Trouble::Failed.into()));
}
