//! The three-party handshake, over the wire.

use client::enrollment::Requested;
use discovery::enroll::{now, read_trust};
use protocol::cpi::Cpi;
use protocol::enrollment::Code;
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;

use crate::scene::{Scene, key};

const NUMBER: &str = "tel:+14155550132";

fn code_in_the_outbox(scene: &Scene) -> Code {
    let entry = std::fs::read_dir(&scene.description().outbox).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(entry.path()).unwrap();
    Code::parse(text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap()).unwrap()
}

/// Five tries: the sixth is refused, be it the right code.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_tried_five_times_and_no_more() {
    let scene = Scene::start().await;
    let (trust, prover, key) = (read_trust(scene.description()).unwrap().provers, scene.prover("a.example"), key());
    let (cpi, msp) = (Cpi::parse(NUMBER).unwrap(), Msp::from_domain("a.example").unwrap());
    let requested = Requested::begin(cpi, msp, &scene.description().prover, &key, now(), &mut rand::rng());
    let challenge = prover.request(requested.bytes()).await.unwrap();
    let challenged = requested.challenged(&challenge, &trust, now()).unwrap();
    let right = code_in_the_outbox(&scene);
    let wrong = Code::parse(if right.digits() == "00000000" { "00000001" } else { "00000000" }).unwrap();
    for left in (0..5).rev() {
        let proof = challenged.prove(&wrong, &mut rand::rng()).unwrap();
        let problem = prover.proof(challenged.id(), &proof).await.unwrap_err().problem.unwrap();
        assert_eq!((problem.problem_type, problem.tries_left), (ProblemType::WrongCode, Some(left)));
    }
    let proof = challenged.prove(&right, &mut rand::rng()).unwrap();
    let error = prover.proof(challenged.id(), &proof).await.unwrap_err();
    assert_eq!(error.problem.as_ref().unwrap().problem_type, ProblemType::EnrollmentLocked, "{error}");
}

/// An MSP that asks in another's name is refused; without a certificate it is not even heard.
#[tokio::test(flavor = "multi_thread")]
async fn an_msp_speaks_for_itself_alone() {
    let scene = Scene::start().await;
    let request = |msp: &str| {
        let (cpi, msp) = (Cpi::parse(NUMBER).unwrap(), Msp::from_domain(msp).unwrap());
        Requested::begin(cpi, msp, &scene.description().prover, &key(), now(), &mut rand::rng()).bytes().to_vec()
    };
    let error = scene.prover("a.example").request(&request("b.example")).await.unwrap_err();
    assert_eq!(error.problem.unwrap().problem_type, ProblemType::NotThisMsp);
    let anonymous = client::msp::ProverConnection::new(scene.http(None), &scene.description().prover_url);
    let error = anonymous.request(&request("a.example")).await.unwrap_err();
    assert_eq!(error.fault, client::Fault::Network);
    assert_eq!(std::fs::read_dir(&scene.description().outbox).unwrap().count(), 0, "no message went out");
}

/// R1: an MSP that puts its own key into the handshake gets a challenge that its user refuses, and a code for another key.
#[tokio::test(flavor = "multi_thread")]
async fn r01_an_msp_that_swaps_keys_gains_nothing() {
    let scene = Scene::start().await;
    let (trust, prover) = (read_trust(scene.description()).unwrap().provers, scene.prover("a.example"));
    let begin = |key: &protocol::SigningKey| {
        let (cpi, msp) = (Cpi::parse(NUMBER).unwrap(), Msp::from_domain("a.example").unwrap());
        Requested::begin(cpi, msp, &scene.description().prover, key, now(), &mut rand::rng())
    };
    let (users, thiefs) = (key(), key());
    let (requested, swapped) = (begin(&users), begin(&thiefs));
    let challenge = prover.request(swapped.bytes()).await.unwrap();
    let error = requested.challenged(&challenge, &trust, now()).unwrap_err();
    assert!(error.message.contains("another request"), "{error}");
    let text = std::fs::read_dir(&scene.description().outbox).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(text).unwrap();
    assert!(text.contains(&thiefs.public().thumbprint().fingerprint()), "the message names the thief's key");
    assert!(!text.contains(&users.public().thumbprint().fingerprint()));
}
