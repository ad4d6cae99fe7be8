//! The published keys.

use bytes::Bytes;
use documents::key_configuration::KeyConfiguration;
use documents::time::Timestamp;
use gateway::config::{AeadName, KemName};
use http::{Method, Request, Response, StatusCode};
use ohttp::KeyConfig;

use crate::harness::whole;
use crate::scene::{Opened, PATH, PLAIN, SIGNED, Scene, assert_problem, binary, lookup, seal};

fn max_age(response: &Response<Bytes>) -> u64 {
    let control = response.headers()["cache-control"].to_str().unwrap();
    control.strip_prefix("public, max-age=").unwrap().parse().unwrap()
}

fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

#[tokio::test]
async fn the_plain_form_is_what_standard_clients_read() {
    let scene = Scene::start().await;
    for accept in [PLAIN, "*/*", "application/*", "application/ohttp-keys, application/mimi-ohttp-keys+cwt;q=0.5"] {
        let answer = scene.fetch_keys(accept).await;
        assert_eq!((answer.status(), &answer.headers()["content-type"]), (StatusCode::OK, &PLAIN.parse().unwrap()));
        assert_eq!(answer.headers()["vary"], "Accept");
        assert!((1..=24 * 3600).contains(&max_age(&answer)));
        let configs = KeyConfig::decode_list(answer.body()).unwrap();
        assert_eq!(configs.len(), 1);
    }
    assert_problem(&scene.fetch_keys("text/html").await, 406, "gateway-not-acceptable");
}

#[tokio::test]
async fn the_signed_form_holds_the_plain_one_under_the_providers_key() {
    let scene = Scene::start().await;
    let answer = scene.fetch_keys(SIGNED).await;
    assert_eq!((answer.status(), &answer.headers()["content-type"]), (StatusCode::OK, &SIGNED.parse().unwrap()));
    assert_eq!(answer.headers()["vary"], "Accept");
    let signed = KeyConfiguration::verify(answer.body(), &scene.keys.signing_key(), now()).unwrap();
    assert_eq!(signed.document().issuer, "provider.example");
    assert_eq!(signed.document().ohttp_keys, scene.plain_keys().await);
    assert!(signed.document().expires_at > now());
    assert!(max_age(&answer) <= 24 * 3600);
}

#[tokio::test]
async fn a_known_form_is_not_sent_again() {
    let scene = Scene::start().await;
    let ask = async |method: Method, accept: &str, tag: &str| {
        let request = Request::builder().method(method).uri(scene.url(PATH)).header("accept", accept);
        scene.client.send(request.header("if-none-match", tag).body(whole("")).unwrap()).await.unwrap()
    };
    let tag = async |accept: &str| scene.fetch_keys(accept).await.headers()["etag"].to_str().unwrap().to_owned();
    let (plain, signed) = (tag(PLAIN).await, tag(SIGNED).await);
    assert_ne!(plain, signed);
    for (accept, tag) in [(PLAIN, &plain), (SIGNED, &signed)] {
        let known = ask(Method::GET, accept, tag).await;
        assert_eq!((known.status(), known.body().len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(known.headers()["etag"], tag.as_str());
        assert!(max_age(&known) > 0);
    }
    let other = ask(Method::GET, PLAIN, &signed).await;
    assert_eq!((other.status(), other.body().is_empty()), (StatusCode::OK, false));
    let head = ask(Method::HEAD, PLAIN, "\"none\"").await;
    assert_eq!(
        (head.status(), head.body().len(), &head.headers()["etag"]),
        (StatusCode::OK, 0, &plain.parse().unwrap())
    );
    scene.keys.rotate().unwrap();
    for (accept, tag) in [(PLAIN, &plain), (SIGNED, &signed)] {
        assert_eq!(ask(Method::GET, accept, tag).await.status(), StatusCode::OK, "a rotation makes another form");
    }
}

#[tokio::test]
async fn every_published_suite_opens() {
    let scene = Scene::with(|config, _| {
        config.keys.kems = vec![KemName::XWing, KemName::X25519];
        config.keys.aeads = vec![AeadName::ChaCha20Poly1305, AeadName::Aes128Gcm];
    })
    .await;
    let configs = KeyConfig::decode_list(&scene.plain_keys().await).unwrap();
    assert_eq!(configs.len(), 2);
    for mut config in configs {
        let request = ohttp::ClientRequest::from_config(&mut config).unwrap();
        let (capsule, opener) = request.encapsulate(&binary(&lookup(b"asked"))).unwrap();
        let binary = opener.decapsulate(scene.post(capsule).await.body()).unwrap();
        let message = bhttp::Message::read_bhttp(&mut std::io::Cursor::new(&binary)).unwrap();
        assert_eq!(message.content(), b"asked");
    }
}

#[tokio::test]
async fn keys_persist_across_a_restart() {
    let scene = Scene::start().await;
    let before = scene.plain_keys().await;
    let (old, old_opener) = seal(&before, &binary(&lookup(b"old")));
    scene.keys.rotate().unwrap();
    let (keys, provider) = (scene.plain_keys().await, scene.keys.signing_key());
    assert_ne!(keys, before);
    let (new, new_opener) = seal(&keys, &binary(&lookup(b"new")));

    let scene = scene.restart().await;
    assert_eq!(Opened::new(&scene.post(new).await, new_opener).message.content(), b"new");
    assert_eq!(Opened::new(&scene.post(old).await, old_opener).message.content(), b"old");
    assert_eq!(scene.plain_keys().await, keys);
    let signed = scene.fetch_keys(SIGNED).await;
    assert!(KeyConfiguration::verify(signed.body(), &provider, now()).is_ok());
}

#[tokio::test]
async fn a_kem_taken_out_of_the_settings_is_published_no_more() {
    let mut scene = Scene::with(|config, _| config.keys.kems = vec![KemName::XWing, KemName::X25519]).await;
    let before = scene.plain_keys().await;
    assert_eq!(KeyConfig::decode_list(&before).unwrap().len(), 2);
    scene.config.keys.kems = vec![KemName::X25519];
    let scene = scene.restart().await;
    assert_eq!(KeyConfig::decode_list(&scene.plain_keys().await).unwrap().len(), 1);
    // A client with the old configuration is served all the same.
    let mut old = KeyConfig::decode_list(&before).unwrap().remove(0);
    let (capsule, opener) =
        ohttp::ClientRequest::from_config(&mut old).unwrap().encapsulate(&binary(&lookup(b""))).unwrap();
    assert!(opener.decapsulate(scene.post(capsule).await.body()).is_ok());
}

#[tokio::test]
async fn secrets_are_kept_from_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::start().await;
    scene.keys.rotate().unwrap();
    let files: Vec<_> = std::fs::read_dir(scene.folder()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|file| file.metadata().unwrap().permissions().mode() & 0o777 == 0o600));
}
