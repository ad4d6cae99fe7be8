//! Bad input gets a message that names the broken rule, and the exit status of its kind.

use client::verify::verify;
use discovery::enroll::{now, read_trust, read_trust_file};
use protocol::SigningKey;
use protocol::authenticated::MappingError;

use crate::scene::{Scene, key};

const NUMBER: &str = "tel:+14155550132";

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_that_are_none_are_refused_by_their_rule() {
    let scene = Scene::start().await;
    for (text, rule) in [
        ("+1 555", "7 to 15 digits"),
        ("+999 1234567", "country code"),
        ("call me", "letters"),
        ("0151 23456789", "region"),
        ("bob@", "domain"),
        ("bob@@example.com", "dot-atom"),
        ("bob@localhost", "two labels"),
        ("bo b@example.com", "spaces"),
    ] {
        let ran = scene.discovery(&["lookup", "--stack", "STACK", text]).await;
        assert_eq!(ran.status, 2, "{text}: {ran:?}");
        assert!(ran.stderr.contains(rule), "{text}: {ran:?}");
        assert!(ran.stdout.is_empty());
    }
}

/// Any bit of a published mapping, flipped: no verification, no panic, and the store takes it for no publication either.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_found_wherever_it_is() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let document = scene.look_up(NUMBER).await.mappings[0].bytes().to_vec();
    let trust = read_trust(scene.description()).unwrap();
    assert!(verify(&document, &trust.provers, now()).is_ok());
    for bit in 0..document.len() * 8 {
        let mut flipped = document.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&flipped, &trust.provers, now()).is_err(), "bit {bit} may be flipped");
    }
    for length in 0..document.len() {
        assert!(verify(&document[..length], &trust.provers, now()).is_err(), "cut to {length} octets it verifies");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prover_that_is_not_trusted_proves_nothing() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let document = scene.look_up(NUMBER).await.mappings[0].bytes().to_vec();

    // The same prover's name with another key, in a trust file of the asker's own.
    let trust = std::fs::read_to_string(&scene.description().trust).unwrap();
    let genuine = read_trust(scene.description()).unwrap().provers.iter().next().unwrap().keys[0];
    let other = SigningKey::from_seed(&[5; 32]).public();
    let distrustful = trust.replace(&hex::encode(genuine.as_bytes()), &hex::encode(other.as_bytes()));
    assert_ne!(trust, distrustful);
    let file = scene.file("distrustful.toml");
    std::fs::write(&file, distrustful).unwrap();
    let provers = read_trust_file(&file).unwrap().provers;
    assert_eq!(verify(&document, &provers, now()).unwrap_err(), MappingError::UntrustedProver);

    // The command: it verifies nothing, finds nothing, and says why.
    std::fs::write(scene.file("found.mapping"), &document).unwrap();
    let ran = scene.discovery(&["verify", "--trust", "distrustful.toml", "found.mapping"]).await;
    assert_eq!((ran.status, ran.stdout.contains("trusted")), (1, true), "{ran:?}");
    let mut description = scene.description().clone();
    description.trust = file;
    description.write(&scene.file("distrustful.json")).unwrap();
    let ran = scene.discovery(&["lookup", "--stack", "distrustful.json", "+14155550132"]).await;
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stdout.contains("not found") && ran.stdout.contains("does not count"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_is_connection_trouble() {
    let scene = Scene::start().await;
    let (file, description) = (scene.stack.file().to_owned(), scene.description().clone());
    let copy = scene.file("down.json");
    assert!(file.exists());
    // A port that was free a moment ago, on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = |url: &str| {
        let mut url: http::uri::Parts = url.parse::<http::Uri>().unwrap().into_parts();
        url.authority = Some(format!("127.0.0.1:{port}").parse().unwrap());
        http::Uri::from_parts(url).unwrap().to_string()
    };
    let mut down = description.clone();
    (down.relay_url, down.keys_url) = (dead(&description.relay_url), dead(&description.keys_url));
    down.write(&copy).unwrap();
    let ran = scene.discovery(&["lookup", "--stack", "down.json", "+14155550132"]).await;
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.stderr.starts_with("discovery: network: "), "{ran:?}");
    assert!(ran.stderr.contains("Try again"), "{ran:?}");
}
