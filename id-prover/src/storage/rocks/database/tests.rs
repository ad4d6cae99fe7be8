//! What is written is found, in order and after a restart; damage, a newer format and a changed audit trail are noticed.

use std::sync::Arc;
use std::time::Duration;

use protocol::Timestamp;

use super::super::super::audit::{BrokenTrail, Entry, Event};
use super::super::super::change::Change;
use super::super::writer::Writer;
use super::*;
use crate::enrollment::{Requested, Terms};
use crate::fixtures::{CODE, DAY, HOUR, MINUTE, NOW, requested, terms};

const CACHE: usize = 1 << 20;

fn open(folder: &Path) -> Database {
    Database::open(folder, CACHE).unwrap()
}

/// The operations of a change without its audit entry, visible at once.
fn apply(storage: &Database, mut change: Change) {
    storage.write(&change.all_ops(), false).unwrap();
}

fn issue(storage: &Database, number: u128) -> Vec<u8> {
    let terms: Terms = terms(number);
    let spent = requested(number).delivered(Vec::new(), 5).spend([3; 32], NOW).unwrap();
    let crate::enrollment::Verdict::Right(matched) = spent.compare(Some(CODE)) else { panic!("the code is right") };
    let credential = number.to_be_bytes().repeat(3);
    let proven = matched.prove(terms);
    let issued = proven.clone().issued(credential.clone());
    apply(storage, Change::issue(proven, &issued, NOW));
    credential
}

fn found(storage: &Database, requested: &Requested) -> [Option<Stored>; 2] {
    let facts = &requested.facts;
    [storage.enrollment(&facts.id).unwrap(), storage.enrollment_of(&facts.request_key()).unwrap()]
}

#[test]
fn an_enrollment_is_found_by_its_number_and_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let requested = requested(7);
    assert_eq!(found(&storage, &requested), [None, None]);
    apply(&storage, Change::open(&requested, NOW));
    let stored = Some(Stored::Requested(requested.clone()));
    assert_eq!(found(&storage, &requested), [stored.clone(), stored]);
}

#[test]
fn an_enrollment_that_reached_nobody_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let requested = requested(7);
    apply(&storage, Change::open(&requested, NOW));
    apply(&storage, Change::drop(requested.clone(), NOW));
    assert_eq!(found(&storage, &requested), [None, None]);
    assert_eq!(storage.due(Timestamp::default(), Timestamp::from_seconds(u64::MAX), 10).unwrap(), []);
}

#[test]
fn what_is_due_comes_in_order_of_time_and_in_bounded_steps() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    for number in [3, 1, 2] {
        let mut requested = requested(number);
        requested.facts.expires_at = NOW.plus(u32::try_from(number).unwrap() * MINUTE + DAY);
        apply(&storage, Change::open(&requested, NOW));
    }
    let due_at = |minutes: u32| NOW.plus(minutes * MINUTE + DAY + HOUR);
    let due = |from, now, most| {
        let due = storage.due(from, now, most).unwrap();
        due.iter().map(|deadline| deadline.at).collect::<Vec<_>>()
    };
    let one_second = Duration::from_secs(1);
    assert_eq!(due(Timestamp::default(), due_at(1).minus(one_second), 10), []);
    assert_eq!(due(Timestamp::default(), due_at(2), 10), [due_at(1), due_at(2)]);
    assert_eq!(due(Timestamp::default(), due_at(9), 2), [due_at(1), due_at(2)]);
    assert_eq!(due(due_at(2), due_at(9), 10), [due_at(2), due_at(3)]);
}

#[test]
fn a_credential_outlives_its_enrollment() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    apply(&storage, Change::open(&requested(7), NOW));
    let credential = issue(&storage, 7);
    let sweep = |now| apply(&storage, Change::sweep(&storage.due(Timestamp::default(), now, 10).unwrap()));
    sweep(NOW.plus(DAY));
    assert_eq!(found(&storage, &requested(7)), [None, None]);
    assert_eq!(storage.credential(&terms(7).credential_id).unwrap(), Some(credential));
    sweep(terms(7).expires_at);
    assert_eq!(storage.credential(&terms(7).credential_id).unwrap(), None);
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let newer = (FORMAT + 1).to_be_bytes().to_vec();
    open(folder.path()).write(&[Op::Put(Family::Meta, FORMAT_KEY.to_vec(), newer)], true).unwrap();
    let error = Database::open(folder.path(), CACHE).err().unwrap();
    assert!(matches!(error, StorageError::Newer(2)), "{error}");
}

#[test]
fn what_cannot_be_read_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let requested = requested(7);
    let id = requested.facts.id;
    storage.write(&[Op::Put(Family::Enrollments, id.as_bytes().to_vec(), vec![0xff])], false).unwrap();
    assert!(matches!(storage.enrollment(&id), Err(StorageError::Damaged(_))));
    let key = requested.facts.request_key();
    storage.write(&[Op::Put(Family::Requests, key.to_vec(), vec![0])], false).unwrap();
    assert!(matches!(storage.enrollment_of(&key), Err(StorageError::Damaged(_))));
    storage.write(&[Op::Put(Family::Deadlines, vec![0; 9], Vec::new())], false).unwrap();
    assert!(matches!(storage.due(Timestamp::default(), NOW, 1), Err(StorageError::Damaged(_))));
    storage.write(&[Op::Put(Family::Meta, AUDIT_HEAD_KEY.to_vec(), vec![0; 39])], false).unwrap();
    assert!(matches!(storage.audit_head(), Err(StorageError::Damaged(_))));
}

/// Writes this many enrollments one after another, and three at once.
async fn write_trail(folder: &Path, first: u128) {
    let writer = Writer::start(Arc::new(open(folder))).unwrap();
    for number in first..first + 2 {
        writer.write(Change::open(&requested(number), NOW)).await.unwrap();
    }
    let write = |number| writer.write(Change::open(&requested(number), NOW));
    let outcome = tokio::join!(write(first + 2), write(first + 3), write(first + 4));
    assert_eq!(outcome, (Ok(()), Ok(()), Ok(())));
}

#[tokio::test]
async fn the_audit_trail_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    write_trail(folder.path(), 1).await;
    write_trail(folder.path(), 11).await;
    let storage = open(folder.path());
    assert_eq!(storage.check_audit().unwrap(), 10);
    assert_eq!(storage.audit_head().unwrap().0, 10);
}

#[tokio::test]
async fn what_is_not_audited_leaves_the_trail_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_trail(folder.path(), 1).await;
    let storage = Arc::new(open(folder.path()));
    let head = storage.audit_head().unwrap();
    let writer = Writer::start(Arc::clone(&storage)).unwrap();
    let due = storage.due(Timestamp::default(), NOW.plus(DAY), 10).unwrap();
    assert_eq!(due.len(), 5);
    writer.write(Change::sweep(&due)).await.unwrap();
    assert_eq!(storage.audit_head().unwrap(), head);
    assert_eq!(storage.check_audit().unwrap(), 5);
}

/// What is noticed of a trail of five entries after `change`.
async fn noticed(change: impl FnOnce(&Database) -> Op) -> BrokenTrail {
    let folder = tempfile::tempdir().unwrap();
    write_trail(folder.path(), 1).await;
    let storage = open(folder.path());
    storage.write(&[change(&storage)], false).unwrap();
    match storage.check_audit() {
        Err(StorageError::Trail(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

fn delete(number: u64) -> impl FnOnce(&Database) -> Op {
    move |_| Op::Delete(Family::Audit, number.to_be_bytes().to_vec())
}

/// Flips a bit in the first byte of an entry, or in its last.
fn flip(number: u64, first: bool) -> impl FnOnce(&Database) -> Op {
    move |storage| {
        let key = number.to_be_bytes().to_vec();
        let mut value = storage.db.get_cf(storage.family(Family::Audit), &key).unwrap().unwrap();
        *if first { value.first_mut() } else { value.last_mut() }.unwrap() ^= 1;
        Op::Put(Family::Audit, key, value)
    }
}

#[tokio::test]
async fn a_changed_trail_is_noticed() {
    assert_eq!(noticed(delete(1)).await, BrokenTrail::Gap(1));
    assert_eq!(noticed(delete(3)).await, BrokenTrail::Gap(3));
    assert_eq!(noticed(delete(5)).await, BrokenTrail::Head);
    assert_eq!(noticed(flip(2, true)).await, BrokenTrail::Chain(2));
    assert_eq!(noticed(flip(2, false)).await, BrokenTrail::Chain(3));
    assert_eq!(noticed(flip(5, false)).await, BrokenTrail::Head);
    let forged = |_: &Database| Op::Put(Family::Audit, 6_u64.to_be_bytes().to_vec(), vec![0; 40]);
    assert_eq!(noticed(forged).await, BrokenTrail::Chain(6));
}

#[test]
fn an_entry_tells_what_happened_and_holds_no_code() {
    let requested = requested(7);
    let entry = |event| Entry { at: NOW, id: requested.facts.id, event }.chained(&[5; 32]);
    let bytes = entry(Event::requested(&requested.facts));
    assert_eq!(&bytes[..32], [5; 32]);
    let text = String::from_utf8_lossy(&bytes);
    assert!(["requested", "tel:+14155552671", "mimi://a.example", "sms-otp"].iter().all(|part| text.contains(part)));
    assert!(!bytes.windows(32).skip(32).any(|window| window == CODE.0));
    assert_eq!(
        hex::encode(&entry(Event::Tried { tries_left: 4 })[32..]),
        [
            "a4",                                   // map of 4 fields
            "01657472696564",                       // 1 event: "tried"
            "021a6b49d200",                         // 2 at: 1800000000
            "035000000000000000000000000000000007", // 3 enrollment
            "0904",                                 // 9 tries left: 4
        ]
        .concat()
    );
}
