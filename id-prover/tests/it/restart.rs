//! What a prover remembers when it is stopped and started again.

use id_prover::Prover;
use protocol::problem::ProblemType;

use crate::server::{Place, Server};
use crate::user::{PHONE, another, challenged, enrolled, offer, problem, problem_type, request};

async fn restarted(place: &Place, server: Server) -> Server {
    server.stop().await;
    Server::start_simply(place).await
}

#[tokio::test]
async fn an_open_enrollment_and_its_used_tries_are_kept() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let challenged = challenged(&place, &server.msp(&place), PHONE).await;
    let code = place.code();
    let wrong = another(&code);
    assert_eq!(problem(offer(&server.msp(&place), &challenged, &wrong).await).tries_left, Some(4));
    let server = restarted(&place, server).await;
    assert_eq!(problem(offer(&server.msp(&place), &challenged, &wrong).await).tries_left, Some(3));
    let server = restarted(&place, server).await;
    let credential = offer(&server.msp(&place), &challenged, &code).await.unwrap();
    let server = restarted(&place, server).await;
    assert_eq!(offer(&server.msp(&place), &challenged, &code).await.unwrap(), credential);
    assert!(challenged.credential(&credential, &place.trust()).is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_locked_enrollment_stays_locked() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    for _ in 0..5 {
        assert!(offer(&msp, &challenged, &another(&code)).await.is_err());
    }
    let server = restarted(&place, server).await;
    let refused = offer(&server.msp(&place), &challenged, &code).await;
    assert_eq!(problem_type(refused), ProblemType::EnrollmentLocked);
    server.stop().await;
}

#[tokio::test]
async fn a_known_request_stays_known() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let request = request(&place, PHONE);
    let challenge = server.msp(&place).request(request.bytes()).await.unwrap();
    let server = restarted(&place, server).await;
    assert_eq!(server.msp(&place).request(request.bytes()).await.unwrap(), challenge);
    assert_eq!(place.letters().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn the_audit_trail_holds_every_step() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    // Requested, delivered, tried, proven.
    let enrolled = enrolled(&place, &msp, PHONE).await;
    let server = restarted(&place, server).await;
    let msp = server.msp(&place);
    // Requested, delivered, and five times tried and wrong; the last one locks.
    let challenged = challenged(&place, &msp, PHONE).await;
    for _ in 0..5 {
        assert_eq!(problem_type(offer(&msp, &challenged, &another(&place.code())).await), ProblemType::WrongCode);
    }
    server.stop().await;
    let prover = Prover::open(place.file_config(""), place.clock()).await.unwrap();
    assert_eq!(prover.check_audit().await.unwrap(), 4 + 12);
    let credential = enrolled.credential();
    let kept = prover.credential(credential.document().id).await.unwrap();
    assert_eq!(kept.as_deref(), Some(credential.bytes()));
}
