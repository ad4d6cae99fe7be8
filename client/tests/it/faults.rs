//! Faults on the way: whose they are, and whether a client that was told to tries again.

use std::time::Duration;

use client::http::Bounds;
use client::lookup::Progress;
use client::retry::Retry;
use client::{Error, Fault};
use futures_util::StreamExt as _;
use http::StatusCode;

use crate::fixtures::{cpi, document, number};
use crate::server::{Manner, Server};

const QUICK: Retry = Retry { max_tries: 4, max_wait: Duration::from_secs(60), first_pause: Duration::from_millis(1) };

async fn fault_of(server: &Server) -> Error {
    server.client().lookup(&[cpi()], |_| ()).await.unwrap_err()
}

#[tokio::test]
async fn every_fault_has_its_owner() {
    let server = Server::start().await;
    let busy = StatusCode::TOO_MANY_REQUESTS;
    for (manner, fault, after) in [
        (Manner::Relay(busy, Some("120")), Fault::Relay, Some(120)),
        (Manner::Gateway(busy, Some("3600")), Fault::Gateway, Some(3600)),
        (Manner::Store(busy, Some("5")), Fault::Store, Some(5)),
        (Manner::Relay(StatusCode::INTERNAL_SERVER_ERROR, None), Fault::Relay, Some(2)),
        (Manner::Relay(StatusCode::FORBIDDEN, Some("9")), Fault::Relay, None),
        (Manner::Gateway(StatusCode::BAD_REQUEST, None), Fault::Gateway, None),
        (Manner::NoCapsule, Fault::Relay, None),
        (Manner::CutCapsule, Fault::Gateway, None),
        (Manner::CutConnection, Fault::Network, Some(2)),
    ] {
        server.always(manner.clone());
        let error = fault_of(&server).await;
        assert_eq!(
            (error.fault, error.retry_after.map(|after| after.as_secs())),
            (fault, after),
            "{manner:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let server = Server::start().await;
    server.always(Manner::Slow);
    let bounds = Bounds { timeout: Duration::from_millis(300), ..Bounds::default() };
    let error = server.builder().bounds(bounds).build().unwrap().lookup(&[cpi()], |_| ()).await.unwrap_err();
    assert_eq!((error.fault, error.is_passing()), (Fault::Network, true));
}

#[tokio::test]
async fn an_answer_over_its_bound_is_not_read() {
    let server = Server::start().await;
    server.publish(cpi(), vec![document("mimi://a.example", &[]), document("mimi://b.example", &[])]);
    let bounds = Bounds { max_answer_bytes: 600, ..Bounds::default() };
    let client = server.builder().bounds(bounds).build().unwrap();
    assert!(client.lookup(&[number(1)], |_| ()).await.is_ok());
    let error = client.lookup(&[cpi()], |_| ()).await.unwrap_err();
    assert_eq!((error.fault, error.is_passing()), (Fault::Network, false));
}

#[tokio::test]
async fn passing_faults_are_tried_again_if_that_is_wished() {
    let server = Server::start().await;
    let passing = [
        Manner::Store(StatusCode::SERVICE_UNAVAILABLE, Some("0")),
        Manner::Gateway(StatusCode::TOO_MANY_REQUESTS, Some("0")),
        Manner::Relay(StatusCode::INTERNAL_SERVER_ERROR, Some("0")),
    ];
    server.then(passing.clone());
    assert!(server.builder().retry(QUICK).build().unwrap().lookup(&[cpi()], |_| ()).await.is_ok());
    assert_eq!(server.capsules(), 4);
    server.then(passing);
    assert!(fault_of(&server).await.is_passing());
    assert_eq!(server.capsules(), 5, "nobody asked for more than one try");
}

#[tokio::test]
async fn tries_and_waiting_are_bounded() {
    let server = Server::start().await;
    let client = server.builder().retry(QUICK).build().unwrap();
    server.always(Manner::Store(StatusCode::SERVICE_UNAVAILABLE, Some("0")));
    assert!(client.lookup(&[cpi()], |_| ()).await.is_err());
    assert_eq!(server.capsules(), 4);
    server.always(Manner::Store(StatusCode::TOO_MANY_REQUESTS, Some("61")));
    let error = client.lookup(&[cpi()], |_| ()).await.unwrap_err();
    assert_eq!((error.retry_after, server.capsules()), (Some(Duration::from_secs(61)), 5), "a minute is all it waits");
}

#[tokio::test]
async fn lasting_faults_are_not_tried_again() {
    let server = Server::start().await;
    let client = server.builder().retry(QUICK).build().unwrap();
    for (tries, manner) in [Manner::Store(StatusCode::FORBIDDEN, Some("0")), Manner::OneTooMany, Manner::CutCapsule]
        .into_iter()
        .enumerate()
    {
        server.always(manner);
        assert!(!client.lookup(&[cpi()], |_| ()).await.unwrap_err().is_passing());
        assert_eq!(server.capsules(), tries + 1);
    }
}

#[tokio::test]
async fn a_batch_that_fails_does_not_end_the_stream() {
    let server = Server::start().await;
    server.then([Manner::NoCapsule]);
    let book: Vec<_> = (0..200).map(number).collect();
    let client = server.builder().concurrency(1.try_into().unwrap()).build().unwrap();
    let mut lookups = client.lookups(&book);
    assert_eq!(lookups.progress(), Progress { total: 200, ..Progress::default() });
    let mut failed = Vec::new();
    while let Some(next) = lookups.next().await {
        failed.extend(next.err().map(|unanswered| (unanswered.cpis.len(), unanswered.error.fault)));
    }
    assert_eq!(failed, [(64, Fault::Relay)]);
    assert_eq!(lookups.progress(), Progress { answered: 136, unanswered: 64, total: 200 });
}
