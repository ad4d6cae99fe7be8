//! The relay's copy of the key configuration.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use crate::harness::{eventually, whole};
use crate::scene::{PLAIN, SIGNED, Scene, assert_problem};

fn max_age(response: &Response<Bytes>) -> u64 {
    let control = response.headers()["cache-control"].to_str().unwrap();
    control.strip_prefix("public, max-age=").unwrap().parse().unwrap()
}

#[tokio::test]
async fn both_forms_are_served_by_accept() {
    let scene = Scene::start().await;
    scene.has_keys().await;
    for (accept, form, bytes) in [
        (PLAIN, PLAIN, "plain keys"),
        (SIGNED, SIGNED, "signed keys"),
        ("*/*", PLAIN, "plain keys"),
        ("application/mimi-ohttp-keys+cwt;q=1, */*;q=0.1", SIGNED, "signed keys"),
    ] {
        let response = scene.keys(accept).await;
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, bytes.as_bytes()), "{accept}");
        assert_eq!(response.headers()["content-type"], form);
        assert_eq!(response.headers()["vary"], "Accept");
        assert!((1..=3600).contains(&max_age(&response)));
    }
    let bare = scene.client().fetch(&scene.url("/provider/.well-known/ohttp-gateway")).await.unwrap();
    assert_eq!(bare.body(), "plain keys");
}

#[tokio::test]
async fn a_known_copy_is_not_sent_again() {
    let scene = Scene::start().await;
    scene.has_keys().await;
    let ask = async |method: Method, accept: &str, tag: &str| {
        let request = Request::builder().method(method).uri(scene.url("/provider/.well-known/ohttp-gateway"));
        let request = request.header("accept", accept).header("if-none-match", tag).body(whole("")).unwrap();
        scene.client().send(request).await.unwrap()
    };
    let plain = scene.keys(PLAIN).await.headers()["etag"].to_str().unwrap().to_owned();
    let signed = scene.keys(SIGNED).await.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(plain, signed);
    for (accept, tag) in [(PLAIN, &plain), (SIGNED, &signed)] {
        let known = ask(Method::GET, accept, tag).await;
        assert_eq!((known.status(), known.body().len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(known.headers()["etag"], tag.as_str());
        assert!((1..=3600).contains(&max_age(&known)));
    }
    let other = ask(Method::GET, PLAIN, &signed).await;
    assert_eq!((other.status(), other.body().as_ref()), (StatusCode::OK, &b"plain keys"[..]));
    let head = ask(Method::HEAD, PLAIN, "\"none\"").await;
    assert_eq!(
        (head.status(), head.body().len(), &head.headers()["etag"]),
        (StatusCode::OK, 0, &plain.parse().unwrap())
    );
}

#[tokio::test]
async fn keys_outlive_the_gateways_absence() {
    let mut scene = Scene::start().await;
    scene.has_keys().await;
    scene.stub.down().await;
    assert_problem(&scene.post("capsule").await, 502, "relay-gateway-unreachable");
    assert_eq!(scene.keys(PLAIN).await.body(), "plain keys");
    assert_eq!(scene.keys(SIGNED).await.body(), "signed keys");
}

#[tokio::test]
async fn without_keys_the_relay_says_so_until_it_has_them() {
    let keys = |keys: &mut crate::scene::ServedKeys| {
        (keys.plain, keys.otherwise) = (None, StatusCode::INTERNAL_SERVER_ERROR);
    };
    let scene = Scene::prepared(keys, |_| {}).await;
    assert_problem(&scene.keys(PLAIN).await, 503, "relay-no-keys");
    scene.stub.keys(|keys| keys.plain = Some("late keys"));
    scene.has_keys().await;
    assert_eq!(scene.keys(PLAIN).await.body(), "late keys");
}

#[tokio::test]
async fn a_gateway_may_do_without_the_signed_form() {
    let scene = Scene::prepared(|keys| keys.signed = None, |_| {}).await;
    scene.has_keys().await;
    assert_eq!(scene.keys(PLAIN).await.body(), "plain keys");
    assert_problem(&scene.keys(SIGNED).await, 503, "relay-no-keys");
}

/// Half a success is no success: clients of the signed form would be left without for half the life of the keys.
#[tokio::test]
async fn a_gateway_that_fails_at_the_signed_form_is_asked_again() {
    let keys = |keys: &mut crate::scene::ServedKeys| {
        (keys.signed, keys.otherwise) = (None, StatusCode::SERVICE_UNAVAILABLE);
    };
    let scene = Scene::prepared(keys, |_| {}).await;
    eventually(|| async { (scene.stub.received(Method::GET).len() >= 2).then_some(()) }).await;
    scene.stub.keys(|keys| keys.signed = Some("late signed keys"));
    eventually(|| async { (scene.keys(SIGNED).await.body() == "late signed keys").then_some(()) }).await;
}

/// A life of ten seconds, the shortest there is, is refreshed after five.
#[tokio::test]
async fn keys_are_refreshed_before_their_life_is_over() {
    let scene = Scene::prepared(|keys| keys.cache_control = "max-age=1", |_| {}).await;
    scene.has_keys().await;
    scene.stub.keys(|keys| (keys.plain, keys.signed) = (Some("next keys"), Some("next signed keys")));
    eventually(|| async { (scene.keys(PLAIN).await.body() == "next keys").then_some(()) }).await;
    assert_eq!(scene.keys(SIGNED).await.body(), "next signed keys");
}

/// Of several gateways behind one name, each form may come from another one, signed at another time.
#[tokio::test]
async fn a_copy_lives_as_long_as_the_form_that_ends_first() {
    for (plain, signed) in [("max-age=600", Some("max-age=60")), ("max-age=60", Some("max-age=600"))] {
        let keys = |keys: &mut crate::scene::ServedKeys| {
            (keys.cache_control, keys.signed_cache_control) = (plain, signed);
        };
        let scene = Scene::prepared(keys, |_| {}).await;
        scene.has_keys().await;
        for form in [PLAIN, SIGNED] {
            assert!((1..=60).contains(&max_age(&scene.keys(form).await)), "{form}, {plain}");
        }
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_gateway_that_does_not_serve_its_keys() {
    let scene =
        Scene::prepared(|keys| keys.silent = true, |config| config.exchange.first_byte_timeout_ms = 3_600_000).await;
    eventually(|| async { (!scene.stub.received(Method::GET).is_empty()).then_some(()) }).await;
    scene.stop().await;
}
