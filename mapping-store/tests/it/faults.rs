//! Disks that are full, read-only or damaged: the store refuses, says why, and serves what it can.
//!
//! Full and read-only disks are small file systems in memory or in a file; they need the right to mount. Without it these
//! tests say so and end.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::StatusCode;
use mapping_store::{OpenError, Store};
use protocol::problem::ProblemType;

use crate::papers::{Paper, number};
use crate::place::{Place, Server, refused};

const IMAGE_BYTES: u64 = 48 << 20;
const REMOUNT_DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// A small file system of its own, gone with its guard.
struct Disk(PathBuf);

fn mount(arguments: &[&str], at: &Path) -> bool {
    let done = Command::new("mount").args(arguments).arg(at).output();
    done.is_ok_and(|output| output.status.success())
}

impl Disk {
    fn new(at: PathBuf, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={mebibytes}m");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], &at).then_some(Self(at))
    }

    /// An ext4 file system in a file, which can be made to give up.
    fn on_image(place: &Place) -> Option<Self> {
        let (image, at) = (place.path("image"), place.path("mounted"));
        std::fs::create_dir_all(&at).unwrap();
        std::fs::File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(&image).output();
        let made = made.is_ok_and(|output| output.status.success());
        (made && mount(&["-o", "loop", image.to_str().unwrap()], &at)).then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be unmounted goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[allow(clippy::print_stderr, reason = "a test that cannot run here says so")]
fn skipped() {
    eprintln!("skipped: no right to mount a file system here");
}

/// Once there is room again, a restart is what it takes.
#[tokio::test]
async fn a_full_disk_refuses_publications_and_serves_lookups() {
    let place = Place::new();
    let Some(disk) = Disk::new(place.path("disk"), 24) else { return skipped() };
    let mut config = place.config();
    config.store.folder = disk.0.join("database");
    // What the engine sets aside for its log goes with the size of its buffers.
    config.store.cache_bytes = 1 << 20;
    let server = Server::start_with(&place, config.clone()).await;
    server.publish_paper(&Paper::of(1)).await;
    // Somebody else fills the disk.
    let ballast = disk.0.join("ballast");
    let full = std::io::copy(&mut std::io::repeat(7), &mut std::fs::File::create(&ballast).unwrap());
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let mut answer = server.publish(Paper::of(2).bytes()).await;
    for n in 3..2000 {
        // What was set aside for the log may still have room.
        if answer.status() != StatusCode::CREATED {
            break;
        }
        answer = server.publish(Paper::of(n).bytes()).await;
    }
    refused(&answer, ProblemType::StorageFull);
    assert_eq!(server.lookup_one(&number(1)).await.mappings, [Paper::of(1).bytes()]);
    let kept = server.store.check().await.unwrap().entries;
    server.stop().await;
    std::fs::remove_file(ballast).unwrap();
    let server = Server::start_with(&place, config).await;
    assert!(server.store.check().await.unwrap().entries >= kept);
    server.publish_paper(&Paper::of(3000)).await;
    assert_eq!(server.lookup_one(&number(1)).await.mappings, [Paper::of(1).bytes()]);
    server.stop().await;
}

/// The file system gives up writing, as one does whose disk fails: writes answer 503, lookups go on.
#[tokio::test]
async fn a_disk_that_turns_read_only_refuses_publications_and_serves_lookups() {
    let place = Place::new();
    let Some(disk) = Disk::on_image(&place) else { return skipped() };
    let mut config = place.config();
    config.store.folder = disk.0.join("database");
    let server = Server::start_with(&place, config.clone()).await;
    server.publish_paper(&Paper::of(1)).await;
    assert!(mount(&["-o", "remount,abort"], &disk.0));
    for n in 2..5 {
        refused(&server.publish(Paper::of(n).bytes()).await, ProblemType::Unavailable);
    }
    let found = server.lookup(vec![number(1), number(2)]).await;
    assert_eq!(found[0].mappings, [Paper::of(1).bytes()]);
    assert_eq!(found[1].mappings.len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_not_opened_and_the_message_names_it() {
    let (place, started) = (Place::new(), std::time::Instant::now());
    let Some(disk) = Disk::new(place.path("disk"), 24) else { return skipped() };
    let mut config = place.config();
    config.store.folder = disk.0.join("database");
    let server = Server::start_with(&place, config.clone()).await;
    server.publish_paper(&Paper::of(1)).await;
    server.stop().await;
    // A process that another test is about to start may hold our files open for a moment.
    while !mount(&["-o", "remount,ro"], &disk.0) {
        assert!(started.elapsed() < REMOUNT_DEADLINE);
        tokio::task::yield_now().await;
    }
    match Store::open(&config.store, place.clock()) {
        Err(OpenError::Storage(error)) => {
            let message = error.to_string();
            assert!(message.contains(config.store.folder.to_str().unwrap()), "{message}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a store that cannot be written opens"),
    }
    assert!(mount(&["-o", "remount,rw"], &disk.0));
    let server = Server::start_with(&place, config).await;
    assert_eq!(server.lookup_one(&number(1)).await.mappings, [Paper::of(1).bytes()]);
    server.stop().await;
}

#[test]
fn a_damaged_database_is_not_opened_and_the_message_names_it() {
    let place = Place::new();
    drop(place.open());
    let current = place.path("database/CURRENT");
    std::fs::write(&current, "MANIFEST-999999\n").unwrap();
    let message = match Store::open(&place.config().store, place.clock()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a damaged database opens"),
    };
    assert!(message.contains("MANIFEST-999999"), "{message}");
}

#[test]
fn a_database_has_one_process() {
    let place = Place::new();
    let _open = place.open();
    let message = Store::open(&place.config().store, place.clock()).err().unwrap().to_string();
    assert!(message.contains("LOCK") || message.to_lowercase().contains("lock"), "{message}");
}
