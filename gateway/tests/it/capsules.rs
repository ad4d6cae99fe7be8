//! What is answered in the clear: everything up to the opening of the capsule.

use http::{Method, Request};

use crate::harness::{Client, endless, whole};
use crate::scene::{CAPSULE, PATH, Scene, assert_problem, assert_type, binary, lookup, seal};

#[tokio::test]
async fn a_capsule_goes_to_the_target_and_its_answer_back() {
    let scene = Scene::start().await;
    let mut message = lookup(b"what is asked");
    message.put_header("x-mine", "1");
    let answer = scene.ask(&message).await;
    assert_eq!((answer.status(), answer.message.content()), (200, &b"what is asked"[..]));
    let asked = scene.target.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method(), asked[0].uri().to_string().as_str()),
        (&Method::POST, "https://store.example/v1/lookup")
    );
    assert_eq!(asked[0].body(), "what is asked");
    assert_eq!(
        (&asked[0].headers()["content-type"], &asked[0].headers()["x-mine"]),
        (&"application/cbor".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!(asked[0].headers().len(), 2);
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let scene = Scene::start().await;
    let relay = scene.authority.issue("relay-1", &["relay.example"]);
    let client = Client::http1(&scene.authority.client_tls(Some(&relay)));
    let (capsule, opener) = seal(&scene.plain_keys().await, &binary(&lookup(b"one")));
    let answer = client.send(scene.request(CAPSULE, whole(capsule))).await.unwrap();
    assert_eq!(crate::scene::Opened::new(&answer, opener).message.content(), b"one");
}

#[tokio::test]
async fn an_unknown_key_or_suite_is_a_key_problem() {
    let scene = Scene::start().await;
    let (capsule, _) = seal(&scene.plain_keys().await, &binary(&lookup(b"")));
    // Key identifier; KEM; KDF; AEAD.
    for at in [0, 2, 4, 6] {
        let mut changed = capsule.clone();
        changed[at] ^= 0x40;
        let answer = scene.post(changed).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (422, &"application/problem+json".parse().unwrap())
        );
        assert_type(answer.body(), "https://iana.org/assignments/http-problem-types#ohttp-key");
    }
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn what_does_not_open_is_malformed() {
    let scene = Scene::start().await;
    let (capsule, _) = seal(&scene.plain_keys().await, &binary(&lookup(b"")));
    let mut garbage = capsule.clone();
    garbage[7..].fill(0xa5);
    let mut changed = capsule.clone();
    *changed.last_mut().unwrap() ^= 1;
    for body in [&garbage[..], &changed, &capsule[..capsule.len() - 1], &capsule[..7], &capsule[..1], b""] {
        assert_problem(&scene.post(body.to_vec()).await, 400, "gateway-malformed-capsule");
    }
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn a_capsule_over_the_limit() {
    let scene = Scene::with(|config, _| config.exchange.max_request_bytes = 5000).await;
    let keys = scene.plain_keys().await;
    let overhead = seal(&keys, b"").0.len();
    let mut content = binary(&lookup(b"padded"));
    content.resize(5000 - overhead, 0);
    assert_eq!(scene.ask_binary(&content).await.status(), 200);
    content.push(0);
    let (capsule, _) = seal(&keys, &content);
    assert_eq!(capsule.len(), 5001);
    assert_problem(&scene.post(capsule).await, 413, "gateway-too-large");
    let answer = scene.client.send(scene.request(CAPSULE, endless())).await.unwrap();
    assert_problem(&answer, 413, "gateway-too-large");
}

#[tokio::test]
async fn a_capsule_that_never_ends() {
    let scene = Scene::with(|config, _| config.exchange.body_timeout_ms = 100).await;
    let (sender, body) = crate::harness::written_bit_by_bit();
    sender.send("the beginning".into()).await.unwrap();
    let answer = scene.client.send(scene.request(CAPSULE, body)).await.unwrap();
    assert_problem(&answer, 408, "gateway-request-timeout");
}

#[tokio::test]
async fn other_media_types_methods_and_paths() {
    let scene = Scene::start().await;
    let (capsule, _) = seal(&scene.plain_keys().await, &binary(&lookup(b"")));
    for media_type in
        ["application/cbor", "message/ohttp-res", "message/ohttp-chunked-req", "message/ohttp-req; a=b", ""]
    {
        let answer = scene.client.send(scene.request(media_type, whole(capsule.clone()))).await.unwrap();
        assert_problem(&answer, 415, "gateway-unsupported-media-type");
    }
    let without = Request::post(scene.url(PATH)).body(whole(capsule.clone())).unwrap();
    assert_problem(&scene.client.send(without).await.unwrap(), 415, "gateway-unsupported-media-type");
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri(scene.url(PATH)).header("content-type", CAPSULE);
        let answer = scene.client.send(request.body(whole(capsule.clone())).unwrap()).await.unwrap();
        assert_problem(&answer, 405, "gateway-method-not-allowed");
        assert_eq!(answer.headers()["allow"], "GET, HEAD, POST");
    }
    for path in ["/", "/v1/lookup", "/.well-known/ohttp-gateway/"] {
        let request = Request::post(scene.url(path)).header("content-type", CAPSULE);
        let answer = scene.client.send(request.body(whole(capsule.clone())).unwrap()).await.unwrap();
        assert_problem(&answer, 404, "gateway-not-found");
    }
    assert!(scene.target.asked().is_empty());
}
