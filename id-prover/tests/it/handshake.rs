//! The whole handshake, and what happens when its steps are taken again.

use std::time::Duration;

use http::StatusCode;
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::media;
use protocol::problem::ProblemType;

use crate::server::{MSP, Place, Server};
use crate::user::{EMAIL, PHONE, another, challenged, enrolled, offer, problem, problem_type, request};

#[tokio::test]
async fn a_phone_is_enrolled() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let enrolled = enrolled(&place, &server.msp(&place), PHONE).await;
    let credential = enrolled.credential().document();
    assert_eq!((credential.cpi.as_str(), credential.msp.domain(), credential.method), (PHONE, MSP, Method::SmsOtp));
    assert_eq!((credential.issued_at, credential.expires_at), (place.now(), place.now().plus(DEFAULT_LIFETIME)));
    let [letter] = &place.letters()[..] else { panic!("not one message") };
    let fingerprint = enrolled.user_key().thumbprint().fingerprint();
    assert_eq!(letter.to, PHONE);
    assert!(letter.text.starts_with(&format!("{} is your code for {MSP}, valid 10 minutes.", letter.code)));
    assert!(letter.text.contains(&fingerprint));
    server.stop().await;
}

#[tokio::test]
async fn an_email_address_is_enrolled() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let enrolled = enrolled(&place, &server.msp(&place), EMAIL).await;
    let credential = enrolled.credential().document();
    assert_eq!((credential.cpi.as_str(), credential.method), (EMAIL, Method::EmailOtp));
    assert_eq!(place.letters()[0].to, EMAIL);
    server.stop().await;
}

#[tokio::test]
async fn the_same_request_again_sends_no_second_message() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let (http, uri) = (place.http(Some(MSP)), format!("{}/v1/enrollments", server.base()).parse().unwrap());
    let request = request(&place, PHONE);
    let post = async || {
        let body = request.bytes().to_vec().into();
        http.post(&uri, media::ENROLLMENT_REQUEST, body).await.unwrap()
    };
    let (first, at_once) = tokio::join!(post(), post());
    let again = post().await;
    let mut statuses = [first.status(), at_once.status(), again.status()];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::OK, StatusCode::CREATED]);
    assert_eq!((first.body(), first.body()), (at_once.body(), again.body()));
    assert_eq!(first.headers()["content-type"], media::CHALLENGE);
    assert_eq!(first.headers()["cache-control"], "no-store");
    assert_eq!(place.letters().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn the_same_code_again_gives_the_same_credential() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    let (first, at_once) = tokio::join!(offer(&msp, &challenged, &code), offer(&msp, &challenged, &code));
    place.advance(Duration::from_secs(900));
    let again = offer(&msp, &challenged, &code).await.unwrap();
    assert_eq!((&first.unwrap(), &at_once.unwrap()), (&again, &again));
    let refused = problem(offer(&msp, &challenged, &another(&code)).await);
    assert_eq!((refused.problem_type, refused.tries_left), (ProblemType::WrongCode, Some(0)));
    server.stop().await;
}

#[tokio::test]
async fn two_enrollments_of_one_number_stand_beside_each_other() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let first = challenged(&place, &msp, PHONE).await;
    let first_code = place.code();
    let second = challenged(&place, &msp, PHONE).await;
    let second_code = place.code();
    assert_ne!(first.id(), second.id());
    for _ in 0..5 {
        assert_eq!(problem_type(offer(&msp, &first, &another(&first_code)).await), ProblemType::WrongCode);
    }
    assert_eq!(problem_type(offer(&msp, &first, &first_code).await), ProblemType::EnrollmentLocked);
    assert!(offer(&msp, &second, &second_code).await.is_ok());
    server.stop().await;
}
