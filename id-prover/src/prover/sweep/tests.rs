//! What the sweep forgets and when, also after a clock that was ahead.

use protocol::enrollment::EnrollmentId;
use tokio::task::JoinSet;

use super::*;
use crate::enrollment::Stored;
use crate::fixtures::{DAY, HOUR, MINUTE, NOW, TestClock, opened, requested, terms};
use crate::storage::Engine;

async fn open(prover: &Prover, numbers: std::ops::Range<u128>) {
    let mut opening = JoinSet::new();
    for number in numbers {
        let prover = prover.clone();
        let change = Change::open(&requested(number), NOW);
        opening.spawn(async move { prover.shared.storage.write(change).await });
    }
    assert!(opening.join_all().await.iter().all(Result::is_ok));
}

async fn enrollment(prover: &Prover, number: u128) -> Option<Stored> {
    let id = EnrollmentId::from_bytes(number.to_be_bytes());
    prover.shared.storage.enrollment(id).await.unwrap()
}

async fn sweep(prover: &Prover) {
    prover.sweep_all().await.unwrap();
}

#[tokio::test]
async fn an_enrollment_is_remembered_for_an_hour_after_its_end() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let prover = opened(&folder, &clock).await;
    open(&prover, 7..8).await;
    let over = NOW.plus(10 * MINUTE + HOUR);
    clock.set(over.minus(Duration::from_secs(1)));
    sweep(&prover).await;
    assert!(enrollment(&prover, 7).await.is_some());
    clock.set(over);
    sweep(&prover).await;
    assert_eq!(enrollment(&prover, 7).await, None);
}

#[tokio::test]
async fn more_than_a_step_is_forgotten_at_once() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let prover = opened(&folder, &clock).await;
    let last = STEP as u128 + 1;
    open(&prover, 0..last + 1).await;
    clock.advance(DAY);
    assert_eq!(prover.sweep_step().await, Ok(STEP));
    assert!(enrollment(&prover, last).await.is_some());
    sweep(&prover).await;
    assert_eq!(enrollment(&prover, last).await, None);
    assert_eq!(prover.check_audit().await.unwrap(), STEP as u64 + 2);
}

#[tokio::test]
async fn sweeping_stops_at_shutdown() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let prover = opened(&folder, &clock).await;
    open(&prover, 7..8).await;
    clock.advance(DAY);
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    prover.sweep_every(Duration::ZERO, &shutdown).await;
    assert!(enrollment(&prover, 7).await.is_some());
}

#[tokio::test]
async fn a_database_that_stands_still_does_not_hold_up_the_end() {
    const DEADLINE: Duration = Duration::from_secs(60);
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let prover = opened(&folder, &clock).await;
    let Engine::Rocks(rocks) = &prover.shared.storage else { panic!("it has a folder") };
    open(&prover, 7..8).await;
    clock.advance(DAY);
    let (begun, mut beginning) = tokio::sync::mpsc::unbounded_channel();
    let (resume, standstill) = std::sync::mpsc::channel::<()>();
    let standing_still = rocks.write(Change::late(move || {
        begun.send(()).unwrap();
        // Until the other end is dropped.
        let _ = standstill.recv();
        Vec::new()
    }));
    let shutdown = CancellationToken::new();
    let until_it_waits = async {
        while rocks.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        shutdown.cancel();
    };
    let sweeping = async {
        beginning.recv().await.unwrap();
        let sweeping = async { tokio::join!(prover.sweep_every(Duration::ZERO, &shutdown), until_it_waits) };
        tokio::time::timeout(DEADLINE, sweeping).await.unwrap();
        assert_eq!(rocks.waiting(), 1);
        drop(resume);
    };
    assert_eq!(tokio::join!(standing_still, sweeping).0, Ok(()));
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_while_keeps_nothing_for_ever() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let prover = opened(&folder, &clock).await;
    let mut far = requested(1);
    far.facts.expires_at = NOW.plus(30 * DAY);
    prover.shared.storage.write(Change::open(&far, NOW)).await.unwrap();
    clock.set(terms(1).expires_at);
    sweep(&prover).await;
    assert_eq!(enrollment(&prover, 1).await, None);
    clock.set(NOW);
    open(&prover, 7..8).await;
    sweep(&prover).await;
    clock.advance(DAY);
    sweep(&prover).await;
    assert_eq!(enrollment(&prover, 7).await, None);
}
