//! How updates are split over buckets and batches.

use protocol::Timestamp;

use super::super::super::{Kind, Tally};
use super::*;

fn update(label: [u8; 2], turns: &[u32], bytes: usize) -> Update {
    let entry = |turn: &u32| NewEntry {
        kind: Kind::Mapping,
        document: vec![0; 10],
        hash: [0; 32],
        at: Timestamp::from_seconds(1),
        turn: *turn,
    };
    let mut whole = [1; 33];
    whole[1..3].copy_from_slice(&label);
    Update {
        label: whole,
        expected: 0,
        moved_from: None,
        record: Some(vec![0; bytes]),
        was_due: None,
        is_due: None,
        entries: turns.iter().map(entry).collect(),
        tally: Tally::default(),
    }
}

fn which(updates: Vec<Update>) -> Vec<(u32, Vec<Vec<usize>>)> {
    let of = |(bucket, pieces): (u32, Vec<Piece>)| (bucket, pieces.into_iter().map(|piece| piece.which).collect());
    split(updates, 4).unwrap().into_iter().map(of).collect()
}

#[test]
fn each_bucket_has_its_own_in_the_order_of_turns() {
    let updates = vec![
        update([200, 0], &[], 10),
        update([200, 1], &[3], 10),
        update([0, 1], &[1], 10),
        update([200, 2], &[0, 9], 10),
    ];
    assert_eq!(which(updates), [(0, vec![vec![2]]), (3, vec![vec![3, 1, 0]])]);
}

#[test]
fn a_batch_is_bounded_and_an_update_is_never_split() {
    let large = BATCH_BYTES / 2;
    let updates = vec![
        update([0, 0], &[0], large),
        update([0, 1], &[1], large),
        update([0, 2], &[2], 3 * large),
        update([0, 3], &[3], 10),
    ];
    assert_eq!(which(updates), [(0, vec![vec![0], vec![1], vec![2], vec![3]])]);
}

#[test]
fn a_second_update_of_a_record_is_left_out() {
    let moving = Update { moved_from: Some(update([0, 1], &[], 1).label), ..update([0, 2], &[], 10) };
    assert_eq!(which(vec![update([0, 1], &[], 10), update([0, 1], &[], 10), moving]), [(0, vec![vec![0]])]);
}

#[test]
fn a_record_does_not_move_to_another_bucket() {
    let moving = Update { moved_from: Some(update([0, 1], &[], 1).label), ..update([255, 2], &[], 10) };
    assert!(split(vec![moving], 4).is_err());
}
