//! The hash key changes while the store serves: nothing seems to be missing at any moment, and a kill on the way loses
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use client::http::HttpClient;
use mapping_store::backup::{self, BackupError};
use mapping_store::config::StoreConfig;
use mapping_store::store::Rotating;
use mapping_store::{OpenError, Store, verify};
use protocol::lookup::{Answer, LookupRequest, Outcome};
use protocol::media;
use rand::RngExt as _;

use crate::binary::{Binary, wait_until_serving};
use crate::papers::{NOW, Paper, number, signed_removal};
use crate::place::{PUBLISHER, Place, Server};

const MANY: u32 = 900;

async fn fill(store: &Store) {
    let tasks: Vec<_> = (0..MANY)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.publish(&Paper::of(n).bytes()).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn outcome(store: &Store, n: u32) -> Outcome {
    let answered = store.lookup(&LookupRequest::new(vec![number(n)], None).unwrap()).await.unwrap();
    Answer::decode(&answered.bytes).unwrap().entries[0].outcome
}

fn keys(place: &Place) -> Vec<String> {
    std::fs::read_to_string(place.path("hash.key")).unwrap().lines().map(ToOwned::to_owned).collect()
}

async fn sound(store: &Store) {
    let verified = verify::verify(store, |_, _| {}).await.unwrap();
    assert_eq!(verified.faults, Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_and_publications_go_on_while_the_key_changes() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let store = server.store.clone();
    fill(&store).await;
    store.publish(&Paper::withdrawal(3, 2).bytes()).await.unwrap();
    store.remove(&signed_removal(&number(4), NOW.plus(Duration::from_secs(1)))).await.unwrap();
    let old = keys(&place);
    let (done, looked, published) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let lookers: Vec<_> = (0..2)
        .map(|looker| {
            let (store, done, looked) = (store.clone(), Arc::clone(&done), Arc::clone(&looked));
            tokio::spawn(async move {
                for n in (10..MANY).cycle().skip(looker * 400) {
                    assert_eq!(outcome(&store, n).await, Outcome::OneMapping, "{n}");
                    assert_eq!(outcome(&store, 3).await, Outcome::NeverMapped);
                    looked.fetch_add(1, Ordering::SeqCst);
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let asking = {
        let (binary_config, place_clock) = (place.config(), place.clock());
        tokio::spawn(async move {
            // As the operator does, through the running store.
            let command = mapping_store::command::Command::RotateHashKey;
            drop(place_clock);
            tokio::task::spawn_blocking(move || command.run(&binary_config)).await.unwrap()
        })
    };
    let mut seq = 2;
    while !asking.is_finished() {
        for n in [20, 800] {
            store.publish(&Paper { seq, ..Paper::of(n) }.bytes()).await.unwrap();
            published.fetch_add(1, Ordering::SeqCst);
        }
        seq += 1;
    }
    assert_eq!(asking.await.unwrap(), std::process::ExitCode::SUCCESS);
    done.store(true, Ordering::SeqCst);
    for looker in lookers {
        looker.await.unwrap();
    }
    assert!(looked.load(Ordering::SeqCst) > 0);
    assert!(!store.is_rotating());
    assert_eq!(server.metric("mapping_store_hash_key_moved_ratio").await, Some(1.0));
    let new = keys(&place);
    assert!(new.len() == 1 && new != old, "the old key is dropped");
    sound(&store).await;
    assert_eq!(outcome(&store, 3).await, Outcome::NeverMapped);
    server.stop().await;
    drop(store);
    // The old key opens nothing any more.
    std::fs::write(place.path("hash.key"), format!("{}\n", old[0])).unwrap();
    let refused = Store::open(&place.config().store, place.clock()).err().unwrap().to_string();
    assert!(refused.contains("another hash key"), "{refused}");
}

/// Dropped after a step, as if the process had ended there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_cut_short_goes_on_at_the_next_start() {
    let place = Place::new();
    let store = place.open();
    fill(&store).await;
    store.begin_rotation().await.unwrap();
    assert_eq!(keys(&place).len(), 2);
    let stepped = tokio::sync::Notify::new();
    tokio::select! {
        biased;
        () = stepped.notified() => {}
        done = store.rotate(|_| stepped.notify_one()) => panic!("{done:?}"),
    }
    drop(store);
    let store = place.open();
    let Rotating { done, all } = store.rotating().await.unwrap();
    assert!(store.is_rotating() && done > 0 && done < all, "{done} of {all}");
    for n in 0..MANY {
        assert_eq!(outcome(&store, n).await, Outcome::OneMapping);
    }
    sound(&store).await;
    store.publish(&Paper::withdrawal(MANY - 1, 2).bytes()).await.unwrap();
    store.sweep(10_000).await.unwrap();
    store.rotate(|_| {}).await.unwrap();
    assert_eq!((store.is_rotating(), keys(&place).len()), (false, 1));
    sound(&store).await;
    assert_eq!(store.check().await.unwrap().records, u64::from(MANY));
}

/// The binary with two keys in its file, killed at random moments under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_survives_kills_under_load() {
    let place = Place::at_present();
    let store = place.open();
    let paper = |n: u32, seq| Paper { seq, issued: place.now(), ..Paper::of(n) };
    let filling: Vec<_> = (0..MANY)
        .map(|n| {
            let (store, bytes) = (store.clone(), paper(n, 1).bytes());
            tokio::spawn(async move { store.publish(&bytes).await.unwrap() })
        })
        .collect();
    for task in filling {
        task.await.unwrap();
    }
    drop(store);
    let old = keys(&place).remove(0);
    std::fs::write(place.path("hash.key"), format!("{}\n{old}\n", hex::encode([0x77; 32]))).unwrap();
    let binary = Binary::new(&place);
    let mut last = [1_u64; 3];
    for _ in 0..4 {
        let mut process = binary.start(&[]);
        let http: HttpClient = place.client(Some(PUBLISHER));
        wait_until_serving(&http, &binary.base()).await;
        let uri: http::Uri = format!("{}/v1/mappings", binary.base()).parse().unwrap();
        for _ in 0..rand::rng().random_range(0..8) {
            for (index, n) in [5, 450, MANY - 1].into_iter().enumerate() {
                let bytes = paper(n, last[index] + 1).bytes();
                let answer = http.post(&uri, media::AUTHENTICATED_MAPPING, bytes.into()).await.unwrap();
                assert!(answer.status().is_success(), "{answer:?}");
                last[index] += 1;
            }
        }
        process.kill();
    }
    let store = place.open();
    store.rotate(|_| {}).await.unwrap();
    assert_eq!(keys(&place), [hex::encode([0x77; 32])]);
    sound(&store).await;
    let checked = store.check().await.unwrap();
    assert_eq!((checked.records, checked.live), (u64::from(MANY), u64::from(MANY)));
    for (index, n) in [5, 450, MANY - 1].into_iter().enumerate() {
        let again = store.publish(&paper(n, last[index]).bytes()).await.unwrap();
        assert!(matches!(again, mapping_store::Published::Known(_)));
    }
}

#[tokio::test]
async fn a_key_that_is_lost_is_not_made_anew() {
    let place = Place::new();
    place.open().publish(&Paper::of(1).bytes()).await.unwrap();
    std::fs::remove_file(place.path("hash.key")).unwrap();
    let refused = Store::open(&place.config().store, place.clock()).err().unwrap().to_string();
    assert!(refused.contains("nothing is found"), "{refused}");
    assert!(!place.path("hash.key").exists());
}

/// Nor is the one that signs receipts: not to serve, to read or to restore.
#[tokio::test]
async fn a_receipt_key_that_is_lost_is_not_made_anew() {
    let place = Place::new();
    place.open().publish(&Paper::of(1).bytes()).await.unwrap();
    let (config, kept) = (place.config().store, place.path("backup"));
    let lost = place.path("receipt.key");
    std::fs::remove_file(&lost).unwrap();
    for open in [Store::open, Store::open_to_bring_forward, Store::open_read_only] {
        let opened = open(&config, place.clock());
        assert!(matches!(opened, Err(OpenError::NoReceiptKey(file)) if file == lost));
    }
    // A copy is made without any key.
    backup::create(&config, &kept, &place.clock()).await.unwrap();
    let elsewhere = StoreConfig { folder: place.path("elsewhere"), ..config.clone() };
    let restored = backup::restore(&elsewhere, &kept, true, &place.clock()).await;
    assert!(matches!(restored, Err(BackupError::Open(OpenError::NoReceiptKey(file))) if file == lost));
    assert!(!elsewhere.folder.exists());
    // Of a new database likewise, once it has been opened with one.
    let new = StoreConfig { folder: place.path("new"), hash_key_file: place.path("new.key"), ..config };
    drop(Store::open(&new, place.clock()).unwrap());
    std::fs::remove_file(&lost).unwrap();
    assert!(matches!(Store::open(&new, place.clock()), Err(OpenError::NoReceiptKey(_))));
    assert!(!lost.exists());
}

/// With a folder that is mistyped, the key of the database that is meant stays.
#[tokio::test]
async fn no_key_is_changed_where_no_database_is() {
    let place = Place::at_present();
    drop(place.open());
    let before = keys(&place);
    let changed = Binary::of(&place, "mistyped", "").run(&["rotate-hash-key"]);
    assert_eq!(changed.status.code(), Some(2));
    assert_eq!(keys(&place), before);
    assert!(!place.path("mistyped").exists());
}
