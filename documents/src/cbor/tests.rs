//! Each rule of the encoding has one input that breaks it and one that just keeps it; then whatever chance brings.

use proptest::prelude::*;

use super::*;

fn read(hex: &str) -> Result<Value, CborError> {
    decode(&hex::decode(hex).unwrap(), 64)
}

/// One input for each rule, by hand.
#[test]
fn every_rule_refuses() {
    for (hex, error) in [
        ("1817", CborError::NotShortest),       // 23 in two bytes
        ("1900ff", CborError::NotShortest),     // 255 in three
        ("1a0000ffff", CborError::NotShortest), // 65535 in five
        ("1b00000000ffffffff", CborError::NotShortest),
        ("3817", CborError::NotShortest),       // -24 in two bytes
        ("5803010203", CborError::NotShortest), // length 3 in two bytes
        ("d811f6", CborError::NotShortest),     // tag 17 in two bytes
        ("9fff", CborError::Indefinite),
        ("bfff", CborError::Indefinite),
        ("5f4101ff", CborError::Indefinite),
        ("7f6161ff", CborError::Indefinite),
        ("ff", CborError::Indefinite),
        ("a201000100", CborError::DuplicateKey),
        ("a202000100", CborError::KeyOrder),
        ("a220000100", CborError::KeyOrder), // -1 before 1
        ("f93c00", CborError::UnusedType),   // 1.0
        ("f7", CborError::UnusedType),       // undefined
        ("f0", CborError::UnusedType),       // simple(16)
        ("c24105", CborError::UnusedType),   // bignum 5
        ("c34105", CborError::UnusedType),   // bignum -6
        ("0000", CborError::Trailing),
        ("", CborError::Truncated),
        ("4201", CborError::Truncated),
        ("8201", CborError::Truncated),
        ("9b7fffffffffffffff", CborError::Truncated),
        ("5b7fffffffffffffff", CborError::Truncated),
        ("1c", CborError::Malformed),
        ("61ff", CborError::Text),
        ("81818181818181818100", CborError::TooDeep), // nine levels
    ] {
        assert_eq!(read(hex), Err(error), "{hex}");
    }
    assert_eq!(decode(&[0; 65], 64), Err(CborError::TooLong(64)));
}

#[test]
fn the_last_allowed_form_of_each_rule_is_read() {
    for hex in [
        "17",
        "1818",
        "190100",
        "1a00010000",
        "1b0000000100000000",
        "d2f6",
        "818181818181818100",
        "a2010020f5",
        "f4",
        "a0",
    ] {
        assert!(read(hex).is_ok(), "{hex}");
    }
}

#[test]
fn a_sequence_splits_at_its_items() {
    let bytes = hex::decode("820102f6").unwrap();
    assert_eq!(split_first(&bytes, 64), Ok((&bytes[..3], &bytes[3..])));
    assert_eq!(split_first(&bytes, 2), Err(CborError::TooLong(2)));
    assert_eq!(split_first(&bytes[..2], 64), Err(CborError::Truncated));
}

#[test]
fn a_closed_map_refuses_what_was_not_asked_for() {
    let map = MapWriter::new().field(Label::new(1, "a"), 5).field(Label::new(-3, "b"), "x").finish();
    let mut reader = MapReader::new(map, "map").unwrap();
    assert_eq!(reader.unsigned(Label::new(1, "a")), Ok(5));
    assert_eq!(reader.unsigned(Label::new(2, "c")), Err(FieldError::Missing("c")));
    assert_eq!(reader.finish(), Err(FieldError::Unknown(-3)));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::btree_map(any::<i64>(), inner.clone(), 0..6).prop_map(|map| {
                map.into_iter()
                    .fold(MapWriter::new(), |writer, (key, value)| writer.field(Label::new(key, "k"), value))
                    .finish()
            }),
            (any::<u64>(), inner).prop_map(|(tag, value)| Value::Tag(tag, Box::new(value))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(value in value()) {
        prop_assert_eq!(decode(&encode(&value), usize::MAX), Ok(value));
    }

    #[test]
    fn what_is_accepted_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = decode(&bytes, 64) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn a_changed_encoding_is_refused_or_encodes_to_itself(value in value(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Ok(value) = decode(&bytes, usize::MAX) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }
}
