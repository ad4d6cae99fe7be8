//! Every way in which records and the index of the sweep can disagree is found.

use super::*;
use crate::label::Label;
use crate::storage::memory::Memory;
use crate::storage::{Rocks, Update, Updated};

const CACHE: usize = 8 << 20;
/// More than are read in one step.
const MANY: u32 = 2500;

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn label(n: u32) -> Label {
    let mut label = [1; 33];
    label[1..5].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    label
}

/// A record that says when it is due, and where the index has it.
fn put(n: u32, due: Option<u64>, indexed: Option<u64>) -> Update {
    Update {
        label: label(n),
        expected: 0,
        moved_from: None,
        record: Some(Record { due: due.map(time), ..Record::default() }.encode()),
        was_due: None,
        is_due: indexed.map(time),
        entries: Vec::new(),
        tally: Tally::default(),
    }
}

async fn checked(storage: &impl Storage, updates: Vec<Update>) -> Result<Checked, Disagreement> {
    let outcomes = storage.update(updates).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome != Updated::Conflict));
    check(storage).await
}

async fn every_disagreement_is_found<S: Storage>(fresh: impl Fn() -> S) {
    let well = (0..MANY).map(|n| put(n, Some(u64::from(n / 7) + 1), Some(u64::from(n / 7) + 1)));
    let well: Vec<_> = well.chain([put(MANY, None, None)]).collect();
    let storage = fresh();
    assert_eq!(checked(&storage, well.clone()).await.unwrap().records, u64::from(MANY) + 1);
    let wrong = [
        put(9999, Some(7), None),
        put(9999, None, Some(7)),
        put(9999, Some(7), Some(8)),
        put(9999, Some(7), Some(6)),
        Update { record: None, ..put(9999, None, Some(7)) },
    ];
    for wrong in wrong {
        let storage = fresh();
        let updates = well.iter().cloned().chain([wrong]).collect();
        assert_eq!(checked(&storage, updates).await, Err(Disagreement::Index));
    }
    // An entry that was left behind.
    let revision = storage.record(&label(3), |stored| stored.unwrap().revision).await.unwrap();
    let moved = Update { expected: revision, ..put(3, Some(9), Some(9)) };
    assert_eq!(checked(&storage, vec![moved]).await, Err(Disagreement::Index));
}

#[tokio::test]
async fn every_disagreement_is_found_in_memory() {
    every_disagreement_is_found(|| Memory::new(3)).await;
}

#[tokio::test]
async fn every_disagreement_is_found_in_rocksdb() {
    let folder = tempfile::tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    every_disagreement_is_found(|| {
        next.set(next.get() + 1);
        Rocks::open(&folder.path().join(next.get().to_string()), CACHE).unwrap()
    })
    .await;
}
