//! Backups of a running store; restored elsewhere, and brought forward before anybody is served from them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mapping_store::backup::{self, BackupError};
use mapping_store::config::StoreConfig;
use mapping_store::follow::{FollowConfig, FollowError, Follower, PlaybackError};
use mapping_store::import::{Import, ImportError, Imported, import};
use mapping_store::storage::StorageError;
use mapping_store::{OpenError, Store, verify};
use protocol::lookup::Outcome;
use service::CancellationToken;

use crate::feed::entries;
use crate::papers::{DAY, NOW, Paper, number, signed_removal};
use crate::place::{Place, Server};

/// A place with the keys of `place`, and nothing else.
fn successor(place: &Place) -> Place {
    let elsewhere = Place::new();
    for key in ["hash.key", "receipt.key"] {
        std::fs::copy(place.path(key), elsewhere.path(key)).unwrap();
    }
    elsewhere
}

fn store_of(place: &Place) -> StoreConfig {
    place.config().store
}

async fn back_up(place: &Place) -> PathBuf {
    let folder = place.path("backup");
    backup::create(&store_of(place), &folder, &place.clock()).await.unwrap();
    folder
}

async fn restore(place: &Place, backup: &Path) -> Result<backup::Description, BackupError> {
    backup::restore(&store_of(place), backup, false, &place.clock()).await
}

fn to_bring_forward(place: &Place) -> Store {
    assert!(matches!(Store::open(&store_of(place), place.clock()), Err(OpenError::Restored(_))));
    Store::open_to_bring_forward(&store_of(place), place.clock()).unwrap()
}

async fn bring_forward(source: &Server, tls: &Place, store: &Store) -> Result<bool, FollowError> {
    let config = FollowConfig { url: source.base(), tls: tls.follower_tls(), wait_seconds: 0 };
    Follower::new(&config, store.clone()).unwrap().bring_forward(&CancellationToken::new()).await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).collect()
}

/// Under load, through the running store: as of one moment, whole, and without any key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_store_is_backed_up_under_load() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let (next, acknowledged) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (store, stop) = (server.store.clone(), stop.clone());
            let (next, acknowledged) = (Arc::clone(&next), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let paper = Paper::of(next.fetch_add(1, Ordering::SeqCst));
                    store.publish(&paper.bytes()).await.unwrap();
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while acknowledged.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    let before = u64::from(acknowledged.load(Ordering::SeqCst));
    let backup = back_up(&place).await;
    let after = u64::from(next.load(Ordering::SeqCst));
    stop.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let description = backup::check(&backup).unwrap();
    assert!((before..=after).contains(&description.heads[0]), "{before} {after} {description:?}");
    let copy = StoreConfig { folder: backup::database_of(&backup).unwrap(), ..store_of(&place) };
    let copy = Store::open_read_only(&copy, place.clock()).unwrap();
    let verified = verify::verify(&copy, |_, _| {}).await.unwrap();
    assert_eq!((verified.faults, verified.documents), (Vec::new(), description.heads[0]));
    for key in ["hash.key", "receipt.key"] {
        let text = std::fs::read_to_string(place.path(key)).unwrap();
        let (text, bytes) = (text.trim().as_bytes(), hex::decode(text.trim()).unwrap());
        for file in files(&backup).into_iter().chain(files(&backup.join("database"))) {
            let content = std::fs::read(&file).unwrap();
            let holds = |key: &[u8]| content.windows(key.len()).any(|window| window == key);
            assert!(!holds(text) && !holds(&bytes), "{}", file.display());
        }
    }
    server.stop().await;
}

/// From the original's own log: the same documents under the same numbers; what was withdrawn since stays withdrawn.
#[tokio::test]
async fn a_restored_backup_is_brought_forward_before_it_is_served() {
    let place = Place::new();
    let source = Server::start(&place).await;
    for n in 0..20 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let backup = back_up(&place).await;
    source.publish_paper(&Paper::withdrawal(3, 2)).await;
    source.remove(signed_removal(&number(4), NOW.plus(Duration::from_secs(1)))).await;
    for n in 20..30 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let elsewhere = successor(&place);
    assert_eq!(restore(&elsewhere, &backup).await.unwrap().heads, [20]);
    let store = to_bring_forward(&elsewhere);
    assert!(bring_forward(&source, &place, &store).await.unwrap());
    drop(store);
    let restored = Server::start(&elsewhere).await;
    let all: Vec<_> = (0..30).map(number).collect();
    assert_eq!(restored.lookup(all.clone()).await, source.lookup(all).await);
    assert_eq!(restored.lookup_one(&number(3)).await.outcome, Outcome::NeverMapped);
    assert_eq!(entries(&restored.get("/v1/changes").await), entries(&source.get("/v1/changes").await));
    // The tombstone holds: what was withdrawn does not come back.
    let stale = restored.publish(Paper { seq: 2, ..Paper::of(3) }.bytes()).await;
    assert_eq!(stale.status(), http::StatusCode::CONFLICT);
    source.stop().await;
    restored.stop().await;
    let verified = verify::verify(&elsewhere.open(), |_, _| {}).await.unwrap();
    assert_eq!((verified.faults, verified.documents), (Vec::new(), 32));
}

#[tokio::test]
async fn a_source_whose_log_is_another_brings_nothing_forward() {
    let (place, other) = (Place::new(), Place::new());
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    server.publish_paper(&Paper::of(2)).await;
    let backup = back_up(&place).await;
    server.stop().await;
    let elsewhere = successor(&place);
    restore(&elsewhere, &backup).await.unwrap();
    let source = Server::start(&other).await;
    let store = to_bring_forward(&elsewhere);
    source.publish_paper(&Paper::of(2)).await;
    assert!(matches!(bring_forward(&source, &other, &store).await, Err(FollowError::WentBack)));
    source.publish_paper(&Paper::of(1)).await;
    assert!(matches!(bring_forward(&source, &other, &store).await, Err(FollowError::OtherLog(1 | 2))));
    assert!(store.is_to_be_brought_forward().await.unwrap());
    source.stop().await;
}

/// A standby has the documents, under numbers of its own.
#[tokio::test]
async fn a_standby_of_another_name_brings_the_documents() {
    let (place, standby) = (Place::new(), Place::new());
    let store = place.open();
    store.publish(&Paper::of(1).bytes()).await.unwrap();
    let backup = back_up_stopped(&place, store).await;
    let mut config = standby.config();
    config.store.provider = "standby.example".to_owned();
    let source = Server::start_with(&standby, config).await;
    for n in [2, 1] {
        source.publish_paper(&Paper::of(n)).await;
    }
    let elsewhere = successor(&place);
    restore(&elsewhere, &backup).await.unwrap();
    let store = to_bring_forward(&elsewhere);
    assert!(bring_forward(&source, &standby, &store).await.unwrap());
    assert_eq!(store.check().await.unwrap().live, 2);
    drop(store);
    drop(elsewhere.open());
    source.stop().await;
}

async fn back_up_stopped(place: &Place, store: Store) -> PathBuf {
    drop(store);
    back_up(place).await
}

#[tokio::test]
async fn a_kept_feed_brings_a_backup_forward() {
    let place = Place::new();
    let source = Server::start(&place).await;
    for n in 0..5 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let backup = back_up(&place).await;
    source.publish_paper(&Paper::withdrawal(1, 2)).await;
    for n in 5..9 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let kept = source.get("/v1/changes?after=3").await;
    source.stop().await;
    let elsewhere = successor(&place);
    restore(&elsewhere, &backup).await.unwrap();
    let file = elsewhere.path("feed.cbor-seq");
    let playing = |content: Vec<u8>| {
        std::fs::write(&file, content).unwrap();
        let what = Import { file: file.clone(), report: None, brings_forward: true };
        let (config, clock) = (store_of(&elsewhere), elsewhere.clock());
        async move { import(&config, clock, &what, |_| {}).await }
    };
    // A gap: an entry after the backup's last is missing.
    let gap: Vec<u8> = skip_items(kept.body(), 3);
    let refused = playing(gap).await.unwrap_err();
    assert!(matches!(refused, ImportError::Playback(PlaybackError::OtherLog(at)) if at.number == 7), "{refused}");
    let refused = playing(Paper::of(77).bytes()).await.unwrap_err();
    assert!(matches!(refused, ImportError::NoFeed(0)), "{refused}");
    assert!(matches!(Store::open(&store_of(&elsewhere), place.clock()), Err(OpenError::Restored(5))));
    let imported = playing(kept.body().to_vec()).await.unwrap();
    assert_eq!(imported, Imported { taken: 5, known: 2, refused: 0 });
    let restored = Server::start(&elsewhere).await;
    assert_eq!(restored.get("/v1/changes?after=3").await.body(), kept.body());
    assert_eq!(restored.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    restored.stop().await;
}

fn skip_items(mut sequence: &[u8], count: usize) -> Vec<u8> {
    for _ in 0..count {
        sequence = protocol::cbor::split_first(sequence, 8192).unwrap().1;
    }
    sequence.to_vec()
}

#[tokio::test]
async fn a_loss_may_be_accepted() {
    let place = Place::new();
    place.open().publish(&Paper::of(1).bytes()).await.unwrap();
    let backup = back_up(&place).await;
    let elsewhere = successor(&place);
    backup::restore(&store_of(&elsewhere), &backup, true, &place.clock()).await.unwrap();
    assert_eq!(elsewhere.open().check().await.unwrap().live, 1);
}

#[tokio::test]
async fn nothing_is_put_over_something_or_from_something_else() {
    let place = Place::new();
    place.open().publish(&Paper::of(1).bytes()).await.unwrap();
    let backup = back_up(&place).await;
    let again = backup::create(&store_of(&place), &backup, &place.clock()).await;
    assert!(matches!(again, Err(BackupError::NotEmpty(_))));
    assert!(matches!(restore(&place, &backup).await, Err(BackupError::NotEmpty(_))));
    let elsewhere = successor(&place);
    assert!(matches!(restore(&elsewhere, &place.path("database")).await, Err(BackupError::Format(_))));
    let mut config = store_of(&elsewhere);
    config.provider = "other.example".to_owned();
    let refused = backup::restore(&config, &backup, false, &place.clock()).await;
    assert!(matches!(refused, Err(BackupError::Provider { .. })));
    // Without the key under which it was made, nothing would be found in it.
    std::fs::remove_file(elsewhere.path("hash.key")).unwrap();
    assert!(matches!(restore(&elsewhere, &backup).await, Err(BackupError::Open(OpenError::HashKey(_)))));
    let stranger = Place::new();
    drop(stranger.open());
    std::fs::remove_dir_all(stranger.path("database")).unwrap();
    assert!(matches!(restore(&stranger, &backup).await, Err(BackupError::Open(OpenError::HashKey(_)))));
    assert!(!stranger.path("database").exists() && !elsewhere.path("database").exists());
}

/// What is not there is not made by looking for it.
#[tokio::test]
async fn nothing_is_backed_up_or_read_where_nothing_is() {
    let place = Place::new();
    drop(place.open());
    let mistyped = StoreConfig { folder: place.path("mistyped"), ..store_of(&place) };
    let made = backup::create(&mistyped, &place.path("backup"), &place.clock()).await;
    assert!(matches!(made, Err(BackupError::Storage(StorageError::Open { folder, .. })) if folder == mistyped.folder));
    assert!(backup::database_of(&place.path("backup")).is_none());
    let read = Store::open_read_only(&mistyped, place.clock());
    assert!(matches!(read, Err(OpenError::Storage(StorageError::Open { .. }))));
    assert!(!mistyped.folder.exists());
}

/// Every file, one bit each.
#[tokio::test]
async fn a_flipped_bit_in_a_backup_is_found_and_named() {
    let place = Place::new();
    let store = place.open();
    for n in 0..50 {
        store.publish(&Paper::of(n).bytes()).await.unwrap();
    }
    let backup = back_up_stopped(&place, store).await;
    let elsewhere = successor(&place);
    let mut flipped = 0;
    for file in files(&backup.join("database")) {
        let whole = std::fs::read(&file).unwrap();
        if whole.is_empty() {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x10;
        std::fs::write(&file, damaged).unwrap();
        let found = backup::check(&backup).unwrap_err();
        assert!(matches!(&found, BackupError::Damaged(named) if *named == file), "{found}");
        assert!(matches!(restore(&elsewhere, &backup).await, Err(BackupError::Damaged(_))));
        assert!(!elsewhere.path("database").exists());
        std::fs::write(&file, whole).unwrap();
        flipped += 1;
    }
    assert!(flipped >= 4);
    restore(&elsewhere, &backup).await.unwrap();
    assert_eq!(
        std::fs::read_dir(elsewhere.folder.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().contains("restoring") })
            .count(),
        0
    );
    drop(to_bring_forward(&elsewhere));
    place.advance(DAY);
}
