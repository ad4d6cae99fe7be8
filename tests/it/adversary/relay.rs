//! A lying relay, between a client and the true relay.

use client::Fault;
use client::lookup::Client;
use discovery::enroll::read_trust;
use protocol::cpi::Cpi;
use protocol::key_configuration::{self, KeyConfiguration};
use protocol::lookup::Outcome;
use protocol::{Signed, Unverified};

use crate::between::{Between, Lie};
use crate::scene::{Scene, key};

const NUMBER: &str = "tel:+14155550132";

async fn scene() -> (Scene, Between) {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let upstream = scene.description().relay_url.trim_end_matches('/').to_owned();
    let liar = Between::start(&scene, &upstream, None).await;
    (scene, liar)
}

fn client(scene: &Scene, liar: &Between) -> Client {
    let stack = scene.description();
    let uri = |text: &str| text.parse().unwrap();
    let (capsules, keys) = (uri(&liar.url("/")), uri(&liar.url("/.well-known/ohttp-gateway")));
    let ca = std::fs::read(&stack.ca_cert).unwrap();
    let builder = Client::builder(capsules, keys, uri(&stack.lookup_url), read_trust(stack).unwrap(), ca);
    builder.build().unwrap()
}

async fn ask(client: &Client) -> Result<Outcome, client::Error> {
    let found = client.lookup(&[Cpi::parse(NUMBER).unwrap()], |_| ()).await?;
    Ok(found[0].outcome)
}

/// The signed key configuration that the true relay serves.
async fn configuration(scene: &Scene) -> bytes::Bytes {
    let uri = scene.description().keys_url.parse().unwrap();
    scene.http(None).get(&uri, key_configuration::MEDIA_TYPE).await.unwrap().into_body()
}

/// Prevented: keys of its own. Nothing is sent to them, so the relay reads nothing.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_its_own_are_not_used() {
    let (scene, liar) = scene().await;
    let honest = Unverified::<KeyConfiguration>::parse(&configuration(&scene).await).unwrap();
    let own = Signed::sign(honest.unverified_document().clone(), &key());
    liar.lie(Lie::Keys(own.bytes().to_vec().into()));
    let error = ask(&client(&scene, &liar)).await.unwrap_err();
    assert_eq!(error.fault, Fault::Gateway, "{error}");
    assert!(liar.seen().iter().all(|seen| seen.method == http::Method::GET), "no capsule was sent");
}

/// Prevented: a changed capsule is not opened by the gateway, a changed or other answer not by the client.
#[tokio::test(flavor = "multi_thread")]
async fn changed_capsules_and_answers_do_not_open() {
    let (scene, liar) = scene().await;
    let asker = client(&scene, &liar);
    assert_eq!(ask(&asker).await.unwrap(), Outcome::OneMapping);
    for lie in [Lie::Question, Lie::Answer, Lie::OldAnswer] {
        liar.lie(lie);
        let error = ask(&asker).await.unwrap_err();
        assert_eq!(error.fault, Fault::Gateway, "{error}");
    }
    liar.lie(Lie::None);
    assert_eq!(ask(&asker).await.unwrap(), Outcome::OneMapping);
}

/// Harmless: a capsule sent twice is a read done twice; the client gets either answer. The gateway's budget counts both
/// (`gateway/tests/it/limits.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_capsule_is_a_read_and_no_more() {
    let (scene, liar) = scene().await;
    liar.lie(Lie::Twice);
    assert_eq!(ask(&client(&scene, &liar)).await.unwrap(), Outcome::OneMapping);
    assert_eq!(ask(&client(&scene, &liar)).await.unwrap(), Outcome::OneMapping);
}

/// Clients told apart by the keys that they are given: the relay has no other keys to give than those that the provider has
/// signed. A client that has seen newer ones by three quarters of their life detects it; honest copies differ by as much. Another one does
/// not; comparing what two clients got shows it (`discovery keys provider` compares relays), and it ends with the
/// configuration's life.
#[tokio::test(flavor = "multi_thread")]
async fn clients_split_by_keys_are_told_by_time_alone() {
    let (scene, liar) = scene().await;
    let old = configuration(&scene).await;
    // Times are whole seconds: the next configuration must be later.
    let issued = |bytes: &[u8]| Unverified::<KeyConfiguration>::parse(bytes).unwrap().unverified_document().clone();
    let (asker, gateway) = (client(&scene, &liar), scene.description().gateway_url.parse().unwrap());
    let relay = scene.relay_identity();
    let http = scene.http(Some((std::fs::read(relay.certificate).unwrap(), std::fs::read(relay.key).unwrap())));
    let new = loop {
        scene.stack.keys().rotate().unwrap();
        let new = http.get(&gateway, key_configuration::MEDIA_TYPE).await.unwrap().into_body();
        if issued(&new).issued_at > issued(&old).issued_at {
            break new;
        }
        tokio::task::yield_now().await;
    };
    assert_ne!(issued(&new).ohttp_keys, issued(&old).ohttp_keys);

    // One client is given the new keys, another the old ones: both are the provider's, and each client is content.
    liar.lie(Lie::Keys(new.clone()));
    assert_eq!(ask(&asker).await.unwrap(), Outcome::OneMapping);
    liar.lie(Lie::Keys(old.clone()));
    assert_eq!(ask(&client(&scene, &liar)).await.unwrap(), Outcome::OneMapping, "a new client cannot tell");

    // What tells: the time of what was seen before, which a cache keeps from one start to the next. Here it is of a
    // configuration that was signed when the old one ended.
    let returning = client(&scene, &liar);
    let mut cache = client::cache::Cache::new(client::cache::Freshness::default());
    cache.see_keys(issued(&old).expires_at);
    let synced = returning.sync(&[Cpi::parse(NUMBER).unwrap()], &mut cache, |_| ()).await;
    let error = synced.interrupted.expect("it detects the older keys");
    assert_eq!(error.fault, Fault::Relay, "{error}");
    // And side by side: two different signed configurations of overlapping times.
    assert!(issued(&old).expires_at > issued(&new).issued_at);
}
