//! `discovery doctor`: a deployment that is well, and some that are not.

use protocol::SigningKey;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_stack_is_well() {
    let scene = Scene::start().await;
    let ran = scene.discovery(&["doctor", "--stack", "STACK"]).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout.lines().filter(|line| line.starts_with("well   ")).count(), 9, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let scene = Scene::start().await;
    let trust = std::fs::read_to_string(&scene.description().trust).unwrap();
    let read = discovery::enroll::read_trust(scene.description()).unwrap();
    let other = hex::encode(SigningKey::from_seed(&[5; 32]).public().as_bytes());
    let prover = read.provers.iter().next().unwrap().keys[0];
    for (key, check) in [
        (read.provider.key_configuration_key, "key configuration"),
        (read.provider.receipt_key, "mapping store"),
        (prover, "ID Prover"),
    ] {
        let mut description = scene.description().clone();
        description.trust = scene.file("other.toml");
        std::fs::write(&description.trust, trust.replace(&hex::encode(key.as_bytes()), &other)).unwrap();
        description.write(&scene.file("other.json")).unwrap();
        let ran = scene.discovery(&["doctor", "--stack", "other.json"]).await;
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stdout.contains(&format!("WRONG  {check}: ")), "{ran:?}");
    }
    let mut description = scene.description().clone();
    description.relay_url = description.store_url.clone();
    description.write(&scene.file("other.json")).unwrap();
    let ran = scene.discovery(&["doctor", "--stack", "other.json"]).await;
    assert!(ran.status == 1 && ran.stdout.contains("WRONG  an oblivious question: "), "{ran:?}");
}
