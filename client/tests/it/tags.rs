//! R2, D4: the recipient's preferences, by the sentences of "Basic Recipient's Preference Requirement" in
//! draft-interop-mimi-discovery-requirements-01.

use client::Found;
use client::cache::{Cache, Freshness};
use client::choice::{Choice, Reason, choose};
use protocol::mapping::{MAX_TAG_BYTES, MAX_TAGS, Tags};
use protocol::mimi_uri::Msp;

use crate::fixtures::{cpi, mapping};

fn found(mappings: &[(&str, &[&str])]) -> Found {
    Found::of(cpi(), mappings.iter().map(|(msp, tags)| mapping(&format!("mimi://{msp}"), tags)).collect())
}

fn chosen(found: &Found, context: Option<&str>, remembered: Option<&Choice>, tie: usize) -> (String, Reason) {
    let chosen = choose(found, context, remembered, tie).unwrap();
    (Choice::of(chosen.mapping).unwrap().msp.domain().to_owned(), chosen.reason)
}

fn at(msp: &str, reason: Reason) -> (String, Reason) {
    (msp.to_owned(), reason)
}

/// "The preference tag can be either a string (e.g., "Business", "Personal", "BasketballFriends", "WhatsApp") or a list of
/// strings (e.g., "Business, WhatsApp"). For example, a recipient might want senders from WhatsApp to utilize a specific
/// non-default "WhatsApp" mapping."
#[test]
fn r02_a_sender_uses_the_mapping_tagged_with_its_context() {
    let found = found(&[
        ("home.example", &["Default"]),
        ("work.example", &["Business", "WhatsApp"]),
        ("court.example", &["BasketballFriends"]),
        ("own.example", &["Personal"]),
    ]);
    for (context, msp) in [
        ("WhatsApp", "work.example"),
        ("Business", "work.example"),
        ("BasketballFriends", "court.example"),
        ("Personal", "own.example"),
    ] {
        for tie in 0..4 {
            assert_eq!(chosen(&found, Some(context), None, tie), at(msp, Reason::Context));
        }
    }
}

/// "1. The default mapping must be designated as "Default"": who has another context, or none, uses that one. Strings are
/// compared as they are: no other spelling is a designation.
#[test]
fn r02_the_default_mapping_is_for_everybody_else() {
    let both = found(&[("work.example", &["Business"]), ("home.example", &["Default"])]);
    for context in [None, Some("Football"), Some("business"), Some(""), Some("Default")] {
        let (msp, reason) = chosen(&both, context, None, 1);
        let expected = if context == Some("Default") { Reason::Context } else { Reason::Default };
        assert_eq!((msp.as_str(), reason), ("home.example", expected), "{context:?}");
    }
    let misspelt = found(&[("a.example", &["default"]), ("b.example", &["DEFAULT"])]);
    assert_eq!(chosen(&misspelt, None, None, 0).1, Reason::Tie);
}

/// "… and cannot be a list": a mapping whose list has `Default` among others is read by each of its tags (decision 0049).
#[test]
fn r02_a_default_within_a_list_is_read_as_both() {
    let list = found(&[("a.example", &["Default", "Business"]), ("b.example", &["Personal"])]);
    assert_eq!(chosen(&list, None, None, 1), at("a.example", Reason::Default));
    assert_eq!(chosen(&list, Some("Business"), None, 1), at("a.example", Reason::Context));
    assert_eq!(chosen(&list, Some("Personal"), None, 1), at("b.example", Reason::Context));
}

/// "2. Non-default mappings can have one or more tags": several may carry the context, and then it is a tie among them alone.
#[test]
fn r02_a_tie_is_among_those_that_carry_the_context() {
    let three =
        found(&[("a.example", &["Business"]), ("b.example", &["Business", "WhatsApp"]), ("c.example", &["Default"])]);
    let taken: Vec<_> = (0..4).map(|tie| chosen(&three, Some("Business"), None, tie)).collect();
    assert_eq!(taken, ["a", "b", "a", "b"].map(|name| at(&format!("{name}.example"), Reason::Tie)));
}

/// "3. The total length of tags should be limited within the protocol."
#[test]
fn r02_the_total_length_of_tags_is_limited() {
    let tag = |number: usize| format!("{number}{}", "x".repeat(MAX_TAG_BYTES - 1));
    let most = Tags::new((0..MAX_TAGS).map(tag)).unwrap();
    assert_eq!(most.iter().map(str::len).sum::<usize>(), 256);
    assert!(Tags::new((0..=MAX_TAGS).map(tag)).is_err());
    assert!(Tags::new(["x".repeat(MAX_TAG_BYTES + 1)]).is_err());
}

/// "4. If a CSI's set of mappings lacks a default mapping or multiple mappings have the "Default" tag, the recipient can choose
/// any of the mappings for communication."
#[test]
fn r02_without_one_default_any_will_do() {
    let without = found(&[("a.example", &["Business"]), ("b.example", &[])]);
    let twice = found(&[("a.example", &["Default"]), ("b.example", &["Default"])]);
    for found in [&without, &twice] {
        for context in [None, Some("Football")] {
            let taken: Vec<_> = (0..2).map(|tie| chosen(found, context, None, tie)).collect();
            assert_eq!(taken, [at("a.example", Reason::Tie), at("b.example", Reason::Tie)]);
        }
    }
}

/// "5. Tie-breaking should occur only once and be re-evaluated solely through explicit user action. This prevents messages from
/// a sender from being scattered across multiple mappings for the recipient."
#[test]
fn r02_a_tie_is_broken_once_and_by_the_user_alone_again() {
    let mut cache = Cache::new(Freshness::default());
    let two = found(&[("a.example", &[]), ("b.example", &[])]);
    let first = choose(&two, None, cache.choice(&cpi(), None), 1).unwrap();
    assert_eq!(first.reason, Reason::Tie);
    cache.remember(&cpi(), None, Choice::of(first.mapping).unwrap());

    // Whatever chance says later, after a restart, and with one more mapping to choose from.
    let mut cache = Cache::from_bytes(&cache.to_bytes(), Freshness::default()).unwrap();
    let three = found(&[("c.example", &[]), ("b.example", &[]), ("a.example", &[])]);
    for (found, tie) in [(&two, 0), (&two, 1), (&three, 0), (&three, 2)] {
        let remembered = cache.choice(&cpi(), None);
        assert_eq!(chosen(found, None, remembered, tie), at("b.example", Reason::Remembered));
    }

    // The user decides otherwise.
    let other = Choice { msp: Msp::from_domain("a.example").unwrap(), ..cache.choice(&cpi(), None).unwrap().clone() };
    cache.remember(&cpi(), None, other);
    assert_eq!(chosen(&three, None, cache.choice(&cpi(), None), 0), at("a.example", Reason::Remembered));
}
