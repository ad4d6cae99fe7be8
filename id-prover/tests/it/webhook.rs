//! Codes by SMS by way of an HTTP gateway: a real HTTPS server, which checks signatures by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use hyper_util::service::TowerToHyperService;
use protocol::problem::ProblemType;
use service::{CancellationToken, Listener};
use sha2::Sha256;
use tokio::task::JoinHandle;

use crate::authority::{Authority, Certified};
use crate::server::{Place, Server};
use crate::user::{PHONE, challenged, offer, problem_type, request};

const SECRET: &[u8] = b"a secret that both sides know, of 32 bytes and more";

/// What it answers next (200 when nothing is left), and what it has received.
#[derive(Default)]
struct Desk {
    answers: VecDeque<(StatusCode, Option<&'static str>)>,
    received: Vec<(HeaderMap, serde_json::Value)>,
}

struct Gateway {
    port: u16,
    desk: Arc<Mutex<Desk>>,
    shutdown: CancellationToken,
    serving: JoinHandle<service::Drained>,
}

impl Gateway {
    async fn start(place: &Place, certified: &Certified, answers: &[(StatusCode, Option<&'static str>)]) -> Self {
        let (certificate, key) = certified.write(place.folder.path(), "gateway");
        let config = format!(
            "address = '127.0.0.1:0'\ntls = {{ certificate = '{}', key = '{}' }}",
            certificate.display(),
            key.display()
        );
        let listener = Listener::bind(&toml::from_str(&config).unwrap()).await.unwrap();
        let port = listener.local_addr().port();
        let desk = Arc::new(Mutex::new(Desk { answers: answers.iter().copied().collect(), received: Vec::new() }));
        let router = Router::new().route("/sms", axum::routing::post(take)).with_state(Arc::clone(&desk));
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let serving = tokio::spawn(service::serve(listener, TowerToHyperService::new(router), token));
        Self { port, desk, shutdown, serving }
    }

    fn received(&self) -> Vec<(HeaderMap, serde_json::Value)> {
        self.desk.lock().unwrap().received.clone()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
    }
}

async fn take(State(desk): State<Arc<Mutex<Desk>>>, headers: HeaderMap, body: Bytes) -> axum::response::Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signature = text("webhook-signature");
    let (time, code) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(text("idempotency-key").as_bytes());
    mac.update(b".");
    mac.update(&body);
    if mac.verify_slice(&hex::decode(code).unwrap()).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut desk = desk.lock().unwrap();
    desk.received.push((headers, serde_json::from_slice(&body).unwrap()));
    match desk.answers.pop_front() {
        None => StatusCode::OK.into_response(),
        Some((status, None)) => status.into_response(),
        Some((status, Some(header))) => {
            let (name, value) = header.split_once(": ").unwrap();
            (status, [(name, value)]).into_response()
        }
    }
}

/// A prover that hands its SMS to the gateway on `port`, and trusts `authority` for that.
async fn prover(place: &Place, port: u16, authority: &Authority, settings: &str) -> Server {
    std::fs::write(place.path("gateway-ca.pem"), authority.pem()).unwrap();
    let secret = place.path("secret");
    service::secret_file::write(&secret, SECRET).unwrap();
    let courier = format!(
        "[courier.sms]\n\
         kind = 'webhook'\n\
         url = 'https://127.0.0.1:{port}/sms'\n\
         secret_file = '{}'\n\
         tls = {{ ca = '{}' }}\n\
         {settings}",
        secret.display(),
        place.path("gateway-ca.pem").display()
    );
    Server::start(place, place.config(&courier)).await
}

#[tokio::test]
async fn a_code_comes_by_a_signed_request() {
    let (place, authority) = (Place::new(), Authority::new());
    let gateway = Gateway::start(&place, &authority.server("127.0.0.1"), &[]).await;
    let server = prover(&place, gateway.port, &authority, "").await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let [(headers, message)] = &gateway.received()[..] else { panic!("not one message") };
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(message["to"], "+14155552671");
    assert_eq!(message["id"], challenged.id().to_string());
    assert_eq!((message["language"].as_str(), message["expires_in_seconds"].as_u64()), (Some("en"), Some(600)));
    let text = message["text"].as_str().unwrap();
    let code = &text[..8];
    assert!(text.ends_with(&format!("\n@a.example #{code}")));
    let credential = offer(&msp, &challenged, code).await.unwrap();
    assert!(challenged.credential(&credential, &place.trust()).is_ok());
    server.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_passes_is_tried_again_under_the_same_key() {
    let (place, authority) = (Place::new(), Authority::new());
    let busy = [
        (StatusCode::SERVICE_UNAVAILABLE, None),
        (StatusCode::TOO_MANY_REQUESTS, Some("retry-after: 1")),
        (StatusCode::INTERNAL_SERVER_ERROR, None),
    ];
    let gateway = Gateway::start(&place, &authority.server("127.0.0.1"), &busy).await;
    let server = prover(&place, gateway.port, &authority, "").await;
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    let first = gateway.received();
    assert_eq!(first.len(), 4);
    let keys: Vec<_> = first.iter().map(|(headers, _)| headers["idempotency-key"].clone()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]) && first.iter().all(|(_, message)| *message == first[0].1));
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    let (headers, _) = gateway.received().pop().unwrap();
    assert_ne!(headers["idempotency-key"], keys[0]);
    server.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_is_final_and_takes_nothing_from_the_budget() {
    let (place, authority) = (Place::new(), Authority::new());
    let refusals = [(StatusCode::BAD_REQUEST, None), (StatusCode::FOUND, Some("location: https://e.example/"))];
    let gateway = Gateway::start(&place, &authority.server("127.0.0.1"), &refusals).await;
    let server = prover(&place, gateway.port, &authority, "[limits]\nper_cpi_hour = 1").await;
    let (msp, request) = (server.msp(&place), request(&place, PHONE));
    for count in 1..=2 {
        assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
        assert_eq!(gateway.received().len(), count);
    }
    assert!(msp.request(request.bytes()).await.is_ok());
    server.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn trying_ends_at_the_deadline() {
    let (place, authority) = (Place::new(), Authority::new());
    let busy = [
        (StatusCode::SERVICE_UNAVAILABLE, Some("retry-after: 3600")),
        // As long as 64 bits can say: beyond any clock.
        (StatusCode::SERVICE_UNAVAILABLE, Some("retry-after: 18446744073709551615")),
        (StatusCode::SERVICE_UNAVAILABLE, None),
    ];
    let gateway = Gateway::start(&place, &authority.server("127.0.0.1"), &busy).await;
    let settings = "delivery_timeout_ms = 100\n[limits]\nper_cpi_hour = 1";
    let server = prover(&place, gateway.port, &authority, settings).await;
    let (msp, request) = (server.msp(&place), request(&place, PHONE));
    // Neither the gateway's wishes nor the next pause fit; nothing was sent, so nothing is counted.
    for count in 1..=3 {
        assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
        assert_eq!(gateway.received().len(), count);
    }
    assert!(msp.request(request.bytes()).await.is_ok());
    server.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_that_may_have_been_sent_counts() {
    let place = Place::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = "timeout_ms = 100\ndelivery_timeout_ms = 150\n[limits]\nper_cpi_hour = 1";
    let server = prover(&place, silent.local_addr().unwrap().port(), &Authority::new(), settings).await;
    let (msp, request) = (server.msp(&place), request(&place, PHONE));
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::RateLimited);
    server.stop().await;
}

#[tokio::test]
async fn a_gateway_of_another_authority_or_name_gets_nothing() {
    let (place, authority) = (Place::new(), Authority::new());
    for certified in [Authority::new().server("127.0.0.1"), authority.server("sms.example")] {
        let gateway = Gateway::start(&place, &certified, &[]).await;
        let server = prover(&place, gateway.port, &authority, "delivery_timeout_ms = 100").await;
        let refused = server.msp(&place).request(request(&place, PHONE).bytes()).await;
        assert_eq!(problem_type(refused), ProblemType::DeliveryFailed);
        assert!(gateway.received().is_empty());
        server.stop().await;
        gateway.stop().await;
    }
}
