//! The behaviour that both engines must show. Each runs all of it ([`every_behaviour`]).

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::Timestamp;

use super::audit::Event;
use super::change::Change;
use super::{Rocks, Storage, WriteError};
use crate::enrollment::{Challenged, Locked, Proven, Requested, Stored, Verdict};
use crate::fixtures::{CODE, DAY, HOUR, MINUTE, NOW, requested, terms};

const WRONG: crate::enrollment::CodeHash = crate::enrollment::CodeHash([9; 32]);

/// An enrollment with a number that this engine gives.
fn new(storage: &impl Storage, number: u128) -> Requested {
    let mut requested = requested(number);
    requested.facts.id = storage.new_id(&requested.facts.request_key());
    requested
}

async fn opened(storage: &impl Storage, number: u128) -> Requested {
    let requested = new(storage, number);
    storage.write(Change::open(&requested, NOW)).await.unwrap();
    requested
}

async fn challenged(storage: &impl Storage, number: u128, tries: u8) -> Challenged {
    let requested = opened(storage, number).await;
    let challenged = requested.clone().delivered(b"the challenge".to_vec(), tries);
    let (before, after) = (Stored::Requested(requested), Stored::Challenged(challenged.clone()));
    storage.write(Change::next(before, &after, Event::Delivered, NOW)).await.unwrap();
    challenged
}

async fn proven(storage: &impl Storage, number: u128) -> Proven {
    let challenged = challenged(storage, number, 5).await;
    let spent = challenged.clone().spend([3; 32], NOW).unwrap();
    let Verdict::Right(matched) = spent.compare(Some(CODE)) else { panic!("the code is right") };
    let proven = matched.prove(terms(number));
    let (before, after) = (Stored::Challenged(challenged), Stored::Proven(proven.clone()));
    storage.write(Change::next(before, &after, Event::Proven(proven.terms), NOW)).await.unwrap();
    proven
}

async fn found(storage: &impl Storage, requested: &Requested) -> [Option<Stored>; 2] {
    let facts = &requested.facts;
    let by_request = storage.enrollment_of(facts.request_key()).await.unwrap();
    [storage.enrollment(facts.id).await.unwrap(), by_request]
}

async fn an_enrollment_is_found_by_its_number_and_its_request(storage: &impl Storage) {
    let requested = new(storage, 1);
    assert_eq!(found(storage, &requested).await, [None, None]);
    storage.write(Change::open(&requested, NOW)).await.unwrap();
    let stored = Some(Stored::Requested(requested.clone()));
    assert_eq!(found(storage, &requested).await, [stored.clone(), stored]);
    assert_eq!(storage.enrollment(protocol::enrollment::EnrollmentId::from_bytes([0xff; 16])).await.unwrap(), None);
}

async fn a_request_opens_one_enrollment_however_often_at_once(storage: &Arc<impl Storage>) {
    let opening = (0..8).map(|_| {
        let storage = Arc::clone(storage);
        tokio::spawn(async move { storage.write(Change::open(&new(&*storage, 2), NOW)).await })
    });
    let outcomes: Vec<_> = join_all(opening.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(WriteError::Overtaken)).count(), 7, "{outcomes:?}");
}

async fn a_change_by_what_is_not_so_any_more_does_nothing(storage: &impl Storage) {
    let before = challenged(storage, 3, 2).await;
    let entries = storage.check_audit().await.unwrap();
    let stale = Stored::Requested(requested(3));
    let spent = before.clone().spend([1; 32], NOW).unwrap();
    let tried = Event::Tried { tries_left: 1 };
    let change = |from: Stored| Change::next(from, &spent.stored(), tried.clone(), NOW);
    assert_eq!(storage.write(change(stale)).await, Err(WriteError::Overtaken));
    assert_eq!(storage.enrollment(before.facts.id).await.unwrap(), Some(Stored::Challenged(before.clone())));
    assert_eq!(storage.check_audit().await.unwrap(), entries);
    assert_eq!(storage.write(change(Stored::Challenged(before.clone()))).await, Ok(()));
    assert_eq!(storage.write(change(Stored::Challenged(before.clone()))).await, Err(WriteError::Overtaken));
    assert_eq!(storage.enrollment(before.facts.id).await.unwrap(), Some(spent.stored()));
    assert_eq!(storage.check_audit().await.unwrap(), entries + 1);
}

/// Whoever loses reads again and judges what is there by then.
async fn of_many_tries_at_once_no_more_are_spent_than_there_are(storage: &Arc<impl Storage>) {
    const TRIES: usize = 3;
    let id = challenged(&**storage, 4, 3).await.facts.id;
    let trying = (0..9_u8).map(|proof| {
        let storage = Arc::clone(storage);
        tokio::spawn(async move {
            loop {
                let Some(Stored::Challenged(state)) = storage.enrollment(id).await.unwrap() else { return false };
                let Ok(spent) = state.clone().spend([proof; 32], NOW) else { return false };
                let tried = Event::Tried { tries_left: spent.tries_left() };
                match storage.write(Change::next(Stored::Challenged(state), &spent.stored(), tried, NOW)).await {
                    Ok(()) => return true,
                    Err(WriteError::Overtaken) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let spent = join_all(trying.collect::<Vec<_>>()).await.into_iter().filter(|spent| *spent.as_ref().unwrap()).count();
    assert_eq!(spent, TRIES);
    let Some(Stored::Challenged(state)) = storage.enrollment(id).await.unwrap() else { panic!("it is open") };
    assert_eq!((state.tries_left, state.undecided.len()), (0, TRIES));
}

async fn what_is_locked_stays_locked(storage: &impl Storage) {
    let before = challenged(storage, 5, 1).await;
    let spent = before.clone().spend([1; 32], NOW).unwrap();
    let Verdict::WrongAndLocked(locked) = spent.clone().compare(Some(WRONG)) else { panic!("it was the last") };
    let step = |from: &Stored, to: &Stored, event| Change::next(from.clone(), to, event, NOW);
    let (open, tried) = (Stored::Challenged(before), spent.stored());
    storage.write(step(&open, &tried, Event::Tried { tries_left: 0 })).await.unwrap();
    let locked = Stored::Locked(Locked { facts: locked.facts });
    storage.write(step(&tried, &locked, Event::Locked)).await.unwrap();
    for stale in [open, tried] {
        assert_eq!(storage.write(step(&stale, &stale, Event::Resent)).await, Err(WriteError::Overtaken));
    }
    assert_eq!(storage.enrollment(locked.facts().id).await.unwrap(), Some(locked));
}

async fn what_reached_nobody_leaves_nothing_and_may_be_opened_again(storage: &impl Storage) {
    let requested = opened(storage, 6).await;
    storage.write(Change::drop(requested.clone(), NOW)).await.unwrap();
    assert_eq!(found(storage, &requested).await, [None, None]);
    assert_eq!(storage.write(Change::drop(requested.clone(), NOW)).await, Err(WriteError::Overtaken));
    let again = opened(storage, 6).await;
    assert_eq!(found(storage, &again).await[1], Some(Stored::Requested(again)));
}

async fn a_credential_is_kept_and_issued_once(storage: &impl Storage) {
    let proven = proven(storage, 7).await;
    let issued = proven.clone().issued(b"the credential".to_vec());
    let issue = || Change::issue(proven.clone(), &issued, NOW);
    assert_eq!(storage.write(issue()).await, Ok(()));
    assert_eq!(storage.write(issue()).await, Err(WriteError::Overtaken));
    let credential = storage.credential(proven.terms.credential_id).await.unwrap();
    assert_eq!(credential.as_deref(), Some(b"the credential".as_slice()));
    assert_eq!(storage.credential([0xee; 16]).await.unwrap(), None);
    assert_eq!(storage.enrollment(proven.facts.id).await.unwrap(), Some(Stored::Issued(issued)));
}

async fn what_is_over_is_forgotten_and_nothing_else(storage: &impl Storage) {
    let over = opened(storage, 8).await;
    let mut later = new(storage, 9);
    later.facts.expires_at = NOW.plus(DAY);
    storage.write(Change::open(&later, NOW)).await.unwrap();
    let entries = storage.check_audit().await.unwrap();
    let end = NOW.plus(10 * MINUTE + HOUR);
    let last_second = end.minus(std::time::Duration::from_secs(1));
    assert_eq!(storage.sweep(last_second, 1000).await, Ok(0));
    assert!(found(storage, &over).await[0].is_some());
    assert!(storage.sweep(end, 1000).await.unwrap() >= 1);
    assert_eq!(found(storage, &over).await, [None, None]);
    assert!(found(storage, &later).await[1].is_some());
    assert_eq!(storage.check_audit().await.unwrap(), entries, "forgetting leaves the trail alone");
    // Who judged by what is forgotten is overtaken: it does not come back.
    let reopen = Change::reopen(over.clone(), &over, NOW);
    assert_eq!(storage.write(reopen).await, Err(WriteError::Overtaken));
    assert_eq!(storage.sweep(Timestamp::default(), 1000).await, Ok(0));
    assert_eq!(storage.sweep(end, 1000).await, Ok(0));
    assert_eq!(storage.sweep(later.facts.expires_at.plus(HOUR), 1000).await, Ok(1));
}

/// Eight at once in a trail that is empty: each has its entry, one after another.
async fn the_trail_holds_every_step(storage: &Arc<impl Storage>) {
    let before = storage.check_audit().await.unwrap();
    let opening = (100..108).map(|number| {
        let storage = Arc::clone(storage);
        tokio::spawn(async move { drop(challenged(&*storage, number, 5).await) })
    });
    join_all(opening.collect::<Vec<_>>()).await.into_iter().for_each(|opened| opened.unwrap());
    assert_eq!(storage.check_audit().await.unwrap(), before + 16);
}

/// All of it; the sweep comes last, since it forgets what the others leave.
pub(super) async fn every_behaviour(storage: Arc<impl Storage>) {
    assert!(storage.is_ready().await);
    an_enrollment_is_found_by_its_number_and_its_request(&*storage).await;
    a_request_opens_one_enrollment_however_often_at_once(&storage).await;
    a_change_by_what_is_not_so_any_more_does_nothing(&*storage).await;
    of_many_tries_at_once_no_more_are_spent_than_there_are(&storage).await;
    what_is_locked_stays_locked(&*storage).await;
    what_reached_nobody_leaves_nothing_and_may_be_opened_again(&*storage).await;
    a_credential_is_kept_and_issued_once(&*storage).await;
    the_trail_holds_every_step(&storage).await;
    what_is_over_is_forgotten_and_nothing_else(&*storage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rocks() {
    let folder = tempfile::tempdir().unwrap();
    every_behaviour(Arc::new(Rocks::open(folder.path(), 1 << 20).unwrap())).await;
}
