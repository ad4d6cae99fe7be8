//! The layout of a record octet by octet; generated records come back, damaged ones are refused.

use proptest::prelude::*;

use super::*;

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let times = any::<(u32, u32, u32, u64)>();
    let marks = (any::<bool>(), any::<bool>(), proptest::option::of(0..3_u8), 0..4_u8);
    (times, marks, proptest::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(times, (live, default, msp, holder), document)| Entry {
            holder: Thumbprint::from_bytes([holder; 32]),
            msp: msp.map(|msp| MspHash([msp; 32])),
            seq: times.3,
            live,
            default,
            expires_at: Timestamp::from_seconds(times.0.into()),
            credential_issued_at: Timestamp::from_seconds(times.1.into()),
            keep_until: Timestamp::from_seconds(times.2.into()),
            document,
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let time = || (1..u64::MAX).prop_map(Timestamp::from_seconds);
    let holder = || any::<[u8; 32]>().prop_map(Thumbprint::from_bytes);
    let fresh = proptest::option::of((time(), holder()).prop_map(|(since, holder)| Fresh { since, holder }));
    let notice = (holder(), time()).prop_map(|(holder, at)| Notice { holder, at });
    (
        proptest::option::of(time()),
        any::<u64>(),
        fresh,
        proptest::collection::vec(notice, 0..4),
        proptest::collection::vec(entry(), 0..6),
    )
        .prop_map(|(due, removed, fresh, notices, entries)| Record {
            due,
            limits: Limits { removed_before: Timestamp::from_seconds(removed), fresh },
            notices,
            entries,
        })
}

/// The stored form is a commitment: field by field.
#[test]
fn the_layout_byte_by_byte() {
    let time = Timestamp::from_seconds;
    let record = Record {
        due: Some(time(0x11)),
        limits: Limits {
            removed_before: time(0x12),
            fresh: Some(Fresh { since: time(0x13), holder: Thumbprint::from_bytes([0xf0; 32]) }),
        },
        notices: vec![Notice { holder: Thumbprint::from_bytes([0xf1; 32]), at: time(0x14) }],
        entries: vec![Entry {
            holder: Thumbprint::from_bytes([0xf2; 32]),
            msp: Some(MspHash([0xf3; 32])),
            seq: 0x15,
            live: true,
            default: false,
            expires_at: time(0x16),
            credential_issued_at: time(0x17),
            keep_until: time(0x18),
            document: vec![0xd0, 0xd1],
        }],
    };
    let number = |low: u8| format!("{low:016x}");
    let expected = [
        "01".to_owned(),   // version
        number(0x11),      // due
        number(0x12),      // removed before
        number(0x13),      // fresh since
        "f0".repeat(32),   // fresh holder
        "01".to_owned(),   // one notice
        "f1".repeat(32),   // its holder
        number(0x14),      // when
        "03".to_owned(),   // an entry: live, names an MSP
        number(0x15),      // seq
        number(0x16),      // expires
        number(0x17),      // credential issued
        number(0x18),      // keep until
        "f2".repeat(32),   // holder
        "f3".repeat(32),   // MSP
        "0002".to_owned(), // length
        "d0d1".to_owned(), // document
    ];
    assert_eq!(hex::encode(record.encode()), expected.concat());
}

/// It would be looked at, and nothing found.
#[test]
fn a_record_that_is_merely_due_is_empty() {
    let due = Record { due: Some(Timestamp::from_seconds(1)), ..Record::default() };
    assert!(due.is_empty());
    let limits = Limits { removed_before: Timestamp::from_seconds(1), fresh: None };
    assert!(!Record { limits, ..due }.is_empty());
}

#[test]
fn a_record_has_as_many_notices_as_there_may_be_and_no_more() {
    let notice = Notice { holder: Thumbprint::from_bytes([1; 32]), at: Timestamp::from_seconds(1) };
    let with = |count| Record { notices: vec![notice; count], ..Record::default() };
    assert_eq!(Record::decode(&with(MAX_NOTICES).encode()), Ok(with(MAX_NOTICES)));
    assert_eq!(Record::decode(&with(MAX_NOTICES + 1).encode()), Err(Damaged));
}

proptest! {
    #[test]
    fn a_record_round_trips(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn a_truncated_record_is_damaged_or_shorter(record in record(), at in any::<prop::sample::Index>()) {
        let bytes = record.encode();
        let cut = &bytes[..at.index(bytes.len())];
        if let Ok(shorter) = Record::decode(cut) {
            prop_assert!(shorter.entries.len() < record.entries.len());
            prop_assert_eq!(shorter.encode(), cut);
        }
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(record) = Record::decode(&bytes) {
            let _ = record.encode();
        }
    }
}
