//! How often a relay may ask, counted in what its requests cost.

use service::Rate;

use crate::harness::{Client, whole};
use crate::scene::{CAPSULE, Scene, assert_problem, binary, lookup, seal};

async fn limited(count: u32) -> Scene {
    Scene::with(|config, _| config.limits.per_relay = Rate::new(count, 3600)).await
}

/// How many of these capsules are answered before one is refused.
async fn answered(scene: &Scene, client: &Client) -> usize {
    let keys = scene.plain_keys().await;
    for number in 0..100 {
        let (capsule, _) = seal(&keys, &binary(&lookup(b"")));
        let answer = client.send(scene.request(CAPSULE, whole(capsule))).await.unwrap();
        if answer.status() != 200 {
            assert_problem(&answer, 429, "gateway-rate-limited");
            let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=3600).contains(&seconds), "{seconds}");
            return number;
        }
    }
    panic!("there is no limit");
}

#[tokio::test]
async fn each_relay_has_a_budget_of_its_own() {
    let scene = limited(5).await;
    assert_eq!(answered(&scene, &scene.client).await, 5);
    let second = scene.authority.issue("second", &["relay.example"]);
    assert_eq!(answered(&scene, &scene.client_as(Some(&second))).await, 5);
    assert_eq!(scene.target.asked().len(), 10);
}

/// Requests that look up much are no way round the limit.
#[tokio::test]
async fn the_budget_is_spent_by_cost() {
    let scene = limited(100).await;
    scene.target.costs(64);
    assert_eq!(answered(&scene, &scene.client).await, 2);
    let scene = limited(100).await;
    scene.target.costs(10);
    assert_eq!(answered(&scene, &scene.client).await, 10);
}

#[tokio::test]
async fn keys_are_free() {
    let scene = limited(1).await;
    answered(&scene, &scene.client).await;
    assert_eq!(scene.fetch_keys("*/*").await.status(), 200);
}
