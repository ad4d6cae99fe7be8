//! A gateway or a client that fails midway.

use http::Method;
use http_body_util::BodyExt as _;
use relay::config::Exchange;

use crate::harness::{Authority, Client, eventually, in_time, whole, written_bit_by_bit};
use crate::scene::{CAPSULE, Conduct, Scene, answer, assert_problem};

/// Long enough that a test in which it mattered would fail by its deadline.
const FOREVER_MS: u64 = 24 * 3600 * 1000;
const SHORT_MS: u64 = 200;
const CHUNKED: &str = "message/ohttp-chunked-req";

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
        // The client is told to stop, and the gateway has not been troubled.
        in_time(sender.closed()).await;
        assert!(scene.stub.received(Method::POST).is_empty());
        // What is longer, or chunked, is passed on before its end. The gateway does not take what it has for the whole.
        for (media_type, bytes) in [(CAPSULE, 20_000), (CHUNKED, 10)] {
            let (sender, body) = written_bit_by_bit();
            sender.send(vec![7; bytes].into()).await.unwrap();
            let mut request = scene.capsule(body);
            request.headers_mut().insert("content-type", media_type.parse().unwrap());
            assert_problem(&scene.client().send(request).await.unwrap(), 408, "relay-request-timeout");
            in_time(sender.closed()).await;
            let received = || async { scene.stub.received(Method::POST).pop() };
            assert_eq!(eventually(received).await.body, None);
        }
    }
}

/// However many capsules have begun and do not go on, there is a stream to the gateway for one that is whole.
#[tokio::test]
async fn slow_senders_do_not_hold_others_up() {
    let scene = with_times(FOREVER_MS, FOREVER_MS).await;
    let mut slow = Vec::new();
    // Within what a connection may have of streams.
    let clients = [(); 6].map(|()| scene.client());
    for number in 0..600 {
        let (sender, body) = written_bit_by_bit();
        let (media_type, bytes) = [(CAPSULE, 10), (CAPSULE, 20_000), (CHUNKED, 10)][number % 3];
        sender.send(vec![7; bytes].into()).await.unwrap();
        let mut request = scene.capsule(body);
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        slow.push((
            sender,
            tokio::spawn({
                let client = clients[number % clients.len()].clone();
                async move { client.send(request).await }
            }),
        ));
    }
    // Of those that are passed on as they come, a few of one address hold a stream; the others are told to come again.
    let refused = || slow.iter().filter(|(_, answer)| answer.is_finished()).count();
    eventually(|| async { (refused() == 400 - 8).then_some(()) }).await;
    for _ in 0..10 {
        assert_eq!(scene.post("capsule").await.status(), 200);
    }
    for (sender, answer) in slow {
        let finished = answer.is_finished();
        drop(sender);
        let answer = in_time(answer).await.unwrap().unwrap();
        if finished {
            assert_problem(&answer, 429, "relay-rate-limited");
            assert_eq!(answer.headers()["retry-after"], "1");
        } else {
            assert_eq!(answer.status(), 200);
        }
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

/// However many answers are not read, there is room on the connection to the gateway for those that are.
#[tokio::test]
async fn slow_readers_do_not_hold_others_up() {
    let scene = with_times(FOREVER_MS, FOREVER_MS).await;
    scene.stub.conduct(Conduct::Answer(answer(200, "message/ohttp-res", vec![7; 40_000])));
    let clients = [(); 5].map(|()| Client::http2_that_reads_nothing(&scene.authority.client_tls(None)));
    let mut unread = Vec::new();
    for client in &clients {
        for _ in 0..100 {
            unread.push(client.begin(scene.capsule(whole("capsule"))).await.unwrap());
        }
    }
    assert!(unread.iter().all(|answer| answer.status() == 200));
    for _ in 0..10 {
        assert_eq!(scene.post("capsule").await.body().len(), 40_000);
    }
}
