//! Tags, context, memory and ties, each deciding where it should; holders are never chosen between.

use std::time::Duration;

use super::*;
use crate::sample::{cpi, mapping, mapping_by};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn found(mappings: &[(&str, &[&str])]) -> Found {
    Found::of(cpi(), mappings.iter().map(|(msp, tags)| mapping(msp, tags, DAY)).collect())
}

fn chosen(found: &Found, context: Option<&str>, remembered: Option<&Choice>, tie: usize) -> Option<(String, Reason)> {
    choose(found, context, remembered, tie)
        .map(|chosen| (Choice::of(chosen.mapping).unwrap().msp.domain().to_owned(), chosen.reason))
}

#[test]
fn the_context_decides_then_default() {
    let found = found(&[("mimi://work.example", &["Business", "Mail"]), ("mimi://home.example", &["Default"])]);
    let of = |context| chosen(&found, context, None, 0);
    assert_eq!(of(Some("Business")), Some(("work.example".to_owned(), Reason::Context)));
    assert_eq!(of(Some("Mail")), Some(("work.example".to_owned(), Reason::Context)));
    assert_eq!(of(Some("business")), Some(("home.example".to_owned(), Reason::Default)));
    assert_eq!(of(None), Some(("home.example".to_owned(), Reason::Default)));
}

#[test]
fn one_without_preference_is_the_one() {
    let one = found(&[("mimi://a.example", &["Football"])]);
    assert_eq!(chosen(&one, Some("Business"), None, 0), Some(("a.example".to_owned(), Reason::Only)));
    assert_eq!(chosen(&found(&[]), None, None, 0), None);
}

#[test]
fn a_tie_is_broken_once() {
    for tags in [&["Default"][..], &[], &["Business"]] {
        let found = found(&[("mimi://a.example", tags), ("mimi://b.example", tags)]);
        let (place, reason) = chosen(&found, Some("Business"), None, 7).unwrap();
        assert_eq!((place.as_str(), reason), ("b.example", Reason::Tie));
        let choice = Choice::of(choose(&found, Some("Business"), None, 7).unwrap().mapping).unwrap();
        for tie in 0..4 {
            let again = chosen(&found, Some("Business"), Some(&choice), tie);
            assert_eq!(again, Some(("b.example".to_owned(), Reason::Remembered)));
        }
    }
}

/// What the recipient says goes before what was remembered; what is no longer there is not remembered.
#[test]
fn the_recipient_outweighs_the_memory() {
    let choice = Choice::of(&mapping("mimi://a.example", &[], DAY)).unwrap();
    let decided = found(&[("mimi://a.example", &[]), ("mimi://b.example", &["Default"])]);
    assert_eq!(chosen(&decided, None, Some(&choice), 0), Some(("b.example".to_owned(), Reason::Default)));
    let gone = found(&[("mimi://b.example", &[]), ("mimi://c.example", &[])]);
    assert_eq!(chosen(&gone, None, Some(&choice), 0), Some(("b.example".to_owned(), Reason::Tie)));
}

/// Whoever claims a number beside its owner gets no message by chance, nor by tags of his own.
#[test]
fn several_holders_are_the_users_to_decide() {
    let owner = mapping_by(2, "mimi://a.example", &["Default"], DAY);
    let other = mapping_by(3, "mimi://b.example", &["Business", "Default"], DAY);
    let choice = Choice::of(&owner).unwrap();
    let found = Found::of(cpi(), vec![owner, other]);
    for context in [None, Some("Business")] {
        assert_eq!(chosen(&found, context, None, 0), None);
        assert_eq!(chosen(&found, context, Some(&choice), 1), Some(("a.example".to_owned(), Reason::Remembered)));
    }
}
