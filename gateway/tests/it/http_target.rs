//! A target over HTTP/2 with TLS.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway::config::HttpTargetConfig;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{CancellationToken, ClientCertificates, Listener, ListenerConfig, Peer, Rate, serve};

use crate::harness::{Authority, eventually, own_address};
use crate::scene::{Opened, Scene, assert_problem, binary, lookup, seal};

/// What the server saw of a request: method, URI, version, fields, body, the names in the gateway's certificate.
type Seen = Arc<Mutex<Vec<String>>>;

/// A store: `/v1/lookup` with body `stuck` never answers, with `large` at length; else it echoes, and a number is what it cost.
async fn store(authority: &Authority, address: SocketAddr, seen: &Seen) -> SocketAddr {
    let identity = authority.issue("store", &[&address.ip().to_string()]);
    let tls = authority.server_tls(&identity, ClientCertificates::Required);
    let config = ListenerConfig { address, tls: Some(tls), ..ListenerConfig::loopback() };
    let listener = Listener::bind(&config).await.unwrap();
    let (address, seen) = (listener.local_addr(), Arc::clone(seen));
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(request, &seen).await) }
    });
    tokio::spawn(serve(listener, service, CancellationToken::new()));
    address
}

async fn answer(request: Request<Incoming>, seen: &Seen) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let names = head.extensions.get::<Peer>().and_then(|peer| peer.certificate.as_ref()).unwrap().dns_names().join(",");
    let line = format!("{} {} {:?} {:?} {body:?} {names}", head.method, head.uri.path(), head.version, head.headers);
    seen.lock().unwrap().push(line);
    match &body[..] {
        b"stuck" => pending().await,
        b"large" => Response::new(Full::from(vec![7; 5001])),
        _ => {
            let mut response = Response::builder().status(201).header("x-store", "1");
            if body.first().is_some_and(u8::is_ascii_digit) {
                response = response.header("mimi-lookup-cost", &body[..]);
            }
            response.body(Full::new(body)).unwrap()
        }
    }
}

/// The one budget of a relay is spent by what the target says, which is not passed on.
#[tokio::test]
async fn a_target_says_what_a_request_cost() {
    for (cost, answered) in [("64", 2), ("1000", 2), ("10", 10), ("0", 100), ("none", 100)] {
        let (address, seen) = (vacant().await, Seen::default());
        let scene = Scene::before_http(|config, authority| {
            config.target = Some(target(authority, address));
            config.limits.per_relay = Rate::new(100, 3600);
        })
        .await;
        store(&scene.authority, address, &seen).await;
        for number in 0..=answered {
            let (capsule, opener) = seal(&scene.plain_keys().await, &binary(&lookup(cost.as_bytes())));
            let outer = scene.post(capsule).await;
            if number == answered {
                assert_problem(&outer, 429, "gateway-rate-limited");
            } else {
                let answer = Opened::new(&outer, opener);
                assert_eq!((answer.status(), answer.field("x-store")), (201, Some("1")), "{cost}");
                assert_eq!(answer.field("mimi-lookup-cost"), None);
            }
        }
        assert_eq!(seen.lock().unwrap().len(), answered, "{cost}");
    }
}

/// An address where nobody listens.
async fn vacant() -> SocketAddr {
    let config = ListenerConfig { address: own_address(), ..ListenerConfig::loopback() };
    Listener::bind(&config).await.unwrap().local_addr()
}

fn target(authority: &Authority, address: SocketAddr) -> HttpTargetConfig {
    let identity = authority.issue("gateway-client", &["gateway.example"]);
    HttpTargetConfig {
        url: format!("https://{address}"),
        tls: authority.client_tls(Some(&identity)),
        timeout_ms: 3_600_000,
        max_response_bytes: 5000,
        failures_to_open: 3,
        open_seconds: 3600,
    }
}

/// A gateway whose target will be at this address, with settings changed.
async fn gateway(address: SocketAddr, change: impl FnOnce(&mut HttpTargetConfig)) -> Scene {
    Scene::before_http(|config, authority| {
        let mut target = target(authority, address);
        change(&mut target);
        config.target = Some(target);
    })
    .await
}

#[tokio::test]
async fn a_request_goes_over_http_2_under_the_gateways_certificate() {
    let (address, seen) = (vacant().await, Seen::default());
    let scene = gateway(address, |_| {}).await;
    store(&scene.authority, address, &seen).await;
    let answer = scene.look_up(b"what is asked").await;
    assert_eq!((answer.status(), answer.field("x-store")), (201, Some("1")));
    assert_eq!(answer.message.content(), b"what is asked");
    let mut request = lookup(b"again");
    request.put_header("x-mine", "2");
    assert_eq!(scene.ask(&request).await.status(), 201);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    for line in &seen {
        assert!(line.starts_with("POST /v1/lookup HTTP/2.0") && line.ends_with("gateway.example"), "{line}");
    }
    assert!(
        seen[0].contains(r#""content-type": "application/cbor""#) && seen[1].contains(r#""x-mine": "2""#),
        "{seen:?}"
    );
}

#[tokio::test]
async fn failures_in_a_row_open_the_circuit() {
    let (address, seen) = (vacant().await, Seen::default());
    let scene = gateway(address, |_| {}).await;
    for _ in 0..3 {
        let answer = scene.look_up(b"").await;
        answer.assert_problem(503, "target-unavailable");
        assert_eq!(answer.field("retry-after"), Some("1"));
    }
    // It is back, but is left alone for as long as the circuit is open.
    store(&scene.authority, address, &seen).await;
    for _ in 0..3 {
        let answer = scene.look_up(b"").await;
        answer.assert_problem(503, "target-unavailable");
        let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((2..=3600).contains(&seconds), "{seconds}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_circuit_closes_when_the_target_is_back() {
    let (address, seen) = (vacant().await, Seen::default());
    let scene = gateway(address, |config| config.open_seconds = 1).await;
    for _ in 0..4 {
        scene.look_up(b"").await.assert_problem(503, "target-unavailable");
    }
    store(&scene.authority, address, &seen).await;
    eventually(|| async { (scene.look_up(b"").await.status() == 201).then_some(()) }).await;
    for _ in 0..5 {
        assert_eq!(scene.look_up(b"").await.status(), 201);
    }
}

#[tokio::test]
async fn a_target_that_does_not_answer() {
    let (address, seen) = (vacant().await, Seen::default());
    let scene = gateway(address, |config| (config.timeout_ms, config.failures_to_open) = (500, 2)).await;
    store(&scene.authority, address, &seen).await;
    scene.look_up(b"stuck").await.assert_problem(504, "target-timeout");
    assert_eq!(scene.look_up(b"").await.status(), 201, "one failure does not open the circuit");
    for _ in 0..2 {
        scene.look_up(b"stuck").await.assert_problem(504, "target-timeout");
    }
    scene.look_up(b"").await.assert_problem(503, "target-unavailable");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_the_targets_fault_but_no_outage() {
    let (address, seen) = (vacant().await, Seen::default());
    let scene = gateway(address, |config| config.failures_to_open = 1).await;
    store(&scene.authority, address, &seen).await;
    for _ in 0..2 {
        scene.look_up(b"large").await.assert_problem(502, "target-answer-too-large");
    }
    assert_eq!(scene.look_up(b"").await.status(), 201);
}

#[tokio::test]
async fn a_target_of_another_authority_is_not_asked() {
    let (address, seen, other) = (vacant().await, Seen::default(), Authority::new());
    let scene = gateway(address, |_| {}).await;
    store(&other, address, &seen).await;
    scene.look_up(b"").await.assert_problem(503, "target-unavailable");
    assert!(seen.lock().unwrap().is_empty());
}
