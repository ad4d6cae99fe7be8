//! A contact book kept up to date: what is fresh is not asked for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client::cache::{Cache, Change, Freshness};
use client::lookup::{Client, Progress};
use ohttp::hpke::Kem;
use protocol::Timestamp;
use protocol::cpi::Cpi;
use protocol::mapping::State;

use crate::fixtures::{HOLDER, NOW, number, signed, trust};
use crate::server::{Manner, Server, listed, new_key, signed_keys};

const HOUR: Duration = Duration::from_secs(3600);

/// A server, a client whose clock can be set, and a book of which the first hundred are mapped.
struct Scene {
    server: Server,
    client: Client,
    clock: Arc<AtomicU64>,
    book: Vec<Cpi>,
}

impl Scene {
    async fn new(contacts: usize) -> Self {
        let server = Server::start().await;
        let book: Vec<Cpi> = (0..contacts).map(number).collect();
        for cpi in book.iter().take(100) {
            server.publish(cpi.clone(), vec![signed(cpi, HOLDER, "mimi://a.example", &[], 1, State::Live)]);
        }
        let clock = Arc::new(AtomicU64::new(NOW.seconds()));
        let time = Arc::clone(&clock);
        let builder = server.builder().concurrency(1.try_into().unwrap());
        let client = builder.clock(move || Timestamp::from_seconds(time.load(Ordering::SeqCst))).build().unwrap();
        Self { server, client, clock, book }
    }

    /// Sets the clock on, and gives the gateway keys of that time.
    fn pass(&self, time: Duration) {
        let now = NOW.plus(time);
        self.clock.store(now.seconds(), Ordering::SeqCst);
        self.server.publish_key(&new_key(9, Kem::X25519Sha256), now);
    }

    fn asked_since(&self, requests: usize) -> BTreeSet<Cpi> {
        self.server.asked()[requests..].iter().flat_map(|asked| asked.cpis.clone()).collect()
    }
}

#[tokio::test]
async fn only_what_is_new_or_stale_is_asked_for_again() {
    let scene = Scene::new(200).await;
    let mut cache = Cache::new(Freshness::default());
    let first = scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!((first.kept, first.progress.answered, first.changed.len(), first.interrupted), (0, 200, 100, None));

    let requests = scene.server.asked().len();
    let second = scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!((second.kept, second.progress.total, scene.server.asked().len()), (200, 0, requests));

    // An hour later what was not found may have come.
    scene.pass(HOUR);
    scene.server.publish(number(150), vec![signed(&number(150), HOLDER, "mimi://b.example", &[], 1, State::Live)]);
    let third = scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!((third.kept, third.changed.as_slice()), (100, &[(number(150), Change::New)][..]));
    assert_eq!(scene.asked_since(requests), (100..200).map(number).collect());

    // A new contact, alone.
    let requests = scene.server.asked().len();
    let mut book = scene.book.clone();
    book.push(number(500));
    assert_eq!(scene.client.sync(&book, &mut cache, |_| ()).await.progress.answered, 1);
    assert_eq!(scene.asked_since(requests), BTreeSet::from([number(500)]));

    // After a week everything is asked for again, and a mapping that was withdrawn is gone.
    scene.pass(HOUR * 24 * 7);
    scene.server.publish(number(3), Vec::new());
    let last = scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!((last.kept, last.changed.as_slice()), (0, &[(number(3), Change::Gone)][..]));
    assert!(cache.find(&number(3), &trust().provers, NOW.plus(HOUR * 24 * 7)).unwrap().mappings.is_empty());
}

#[tokio::test]
async fn an_interrupted_synchronisation_goes_on_where_it_was() {
    let scene = Scene::new(200).await;
    let mut cache = Cache::new(Freshness::default());
    scene.server.then([Manner::Well, Manner::Well, Manner::NoCapsule]);
    let mut last = Progress::default();
    let synced = scene.client.sync(&scene.book, &mut cache, |progress| last = progress).await;
    assert_eq!(synced.interrupted.map(|error| error.fault), Some(client::Fault::Relay));
    assert_eq!((synced.progress, cache.len()), (Progress { answered: 128, unanswered: 64, total: 200 }, 128));
    assert_eq!(last, synced.progress);
    let synced = scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!((synced.kept, synced.progress.answered, synced.interrupted), (128, 72, None));
}

/// Across a restart, too: the cache remembers when the newest keys were signed.
#[tokio::test]
async fn much_older_keys_than_the_cache_has_seen_are_refused() {
    let scene = Scene::new(1).await;
    let mut cache = Cache::new(Freshness::default());
    scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    assert_eq!(cache.newest_keys(), NOW);
    let mut cache = Cache::from_bytes(&cache.to_bytes(), Freshness::default()).unwrap();
    scene.server.serve_keys(signed_keys(listed(&[new_key(2, Kem::X25519Sha256)]), 9, NOW.minus(HOUR * 19)));
    let restarted = scene.server.client();
    let synced = restarted.sync(&[number(7)], &mut cache, |_| ()).await;
    assert!(synced.interrupted.unwrap().message.contains("older key configuration"));
    assert_eq!(scene.server.capsules(), 1);
}

/// A restart that leads to another relay of the fleet, which has fetched its copy from another gateway, or earlier.
#[tokio::test]
async fn an_honest_relay_may_have_an_earlier_copy() {
    let scene = Scene::new(1).await;
    let mut cache = Cache::new(Freshness::default());
    scene.client.sync(&scene.book, &mut cache, |_| ()).await;
    let mut cache = Cache::from_bytes(&cache.to_bytes(), Freshness::default()).unwrap();

    let other = Server::start().await;
    other.publish_key(&new_key(2, Kem::X25519Sha256), NOW.minus(HOUR * 18));
    let synced = other.client().sync(&[number(7)], &mut cache, |_| ()).await;
    assert_eq!((synced.interrupted, synced.progress.answered, other.capsules()), (None, 1, 1));
    assert_eq!(cache.newest_keys(), NOW, "the newest is remembered, not the last");
}
