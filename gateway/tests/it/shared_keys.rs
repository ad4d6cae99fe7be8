//! Three gateways behind one name, with one chain of keys and clocks that differ: keys come from any of them, capsules go to any, while
//! epochs pass. Nobody fails, and all of them serve the same octets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use documents::time::Timestamp;
use gateway::KeyRing;
use gateway::config::Config;
use gateway::keys::Clock;
use http::Request;

use crate::harness::{Authority, Client, eventually, whole};
use crate::scene::{CAPSULE, Opened, PATH, PLAIN, Running, SIGNED, StubTarget, binary, config, lookup, seal};

const START: u64 = 1_800_000_000;
const ROTATION: u64 = 7 * 24 * 3600;
const CACHE: u64 = 24 * 3600;
/// How far the three clocks are off, in seconds.
const CLOCKS: [i64; 3] = [0, 150, -150];
const EPOCHS: u64 = 6;
/// Steps of the clock in an epoch: a quarter of the cache life each. None ends where a configuration is signed anew.
const STEPS: u64 = 28;
const TASKS: usize = 3;

struct Replica {
    config: Config,
    keys: Arc<KeyRing>,
    running: Running,
    _folder: tempfile::TempDir,
}

struct Fleet {
    /// One after another, whoever is asked next.
    turn: AtomicU64,
    addresses: [String; 3],
    client: Client,
    now: Arc<AtomicU64>,
    answered: [AtomicU64; TASKS],
    failed: AtomicU64,
    done: AtomicBool,
}

impl Fleet {
    fn next(&self, path: &str) -> String {
        let turn = usize::try_from(self.turn.fetch_add(1, Ordering::SeqCst)).unwrap();
        format!("https://{}{path}", self.addresses[turn % self.addresses.len()])
    }

    async fn keys(&self) -> Bytes {
        let request = Request::get(self.next(PATH)).header("accept", PLAIN).body(whole("")).unwrap();
        self.client.send(request).await.unwrap().into_body()
    }

    /// The signed form that each of them serves.
    async fn signed_keys(&self) -> [Bytes; 3] {
        let mut served = [const { Bytes::new() }; 3];
        for (address, served) in self.addresses.iter().zip(&mut served) {
            let request = Request::get(format!("https://{address}{PATH}")).header("accept", SIGNED);
            *served = self.client.send(request.body(whole("")).unwrap()).await.unwrap().into_body();
        }
        served
    }

    /// Asks until it is done. Keys are used for half of their cache life, since the clock may take two steps while a request is under way.
    async fn keep_asking(self: Arc<Self>, task: usize) {
        let mut fetched = self.now.load(Ordering::SeqCst);
        let mut keys = self.keys().await;
        for number in 0_u64.. {
            if self.done.load(Ordering::SeqCst) {
                return;
            }
            let now = self.now.load(Ordering::SeqCst);
            if now >= fetched + CACHE / 2 {
                (keys, fetched) = (self.keys().await, now);
            }
            let question = number.to_be_bytes();
            let (capsule, opener) = seal(&keys, &binary(&lookup(&question)));
            let request = Request::post(self.next(PATH)).header("content-type", CAPSULE).body(whole(capsule)).unwrap();
            let answer = self.client.send(request).await.unwrap();
            let good = answer.status() == 200 && Opened::new(&answer, opener).message.content() == question;
            if !good {
                self.failed.fetch_add(1, Ordering::SeqCst);
            }
            self.answered[task].fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn clock(now: &Arc<AtomicU64>, ahead: i64) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || Timestamp::from_seconds(now.load(Ordering::SeqCst).saturating_add_signed(ahead)))
}

fn settings(authority: &Authority, folder: &tempfile::TempDir) -> Config {
    let mut config = config(authority, folder.path());
    (config.keys.shared, config.keys.rotation_seconds, config.keys.cache_seconds) = (true, ROTATION, CACHE);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_rotate_under_load_without_a_word_between_them() {
    let (authority, now) = (Authority::new(), Arc::new(AtomicU64::new(START)));
    let origin = tempfile::tempdir().unwrap();
    let made = settings(&authority, &origin).keys;
    KeyRing::make_shared(&made, &clock(&now, 0)).unwrap();
    let mut replicas = Vec::new();
    for ahead in CLOCKS {
        let folder = tempfile::tempdir().unwrap();
        let config = settings(&authority, &folder);
        std::fs::copy(&made.state_file, &config.keys.state_file).unwrap();
        std::fs::copy(&made.signing_key_file, &config.keys.signing_key_file).unwrap();
        let keys = Arc::new(KeyRing::open(&config.keys, clock(&now, ahead)).unwrap());
        let running = Running::start(&config, Arc::clone(&keys), StubTarget::new()).await;
        replicas.push(Replica { config, keys, running, _folder: folder });
    }
    let relay = authority.issue("relay", &["relay.example"]);
    let fleet = Arc::new(Fleet {
        turn: AtomicU64::new(0),
        addresses: [0, 1, 2].map(|n| replicas[n].running.address.to_string()),
        client: Client::http2(&authority.client_tls(Some(&relay))),
        now: Arc::clone(&now),
        answered: [const { AtomicU64::new(0) }; TASKS],
        failed: AtomicU64::new(0),
        done: AtomicBool::new(false),
    });
    let first = fleet.keys().await;
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(Arc::clone(&fleet).keep_asking(task))).collect();
    let mut signed = BTreeSet::new();
    let seen = || fleet.answered.each_ref().map(|answered| answered.load(Ordering::SeqCst));
    for _ in 0..EPOCHS * STEPS {
        // Nobody is left behind by more than a step.
        let before = seen();
        let is_on = || seen().iter().zip(&before).all(|(seen, before)| *seen > *before + 1);
        eventually(|| async { is_on().then_some(()) }).await;
        now.fetch_add(ROTATION / STEPS, Ordering::SeqCst);
        for replica in &replicas {
            replica.keys.tend().unwrap();
        }
        let [one, others @ ..] = fleet.signed_keys().await;
        assert_eq!(others, [one.clone(), one.clone()], "a client cannot tell which gateway its relay asked");
        signed.insert(one);
    }
    assert_eq!(signed.len() as u64, EPOCHS * STEPS / 2, "each half of the cache life has one");
    fleet.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(fleet.failed.load(Ordering::SeqCst), 0);
    assert!(seen().into_iter().all(|answered| answered > EPOCHS * STEPS));
    let last = fleet.keys().await;
    assert_ne!(last[2], first[2], "the key identifier has changed");
    // One that stops and comes back has the same keys, from its own copy.
    let Replica { config, running, _folder, .. } = replicas.remove(0);
    running.stop().await;
    let again = KeyRing::open(&config.keys, clock(&now, 0)).unwrap();
    assert_eq!(again.newest_id(), replicas[0].keys.newest_id());
}
