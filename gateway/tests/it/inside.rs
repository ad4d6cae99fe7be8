//! What is answered inside the capsule: everything after it has been opened. [`Scene::ask`] insists on that.

use bhttp::Message;
use bytes::Bytes;
use gateway::TargetError;
use http::Response;
use service::RetryAfter;

use crate::scene::{SEAL_BYTES, Scene, binary, lookup};

fn message(method: &str, scheme: &str, authority: &str, path: &str) -> Message {
    Message::request(method.into(), scheme.into(), authority.into(), path.into())
}

#[tokio::test]
async fn answers_are_padded_to_buckets() {
    let scene = Scene::start().await;
    for (bytes, bucket) in [(0, 512), (400, 512), (600, 1024), (1000, 1024), (1100, 4096), (4000, 4096), (4096, 8192)] {
        scene.target.answers(move |_| Ok(Response::new(Bytes::from(vec![7; bytes]))));
        let answer = scene.look_up(b"").await;
        assert_eq!((answer.message.content().len(), answer.binary_bytes), (bytes, bucket));
        assert_eq!(answer.sealed_bytes, bucket + SEAL_BYTES);
    }
}

#[tokio::test]
async fn status_and_fields_of_the_target_come_back() {
    let scene = Scene::start().await;
    scene.target.answers(|_| {
        let response = Response::builder().status(404).header("content-type", "application/cbor");
        Ok(response.header("connection", "x-hop").header("x-hop", "1").body(Bytes::from("none")).unwrap())
    });
    let answer = scene.look_up(b"").await;
    assert_eq!((answer.status(), answer.message.content()), (404, &b"none"[..]));
    assert_eq!(
        (answer.field("content-type"), answer.field("x-hop"), answer.field("connection")),
        (Some("application/cbor"), None, None)
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_not_asked() {
    let scene = Scene::start().await;
    for request in [
        message("POST", "https", "other.example", "/v1/lookup"),
        message("POST", "https", "store.example:8443", "/v1/lookup"),
        message("POST", "https", "store.example", "/v1/mappings"),
        message("POST", "https", "store.example", "/v1/lookup?a=b"),
        message("POST", "https", "store.example", "/v1/lookup/"),
        message("POST", "https", "store.example", "/v1/../v1/lookup"),
        message("GET", "https", "store.example", "/v1/lookup"),
        message("post", "https", "store.example", "/v1/lookup"),
    ] {
        scene.ask(&request).await.assert_problem(403, "target-not-allowed");
    }
    assert!(scene.target.asked().is_empty());
    assert_eq!(scene.ask(&message("POST", "https", "STORE.example", "/v1/lookup")).await.status(), 200);
    assert_eq!(
        scene.ask(&message("GET", "https", "store.example", "/.well-known/mimi-protocol-directory")).await.status(),
        200
    );
}

#[tokio::test]
async fn a_segment_that_may_be_any_is_one_plain_segment() {
    let scene = Scene::start().await;
    for segment in ["", ".", "..", "a.example/b", "a%2Fb", "%2e%2e", "a;b", "a@b", "a.example?b=c"] {
        let request = message("POST", "https", "store.example", &format!("/v1/identifierQuery/{segment}"));
        scene.ask(&request).await.assert_problem(403, "target-not-allowed");
    }
    for path in ["/v1/identifierQuery", "/v1/identifierquery/a.example", "//v1/identifierQuery/a.example"] {
        scene.ask(&message("POST", "https", "store.example", path)).await.assert_problem(403, "target-not-allowed");
    }
    assert!(scene.target.asked().is_empty());
    let request = message("POST", "https", "store.example", "/v1/identifierQuery/xn--bcher-kva.example:443");
    assert_eq!(scene.ask(&request).await.status(), 200);
}

#[tokio::test]
async fn an_expectation_is_refused() {
    let scene = Scene::start().await;
    let mut request = lookup(b"");
    request.put_header("expect", "100-continue");
    scene.ask(&request).await.assert_problem(417, "gateway-expectation-failed");
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn injected_and_malformed_requests_are_refused() {
    let scene = Scene::start().await;
    let mut requests = vec![
        message("POST", "http", "store.example", "/v1/lookup"),
        message("POST", "https", "", "/v1/lookup"),
        message("POST", "https", "store.example", "/v1/lookup\r\nx: y"),
        message("POST", "https", "user@store.example", "/v1/lookup"),
        message("PO ST", "https", "store.example", "/v1/lookup"),
    ];
    for (name, value) in [
        ("x", "a\r\ny: b"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("X", "a"),
        ("x y", "a"),
        ("x\r\ny", "a"),
        (":path", "/"),
    ] {
        let mut request = lookup(b"");
        request.put_header(name, value);
        requests.push(request);
    }
    let mut with_trailer = lookup(b"");
    with_trailer.put_trailer("x", "y");
    requests.push(with_trailer);
    for request in requests {
        scene.ask(&request).await.assert_problem(400, "gateway-malformed-request");
    }
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn a_truncated_binary_message_is_refused() {
    let scene = Scene::start().await;
    let whole = binary(&lookup(b"what is asked"));
    // The last byte is the length of the empty trailers, which may be left away (RFC 9292 §3.8).
    let last = whole.len() - 1;
    for length in [0, 1, 5, 20, last - 13, last - 1] {
        scene.ask_binary(&whole[..length]).await.assert_problem(400, "gateway-malformed-request");
    }
    let mut trailed = whole.clone();
    trailed.extend([0, 0, 1]);
    scene.ask_binary(&trailed).await.assert_problem(400, "gateway-malformed-request");
    scene.ask_binary(b"\x01\x40\xc8").await.assert_problem(400, "gateway-malformed-request");
    assert!(scene.target.asked().is_empty());
    assert_eq!(scene.ask_binary(&whole).await.status(), 200);
}

#[tokio::test]
async fn a_target_that_fails() {
    let scene = Scene::start().await;
    scene.target.answers(|_| Err(TargetError::Unavailable(RetryAfter(7))));
    let answer = scene.look_up(b"").await;
    answer.assert_problem(503, "target-unavailable");
    assert_eq!(answer.field("retry-after"), Some("7"));
    scene.target.answers(|_| Err(TargetError::Timeout));
    scene.look_up(b"").await.assert_problem(504, "target-timeout");
    scene.target.answers(|_| Err(TargetError::TooLarge));
    scene.look_up(b"").await.assert_problem(502, "target-answer-too-large");
}

/// A replay repeats an idempotent read; nothing remembers it.
#[tokio::test]
async fn a_replayed_capsule_is_answered_again() {
    let scene = Scene::start().await;
    let (capsule, opener) = crate::scene::seal(&scene.plain_keys().await, &binary(&lookup(b"again")));
    let first = scene.post(capsule.clone()).await;
    let second = scene.post(capsule).await;
    assert_ne!(first.body(), second.body(), "each answer is sealed under a nonce of its own");
    assert_eq!(crate::scene::Opened::new(&second, opener).message.content(), b"again");
}
