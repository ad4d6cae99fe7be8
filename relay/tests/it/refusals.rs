//! What the relay does not forward.

use http::{Method, Request};
use service::Rate;

use crate::harness::{endless, whole};
use crate::scene::{CAPSULE, GATEWAY_PATH, Scene, assert_problem};

const KEYS_PATH: &str = "/provider/.well-known/ohttp-gateway";

#[tokio::test]
async fn other_methods_paths_and_media_types() {
    let scene = Scene::start().await;
    let ask = async |method: Method, path: &str, media_type: Option<&str>| {
        let mut request = Request::builder().method(method).uri(scene.url(path));
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        scene.client().send(request.body(whole("capsule")).unwrap()).await.unwrap()
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = ask(method, "/provider", Some(CAPSULE)).await;
        assert_problem(&answer, 405, "relay-method-not-allowed");
        assert_eq!(answer.headers()["allow"], "POST");
    }
    for method in [Method::POST, Method::PUT] {
        let answer = ask(method, KEYS_PATH, Some(CAPSULE)).await;
        assert_problem(&answer, 405, "relay-method-not-allowed");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
    }
    for path in ["/", "/provider/", "/provider/x", "/Provider", "//provider", GATEWAY_PATH, "/%70rovider"] {
        assert_problem(&ask(Method::POST, path, Some(CAPSULE)).await, 404, "relay-not-found");
    }
    for media_type in
        [None, Some("application/json"), Some("message/ohttp-res"), Some("message/ohttp-req; a=b"), Some("")]
    {
        assert_problem(&ask(Method::POST, "/provider", media_type).await, 415, "relay-unsupported-media-type");
    }
    assert!(scene.stub.received(Method::POST).is_empty());
}

#[tokio::test]
async fn a_capsule_over_the_limit() {
    let scene = Scene::with(|config| config.exchange.max_request_bytes = 5000).await;
    assert_eq!(scene.post(vec![7; 5000]).await.status(), 200);
    assert_eq!(scene.stub.capsule().body.unwrap().len(), 5000);
    // Declared: refused unread.
    assert_problem(&scene.post(vec![7; 5001]).await, 413, "relay-too-large");
    assert_eq!(scene.stub.received(Method::POST).len(), 1);
    // Undeclared: cut off on the way.
    let answer = scene.client().send(scene.capsule(endless())).await.unwrap();
    assert_problem(&answer, 413, "relay-too-large");
    assert!(scene.stub.received(Method::POST)[1..].iter().all(|received| received.body.is_none()));
}

#[tokio::test]
async fn an_address_over_its_rate() {
    let scene = Scene::with(|config| config.limits.per_address = Rate::new(3, 3600)).await;
    for _ in 0..3 {
        assert_eq!(scene.post("capsule").await.status(), 200);
    }
    let answer = scene.post("capsule").await;
    assert_problem(&answer, 429, "relay-rate-limited");
    let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1200).contains(&seconds), "{seconds}");
    assert_problem(&scene.keys("*/*").await, 429, "relay-rate-limited");
    assert_eq!(scene.stub.received(Method::POST).len(), 3);
}

#[tokio::test]
async fn all_together_over_the_rate() {
    let scene = Scene::with(|config| config.limits.total = Rate::new(2, 3600)).await;
    assert_eq!(scene.post("capsule").await.status(), 200);
    assert_eq!(scene.post("capsule").await.status(), 200);
    assert_problem(&scene.post("capsule").await, 429, "relay-rate-limited");
}
