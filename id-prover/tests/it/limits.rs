//! Limits on messages, with an exact `Retry-After`.

use std::time::Duration;

use http::StatusCode;
use protocol::media;
use protocol::problem::ProblemType;

use crate::server::{MSP, Place, Server};
use crate::user::{EMAIL, PHONE, problem_type, request, request_at};

#[tokio::test]
async fn a_cpi_gets_so_many_messages_an_hour() {
    let place = Place::new();
    let server = Server::start(&place, place.file_config("[limits]\nper_cpi_hour = 2")).await;
    let msp = server.msp(&place);
    for _ in 0..2 {
        msp.request(request(&place, PHONE).bytes()).await.unwrap();
    }
    let (http, uri) = (place.http(Some(MSP)), format!("{}/v1/enrollments", server.base()).parse().unwrap());
    let body = request(&place, PHONE).bytes().to_vec().into();
    let refused = http.post(&uri, media::ENROLLMENT_REQUEST, body).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1800");
    let from_another_msp = server.connection(place.http(Some("b.example")));
    let refused = from_another_msp.request(request_at(&place, PHONE, "b.example").bytes()).await.unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1800)));
    assert_eq!(problem_type::<()>(Err(refused)), ProblemType::RateLimited);
    assert!(msp.request(request(&place, EMAIL).bytes()).await.is_ok());
    assert_eq!(place.letters().len(), 3);

    place.advance(Duration::from_secs(1799));
    assert!(msp.request(request(&place, PHONE).bytes()).await.is_err());
    place.advance(Duration::from_secs(1));
    assert!(msp.request(request(&place, PHONE).bytes()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_known_request_takes_nothing_from_the_budget() {
    let place = Place::new();
    let server = Server::start(&place, place.file_config("[limits]\nper_cpi_hour = 1")).await;
    let msp = server.msp(&place);
    let request = request(&place, PHONE);
    let first = msp.request(request.bytes()).await.unwrap();
    assert_eq!(msp.request(request.bytes()).await.unwrap(), first);
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_was_not_sent_takes_nothing_from_the_budget() {
    let place = Place::new();
    let server = Server::start(&place, place.file_config("[limits]\nper_cpi_hour = 1")).await;
    let msp = server.msp(&place);
    msp.request(request(&place, EMAIL).bytes()).await.unwrap();
    let request = request(&place, PHONE);
    std::fs::remove_dir_all(place.path("outbox")).unwrap();
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
    std::fs::create_dir(place.path("outbox")).unwrap();
    assert!(msp.request(request.bytes()).await.is_ok());
    assert_eq!(place.letters().len(), 1);
    server.stop().await;
}
