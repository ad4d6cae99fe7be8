//! The gateway's keys: stale, spoiled, rolled back, unknown, post-quantum.

use std::time::Duration;

use client::Fault;
use ohttp::hpke::Kem;
use protocol::CLOCK_SKEW;

use crate::fixtures::{NOW, cpi, document};
use crate::server::{Manner, Server, listed, new_key, signed_keys};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

async fn asks(client: &client::Client) -> Result<usize, client::Error> {
    client.lookup(&[cpi()], |_| ()).await.map(|found| found[0].mappings.len())
}

#[tokio::test]
async fn a_stale_key_is_refreshed_once() {
    let server = Server::start().await;
    server.publish(cpi(), vec![document("mimi://a.example", &[])]);
    let client = server.client();
    assert_eq!(asks(&client).await, Ok(1));
    assert_eq!((server.key_fetches(), server.capsules()), (1, 1));
    server.forget_keys();
    server.publish_key(&new_key(2, Kem::X25519Sha256), NOW.plus(HOUR / 60));
    assert_eq!(asks(&client).await, Ok(1));
    assert_eq!((server.key_fetches(), server.capsules()), (2, 3));
    assert_eq!(asks(&client).await, Ok(1));
    assert_eq!((server.key_fetches(), server.capsules()), (2, 4));
}

#[tokio::test]
async fn a_key_that_stays_unknown_makes_no_loop() {
    let server = Server::start().await;
    server.always(Manner::UnknownKey);
    let error = asks(&server.client()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Gateway);
    assert_eq!((server.key_fetches(), server.capsules()), (2, 2));
}

#[tokio::test]
async fn keys_under_another_signature_are_refused() {
    let server = Server::start().await;
    let keys = listed(&[new_key(1, Kem::X25519Sha256)]);
    for (signer, issued_at, rule) in
        [(8, NOW, "another key"), (9, NOW.minus(HOUR * 48), "expired"), (9, NOW.plus(HOUR), "in the future")]
    {
        server.serve_keys(signed_keys(keys.clone(), signer, issued_at));
        let error = asks(&server.client()).await.unwrap_err();
        assert!(error.message.contains(rule), "{error}");
        assert_eq!((error.fault, error.is_passing()), (Fault::Gateway, false));
    }
    server.serve_keys(b"no document".to_vec());
    assert_eq!(asks(&server.client()).await.unwrap_err().fault, Fault::Gateway);
    assert_eq!(server.capsules(), 0, "nothing was ever sealed to such a key");
}

/// Gateways and relays in good order have copies that differ by three quarters of their life, and the clock skew, at most.
#[tokio::test]
async fn a_much_older_configuration_than_before_is_refused() {
    let latest = HOUR * 18 + CLOCK_SKEW;
    let server = Server::start().await;
    let client = server.client();
    assert_eq!(asks(&client).await, Ok(0));
    server.serve_keys(signed_keys(listed(&[new_key(2, Kem::X25519Sha256)]), 9, NOW.minus(latest + SECOND)));
    server.then([Manner::UnknownKey]);
    let error = asks(&client).await.unwrap_err();
    assert_eq!(error.fault, Fault::Relay);
    assert!(error.message.contains("older key configuration"));
    assert_eq!(asks(&client).await, Ok(0), "the newer key is still good");

    // Another copy is not, and is used.
    server.publish_key(&new_key(3, Kem::X25519Sha256), NOW.minus(latest));
    server.then([Manner::UnknownKey]);
    assert_eq!(asks(&client).await, Ok(0));
    // What was taken does not open the way to older ones: the newest that was ever seen counts.
    server.publish_key(&new_key(4, Kem::X25519Sha256), NOW.minus(latest + SECOND));
    server.then([Manner::UnknownKey]);
    assert_eq!(asks(&client).await.unwrap_err().fault, Fault::Relay);
}

/// Reserved (GREASE) values, an unknown KEM, an unknown suite before the good one.
#[tokio::test]
async fn unknown_keys_and_suites_are_stepped_over() {
    let known = new_key(5, Kem::X25519Sha256);
    let server = Server::with_key(&known).await;
    let encoded = known.encode().unwrap();
    let mut with_grease = encoded[..35].to_vec();
    with_grease.extend([0, 8, 0x1a, 0x1a, 0x2a, 0x2a, 0, 1, 0, 1]);
    let of = |body: &[u8]| [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    let list = [of(&[7, 0x4a, 0x4a, 1, 2, 3, 0, 4, 0, 1, 0, 1]), of(&[]), of(&with_grease)].concat();
    server.serve_keys(signed_keys(list, 9, NOW));
    assert_eq!(asks(&server.client()).await, Ok(0));
    let grease_alone = of(&[7, 0x4a, 0x4a, 1, 2, 3, 0, 4, 0, 1, 0, 1]);
    server.serve_keys(signed_keys(grease_alone, 9, NOW));
    let error = asks(&server.client()).await.unwrap_err();
    assert_eq!((error.fault, error.is_passing()), (Fault::Gateway, false));
}

#[tokio::test]
async fn the_post_quantum_key_is_used_where_there_is_one() {
    let classic = new_key(1, Kem::X25519Sha256);
    let server = Server::with_key(&classic).await;
    assert_eq!(asks(&server.client()).await, Ok(0));
    let post_quantum = new_key(2, Kem::XWing);
    server.take_key(&post_quantum);
    server.serve_keys(signed_keys(listed(&[classic, post_quantum]), 9, NOW));
    assert_eq!(asks(&server.client()).await, Ok(0));
    let sizes: Vec<_> = server.asked().iter().map(|asked| asked.capsule_bytes).collect();
    assert_eq!(sizes[1] - sizes[0], 1120 - 32, "an encapsulated key of X-Wing in place of one of X25519");
}
