//! The behaviour that every engine must show. Each engine runs all of it ([`every_behaviour`]).

use std::sync::Arc;

use protocol::Timestamp;
use protocol::receipt::Position;

use super::memory::Memory;
use super::{Kind, LogEntry, NewEntry, Rocks, Stamp, Storage, Stored, Tally, Update, Updated, shard_of};
use crate::label::Label;

const NO_RECORD: u64 = 0;

pub(super) fn label(n: u8) -> Label {
    let mut label = [n; 33];
    label[0] = 1;
    label
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn entry(n: u8) -> NewEntry {
    NewEntry { kind: Kind::Mapping, document: vec![n; 100], hash: [n; 32], at: time(n.into()), turn: n.into() }
}

pub(super) fn put(n: u8, expected: u64, record: &[u8]) -> Update {
    Update {
        label: label(n),
        expected,
        moved_from: None,
        record: Some(record.to_vec()),
        was_due: None,
        is_due: None,
        entries: Vec::new(),
        tally: Tally::default(),
    }
}

pub(super) async fn read(storage: &impl Storage, n: u8) -> Option<(u64, Vec<u8>)> {
    let copy = |stored: Option<Stored<'_>>| stored.map(|stored| (stored.revision, stored.bytes.to_vec()));
    storage.record(&label(n), copy).await.unwrap()
}

async fn revision(storage: &impl Storage, n: u8) -> u64 {
    read(storage, n).await.map_or(NO_RECORD, |(revision, _)| revision)
}

/// Where a document of this hash stands, in whichever shard.
async fn stamp(storage: &impl Storage, hash: &[u8; 32]) -> Option<Stamp> {
    for shard in 0..storage.shards() {
        if let Some(stamp) = storage.stamp_in(shard, hash).await.unwrap() {
            return Some(stamp);
        }
    }
    None
}

async fn done(storage: &impl Storage, update: Update) -> Vec<Position> {
    match storage.update(vec![update]).await.unwrap().pop() {
        Some(Updated::Done(positions)) => positions,
        outcome => panic!("{outcome:?}"),
    }
}

async fn a_record_is_there_once_it_is_written(storage: &impl Storage) {
    assert_eq!(read(storage, 1).await, None);
    done(storage, put(1, NO_RECORD, b"first")).await;
    let (first, bytes) = read(storage, 1).await.unwrap();
    assert_eq!((bytes.as_slice(), first > 0), (b"first".as_slice(), true));
    done(storage, put(1, first, b"second")).await;
    let (second, bytes) = read(storage, 1).await.unwrap();
    assert_eq!(bytes, b"second");
    assert_ne!(first, second);
    assert_eq!(read(storage, 2).await, None);
}

async fn an_update_of_a_changed_record_does_nothing(storage: &impl Storage) {
    done(storage, put(3, NO_RECORD, b"first")).await;
    let first = revision(storage, 3).await;
    done(storage, put(3, first, b"second")).await;
    for stale in [NO_RECORD, first] {
        let update = Update { is_due: Some(time(5)), entries: vec![entry(3)], ..put(3, stale, b"third") };
        assert_eq!(storage.update(vec![update]).await.unwrap(), [Updated::Conflict]);
    }
    assert_eq!(read(storage, 3).await.unwrap().1, b"second");
    assert_eq!(stamp(storage, &[3; 32]).await, None);
    assert_eq!(storage.due(time(5), 10).await.unwrap(), [[0; 33]; 0]);
    assert_eq!(storage.head(shard_of(&label(3), storage.shards())).await.unwrap(), 0);
}

async fn a_conflict_leaves_the_rest_of_its_group_alone(storage: &impl Storage) {
    let group =
        vec![put(4, NO_RECORD, b"four"), put(5, 77, b"five"), put(4, NO_RECORD, b"again"), put(6, NO_RECORD, b"six")];
    let outcomes = storage.update(group).await.unwrap();
    let expected = [Updated::Done(Vec::new()), Updated::Conflict, Updated::Conflict, Updated::Done(Vec::new())];
    assert_eq!(outcomes, expected);
    assert_eq!(read(storage, 4).await.unwrap().1, b"four");
    assert_eq!(read(storage, 5).await, None);
    assert_eq!(read(storage, 6).await.unwrap().1, b"six");
}

async fn a_dropped_record_does_not_come_back_under_an_old_revision(storage: &impl Storage) {
    done(storage, put(7, NO_RECORD, b"first")).await;
    let first = revision(storage, 7).await;
    done(storage, Update { record: None, ..put(7, first, b"") }).await;
    assert_eq!(read(storage, 7).await, None);
    done(storage, put(7, NO_RECORD, b"second")).await;
    assert_ne!(revision(storage, 7).await, first);
    assert_eq!(storage.update(vec![put(7, first, b"third")]).await.unwrap(), [Updated::Conflict]);
}

async fn entries_are_numbered_in_order_within_their_shard(storage: &impl Storage) {
    let shard = shard_of(&label(8), storage.shards());
    let before = storage.head(shard).await.unwrap();
    let positions = done(storage, Update { entries: vec![entry(80), entry(81)], ..put(8, NO_RECORD, b"") }).await;
    let at = |step| Position { shard, number: before + step };
    assert_eq!(positions, [at(1), at(2)]);
    let removal = NewEntry { kind: Kind::Removal, ..entry(82) };
    let next = Update { entries: vec![removal], ..put(8, revision(storage, 8).await, b"") };
    assert_eq!(done(storage, next).await, [at(3)]);
    assert_eq!(storage.head(shard).await.unwrap(), before + 3);
    assert_eq!(stamp(storage, &[81; 32]).await, Some(Stamp { position: at(2), at: time(81) }));
    let log = storage.log_after(at(0), 10, 10_000).await.unwrap();
    let expected = [(1, Kind::Mapping, 80), (2, Kind::Mapping, 81), (3, Kind::Removal, 82)]
        .map(|(step, kind, n)| LogEntry { position: at(step), kind, document: vec![n; 100] });
    assert_eq!(log, expected);
}

async fn the_log_is_read_within_bounds(storage: &impl Storage) {
    let shard = shard_of(&label(9), storage.shards());
    let before = storage.head(shard).await.unwrap();
    done(storage, Update { entries: (1..=200).map(entry).collect(), ..put(9, NO_RECORD, b"") }).await;
    let numbers = async |after: u64, most, max_bytes| {
        let after = Position { shard, number: before.saturating_add(after) };
        let log = storage.log_after(after, most, max_bytes).await.unwrap();
        log.iter().map(|entry| entry.position.number - before).collect::<Vec<_>>()
    };
    assert_eq!(numbers(150, 3, 10_000).await, [151, 152, 153]);
    assert_eq!(numbers(0, 100, 250).await, [1, 2]);
    assert_eq!(numbers(0, 100, 1).await, [1]);
    assert_eq!(numbers(200, 100, 1000).await, [0; 0]);
    assert_eq!(numbers(u64::MAX, 100, 1000).await, [0; 0]);
    let beyond = Position { shard: storage.shards(), number: 0 };
    assert_eq!(storage.log_after(beyond, 10, 1000).await.unwrap(), []);
}

async fn the_index_of_the_sweep_follows_the_records(storage: &impl Storage) {
    for n in [20, 21, 22] {
        done(storage, Update { is_due: Some(time(1000 + u64::from(n))), ..put(n, NO_RECORD, b"") }).await;
    }
    let due = async |until, most| storage.due(time(until), most).await.unwrap();
    assert_eq!(due(1019, 10).await, [[0; 33]; 0]);
    assert_eq!(due(1021, 10).await, [label(20), label(21)]);
    assert_eq!(due(9999, 1).await, [label(20)]);
    let later =
        Update { was_due: Some(time(1020)), is_due: Some(time(1050)), ..put(20, revision(storage, 20).await, b"") };
    done(storage, later).await;
    let gone = Update { record: None, was_due: Some(time(1021)), ..put(21, revision(storage, 21).await, b"") };
    done(storage, gone).await;
    assert_eq!(due(9999, 10).await, [label(22), label(20)]);
}

/// In steps, each entry once.
async fn the_whole_index_can_be_read(storage: &impl Storage) {
    assert_eq!(storage.indexed(None, 3).await.unwrap(), []);
    let numbers: Vec<u8> = (90..=250).step_by(16).collect();
    for n in &numbers {
        done(storage, Update { is_due: Some(time(1000 - u64::from(*n) / 40)), ..put(*n, NO_RECORD, b"") }).await;
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let step = storage.indexed(after, 3).await.unwrap();
        assert!(step.len() <= 3);
        let Some(last) = step.last() else { break };
        after = Some(*last);
        found.extend(step);
    }
    found.sort_unstable();
    let mut expected: Vec<_> = numbers.iter().map(|n| (time(1000 - u64::from(*n) / 40), label(*n))).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

async fn records_are_scanned_in_the_order_of_their_labels(storage: &impl Storage) {
    for n in [202, 200, 203, 201] {
        done(storage, put(n, NO_RECORD, &[n])).await;
    }
    let found = storage.scan(Some(label(199)), 3).await.unwrap();
    assert_eq!(found, [200, 201, 202].map(|n| (label(n), vec![n])));
    assert_eq!(storage.scan(Some(label(202)), 3).await.unwrap(), [(label(203), vec![203])]);
    assert_eq!(storage.scan(Some([255; 33]), 3).await.unwrap(), []);
    assert_eq!(storage.scan(None, 1).await.unwrap().len(), 1);
}

async fn a_follower_s_position_is_kept_for_each_source_and_shard(storage: &impl Storage) {
    let at = |shard, number| Position { shard, number };
    assert_eq!(storage.cursor("a", 0).await.unwrap(), 0);
    storage.set_cursor("a", at(0, 7)).await.unwrap();
    storage.set_cursor("a", at(1, 8)).await.unwrap();
    storage.set_cursor("b", at(0, 9)).await.unwrap();
    storage.set_cursor("a", at(0, 10)).await.unwrap();
    let cursors = [storage.cursor("a", 0).await, storage.cursor("a", 1).await, storage.cursor("b", 0).await];
    assert_eq!(cursors.map(Result::unwrap), [10, 8, 9]);
}

async fn the_tally_is_that_of_the_updates_done(storage: &impl Storage) {
    let tally = |live, tombstones| Tally { live, tombstones };
    assert_eq!(storage.tally(), tally(0, 0));
    let group = vec![
        Update { tally: tally(3, 1), ..put(40, NO_RECORD, b"") },
        Update { tally: tally(5, 5), ..put(41, 77, b"conflict") },
        Update { tally: tally(-1, 2), ..put(42, NO_RECORD, b"") },
    ];
    storage.update(group).await.unwrap();
    assert_eq!(storage.tally(), tally(2, 3));
}

async fn entries_stand_in_the_order_of_their_turns(storage: &impl Storage) {
    let shard = shard_of(&label(60), storage.shards());
    let other = (61..=255).find(|n| shard_of(&label(*n), storage.shards()) == shard).unwrap();
    let before = storage.head(shard).await.unwrap();
    let with_turn = |n, turn| NewEntry { turn, ..entry(n) };
    let group = vec![
        Update { entries: vec![with_turn(1, 0), with_turn(2, 3)], ..put(60, NO_RECORD, b"") },
        Update { entries: vec![with_turn(9, 2)], ..put(60, 77, b"conflict") },
        Update { entries: vec![with_turn(3, 1), with_turn(4, 5)], ..put(other, NO_RECORD, b"") },
    ];
    let at = |step| Position { shard, number: before + step };
    let outcomes = storage.update(group).await.unwrap();
    let expected = [Updated::Done(vec![at(1), at(3)]), Updated::Conflict, Updated::Done(vec![at(2), at(4)])];
    assert_eq!(outcomes, expected);
    let log = storage.log_after(at(0), 10, 10_000).await.unwrap();
    assert_eq!(log.iter().map(|entry| entry.document[0]).collect::<Vec<_>>(), [1, 3, 2, 4]);
}

async fn a_record_moves_to_another_label_in_one_step(storage: &impl Storage) {
    done(storage, Update { is_due: Some(time(9)), ..put(70, NO_RECORD, b"moves") }).await;
    let read_at = revision(storage, 70).await;
    let moving = |expected, due| Update {
        moved_from: Some(label(70)),
        was_due: Some(time(9)),
        is_due: Some(time(due)),
        ..put(71, expected, b"moved")
    };
    assert_eq!(storage.update(vec![moving(read_at + 1, 9)]).await.unwrap(), [Updated::Conflict]);
    done(storage, moving(read_at, 9)).await;
    assert_eq!(read(storage, 70).await, None);
    assert_eq!(read(storage, 71).await.unwrap().1, b"moved");
    assert_eq!(storage.due(time(9), 10).await.unwrap(), [label(71)]);
    // Neither what has moved already, nor onto another record.
    assert_eq!(storage.update(vec![moving(read_at, 9)]).await.unwrap(), [Updated::Conflict]);
    done(storage, put(70, NO_RECORD, b"another")).await;
    let other = revision(storage, 70).await;
    assert_eq!(storage.update(vec![moving(other, 9)]).await.unwrap(), [Updated::Conflict]);
    assert_eq!(read(storage, 71).await.unwrap().1, b"moved");
}

async fn notes_are_kept(storage: &impl Storage) {
    assert_eq!(storage.note("a").await.unwrap(), None);
    storage.set_note("a", Some(b"one")).await.unwrap();
    storage.set_note("ab", Some(b"other")).await.unwrap();
    storage.set_note("a", Some(b"two")).await.unwrap();
    assert_eq!(storage.note("a").await.unwrap().as_deref(), Some(b"two".as_slice()));
    storage.set_note("a", None).await.unwrap();
    assert_eq!(storage.note("a").await.unwrap(), None);
    assert_eq!(storage.note("ab").await.unwrap().as_deref(), Some(b"other".as_slice()));
}

/// Of many tasks that add one to the same record, each succeeds as often as it was told so.
async fn concurrent_updates_of_one_record_lose_nothing<S: Storage>(storage: Arc<S>) {
    let add = |storage: Arc<S>, n: u8| async move {
        for step in 0..20_u8 {
            loop {
                let (revision, count) = read(&*storage, 30).await.map_or((NO_RECORD, 0), |(revision, bytes)| {
                    (revision, u64::from_be_bytes(bytes.try_into().unwrap()))
                });
                let hash = [&[n, step][..], &[30; 30]].concat().try_into().unwrap();
                let update = Update {
                    entries: vec![NewEntry { hash, ..entry(30) }],
                    ..put(30, revision, &(count + 1).to_be_bytes())
                };
                if storage.update(vec![update]).await.unwrap() != [Updated::Conflict] {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    };
    let shard = shard_of(&label(30), storage.shards());
    let before = storage.head(shard).await.unwrap();
    let tasks: Vec<_> = (0..8).map(|n| tokio::spawn(add(Arc::clone(&storage), n))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(read(&*storage, 30).await.unwrap().1, 160_u64.to_be_bytes());
    assert_eq!(storage.head(shard).await.unwrap() - before, 160);
}

/// Every behaviour, each in a fresh engine.
pub(super) async fn every_behaviour<S: Storage>(fresh: impl Fn() -> S) {
    a_record_is_there_once_it_is_written(&fresh()).await;
    an_update_of_a_changed_record_does_nothing(&fresh()).await;
    a_conflict_leaves_the_rest_of_its_group_alone(&fresh()).await;
    a_dropped_record_does_not_come_back_under_an_old_revision(&fresh()).await;
    entries_are_numbered_in_order_within_their_shard(&fresh()).await;
    the_log_is_read_within_bounds(&fresh()).await;
    the_index_of_the_sweep_follows_the_records(&fresh()).await;
    the_whole_index_can_be_read(&fresh()).await;
    records_are_scanned_in_the_order_of_their_labels(&fresh()).await;
    a_follower_s_position_is_kept_for_each_source_and_shard(&fresh()).await;
    the_tally_is_that_of_the_updates_done(&fresh()).await;
    entries_stand_in_the_order_of_their_turns(&fresh()).await;
    a_record_moves_to_another_label_in_one_step(&fresh()).await;
    notes_are_kept(&fresh()).await;
    concurrent_updates_of_one_record_lose_nothing(Arc::new(fresh())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_shows_every_behaviour() {
    every_behaviour(|| Memory::new(1)).await;
    every_behaviour(|| Memory::new(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rocksdb_shows_every_behaviour() {
    let folder = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    every_behaviour(|| {
        next.set(next.get() + 1);
        Rocks::open(&folder.path().join(next.get().to_string()), 8 << 20).unwrap()
    })
    .await;
}
