//! Which relays are let in.

use http::Response;
use service::ClientCertificates;
use sha2::{Digest as _, Sha256};

use crate::harness::{Authority, Client, whole};
use crate::scene::{CAPSULE, Scene, assert_problem, binary, lookup, seal};

async fn post(scene: &Scene, client: &Client) -> Option<Response<bytes::Bytes>> {
    let (capsule, _) = seal(&scene.plain_keys().await, &binary(&lookup(b"")));
    client.send(scene.request(CAPSULE, whole(capsule))).await.ok()
}

#[tokio::test]
async fn a_relay_is_let_in_by_a_name_in_its_certificate() {
    let scene = Scene::start().await;
    let named = scene.authority.issue("named", &["other.example", "Relay.Example"]);
    assert_eq!(post(&scene, &scene.client_as(Some(&named))).await.unwrap().status(), 200);
    for names in [&["stranger.example"][..], &["a.relay.example"], &["relay.example.org"], &["127.0.0.1"], &[]] {
        let stranger = scene.authority.issue("stranger", names);
        let answer = post(&scene, &scene.client_as(Some(&stranger))).await.unwrap();
        assert_problem(&answer, 403, "gateway-relay-not-allowed");
    }
    assert_eq!(scene.target.asked().len(), 1);
}

#[tokio::test]
async fn a_relay_is_let_in_by_the_fingerprint_of_its_certificate() {
    let mut identity = None;
    let scene = Scene::with(|config, authority| {
        let known = authority.issue("known", &["known.example"]);
        config.relays.fingerprints = vec![hex::encode(Sha256::digest(&known.der)).to_uppercase()];
        identity = Some(known);
    })
    .await;
    assert_eq!(post(&scene, &scene.client_as(identity.as_ref())).await.unwrap().status(), 200);
    let renewed = scene.authority.issue("renewed", &["known.example"]);
    assert_problem(&post(&scene, &scene.client_as(Some(&renewed))).await.unwrap(), 403, "gateway-relay-not-allowed");
}

#[tokio::test]
async fn without_a_certificate_nobody_is_let_in() {
    let scene = Scene::start().await;
    assert!(post(&scene, &scene.client_as(None)).await.is_none());
    let scene = Scene::with(|config, _| {
        config.listener.tls.as_mut().unwrap().client_certificates = ClientCertificates::Optional;
    })
    .await;
    assert_problem(&post(&scene, &scene.client_as(None)).await.unwrap(), 403, "gateway-relay-not-allowed");
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_whatever_its_name() {
    let (scene, other) = (Scene::start().await, Authority::new());
    let forged = other.issue("forged", &["relay.example"]);
    let mut tls = scene.authority.client_tls(None);
    (tls.certificate, tls.key) = (Some(forged.certificate.clone()), Some(forged.key.clone()));
    assert!(post(&scene, &Client::http2(&tls)).await.is_none());
    assert!(scene.target.asked().is_empty());
}

#[tokio::test]
async fn an_open_gateway_takes_capsules_from_anybody() {
    let scene = Scene::with(|config, _| {
        config.relays.names.clear();
        config.relays.open = true;
        let tls = config.listener.tls.as_mut().unwrap();
        (tls.client_certificates, tls.client_ca) = (ClientCertificates::None, None);
    })
    .await;
    assert_eq!(post(&scene, &scene.client_as(None)).await.unwrap().status(), 200);
}
