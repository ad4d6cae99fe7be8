//! A gateway or a client that fails midway.

use http::Method;
use http_body_util::BodyExt as _;
use relay::config::Exchange;

use crate::harness::{Authority, eventually, in_time, whole, written_bit_by_bit};
use crate::scene::{Conduct, Scene, answer, assert_problem};

/// Long enough that a test in which it mattered would fail by its deadline.
const FOREVER_MS: u64 = 24 * 3600 * 1000;
const SHORT_MS: u64 = 200;

async fn with_times(first_byte_timeout_ms: u64, body_timeout_ms: u64) -> Scene {
    Scene::with(|config| {
        config.exchange = Exchange { first_byte_timeout_ms, body_timeout_ms, ..Exchange::default() };
    })
    .await
}

#[tokio::test]
async fn a_gateway_that_is_down_and_comes_back() {
    let mut scene = Scene::start().await;
    assert_eq!(scene.post("capsule").await.status(), 200);
    scene.stub.down().await;
    assert_problem(&scene.post("capsule").await, 502, "relay-gateway-unreachable");
    scene.stub.up().await;
    eventually(|| async { (scene.post("capsule").await.status() == 200).then_some(()) }).await;
}

#[tokio::test]
async fn a_gateway_that_does_not_answer() {
    let scene = with_times(SHORT_MS, FOREVER_MS).await;
    scene.stub.conduct(Conduct::Silent);
    assert_problem(&scene.post("capsule").await, 504, "relay-gateway-timeout");
    assert_eq!(scene.stub.capsule().body.unwrap(), "capsule");
    scene.stub.conduct(Conduct::Answer(answer(200, "message/ohttp-res", "sealed")));
    assert_eq!(scene.post("capsule").await.status(), 200);
}

#[tokio::test]
async fn a_gateway_of_another_authority_is_not_trusted() {
    let other = Authority::new();
    let scene = Scene::with(|config| config.routes[0].tls.ca = Some(other.file())).await;
    assert_problem(&scene.post("capsule").await, 502, "relay-gateway-unreachable");
}

#[tokio::test]
async fn a_relay_without_a_certificate_is_not_let_in() {
    let scene = Scene::with(|config| {
        let tls = &mut config.routes[0].tls;
        (tls.certificate, tls.key) = (None, None);
    })
    .await;
    assert_problem(&scene.post("capsule").await, 502, "relay-gateway-unreachable");
    assert!(scene.stub.received(Method::POST).is_empty());
}

/// The client is at fault, whichever of the two times is over first.
#[tokio::test]
async fn a_capsule_that_never_ends() {
    for scene in [with_times(FOREVER_MS, SHORT_MS).await, with_times(SHORT_MS, FOREVER_MS).await] {
        let (sender, body) = written_bit_by_bit();
        sender.send("the beginning".into()).await.unwrap();
        let answer = scene.client().send(scene.capsule(body)).await.unwrap();
        assert_problem(&answer, 408, "relay-request-timeout");
        // The client is told to stop, and the gateway does not take what it has for the whole.
        in_time(sender.closed()).await;
        let received = || async { scene.stub.received(Method::POST).pop() };
        assert_eq!(eventually(received).await.body, None);
    }
}

#[tokio::test]
async fn an_answer_that_never_ends() {
    let scene = with_times(FOREVER_MS, SHORT_MS).await;
    let (sender, body) = written_bit_by_bit();
    sender.send("the beginning".into()).await.unwrap();
    scene.stub.conduct(Conduct::Streamed(Some(body)));
    let answer = scene.client().begin(scene.capsule(whole("capsule"))).await.unwrap();
    assert!(in_time(answer.into_body().collect()).await.is_err());
    in_time(sender.closed()).await;
}

#[tokio::test]
async fn an_answer_over_the_limit() {
    let scene = Scene::with(|config| config.exchange.max_response_bytes = 5000).await;
    scene.stub.conduct(Conduct::Answer(answer(200, "message/ohttp-res", vec![7; 5000])));
    assert_eq!(scene.post("capsule").await.body().len(), 5000);
    for conduct in [Conduct::Endless, Conduct::Answer(answer(200, "message/ohttp-res", vec![7; 5001]))] {
        scene.stub.conduct(conduct);
        assert!(scene.client().send(scene.capsule(whole("capsule"))).await.is_err());
    }
}
