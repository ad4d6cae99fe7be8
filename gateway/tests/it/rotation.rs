//! Rotation under load: no request in flight fails, whichever keys its client holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use crate::harness::eventually;
use crate::scene::{Opened, Scene, binary, lookup, seal};

const ROTATIONS: u64 = 20;
/// Answers, of each task on average, between two rotations.
const BETWEEN: u64 = 3;

#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
    done: AtomicBool,
}

/// Asks until it is done. The keys last a day, so a client need not fetch them again; `fetches` does so all the same.
async fn keep_asking(scene: Arc<Scene>, tally: Arc<Tally>, fetches: bool) {
    let mut keys = scene.plain_keys().await;
    for number in 0_u64.. {
        if tally.done.load(Ordering::SeqCst) {
            return;
        }
        if fetches && number % 5 == 4 {
            keys = scene.plain_keys().await;
        }
        let question = number.to_be_bytes();
        let (capsule, opener) = seal(&keys, &binary(&lookup(&question)));
        let answer = scene.post(capsule).await;
        let good = answer.status() == 200 && Opened::new(&answer, opener).message.content() == question;
        if good { &tally.answered } else { &tally.failed }.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_fails_nobody() {
    let (scene, tally) = (Arc::new(Scene::start().await), Arc::new(Tally::default()));
    let first: Bytes = scene.plain_keys().await;
    let tasks: Vec<_> = [false, false, true, true]
        .map(|fetches| tokio::spawn(keep_asking(Arc::clone(&scene), Arc::clone(&tally), fetches)))
        .into();
    let answers = async |at_least: u64| {
        let seen = || tally.answered.load(Ordering::SeqCst) + tally.failed.load(Ordering::SeqCst);
        eventually(|| async { (seen() >= at_least).then_some(()) }).await;
    };
    for rotation in 0..ROTATIONS {
        answers((rotation + 1) * 4 * BETWEEN).await;
        scene.keys.rotate().unwrap();
    }
    answers((ROTATIONS + 1) * 4 * BETWEEN).await;
    tally.done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(tally.failed.load(Ordering::SeqCst), 0);
    assert!(tally.answered.load(Ordering::SeqCst) >= (ROTATIONS + 1) * 4 * BETWEEN);
    let last = scene.plain_keys().await;
    assert_ne!(last[2], first[2], "the key identifier has changed");
    let (capsule, opener) = seal(&first, &binary(&lookup(b"the first key of all")));
    assert_eq!(Opened::new(&scene.post(capsule).await, opener).message.content(), b"the first key of all");
}
