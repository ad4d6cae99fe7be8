//! Telephone numbers, as people type them, against an independent implementation: the PyPI package `phonenumbers`, by
//! `tools/compare_numbers.py`, whose verdicts are recorded in `numbers.tsv`. Where we read something otherwise, a [`Class`] says why,
//! and each class has as many lines as are written here. `COMPARED_NUMBERS` names another file, as long as one likes: its counts
//! are printed.

#![allow(clippy::print_stdout, reason = "the counts of a long comparison are for people to read")]

use std::collections::BTreeMap;

use protocol::cpi::{Cpi, Region};
use unicode_normalization::UnicodeNormalization as _;

const RECORDED: &str = include_str!("numbers.tsv");

/// Why we read something otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Letters: a vanity number, an extension, a word before. We want digits; they read letters as keys, and drop the rest.
    Letters,
    /// Other signs (`~`, `#`, `;`): we refuse them, they step over them.
    Signs,
    /// Digits of another script, as Arabic or Devanagari: we refuse them, they read them.
    Script,
    /// A leading 00: we take it for the international prefix where the region has no other use for it, and without a region.
    DoubleZero,
    /// Valid by the metadata, and refused by our library: it takes the national prefix (8 in Russia, Kazakhstan, Lithuania and Belarus) away
    /// from a number without country code that begins with the same digit.
    NationalPrefix,
    /// More than 15 digits with the country code, which E.164 does not have: Germany's plan would allow them.
    Long,
    /// The same digits, cut otherwise into country code and number, or a prefix that neither is sure of: ours takes one away, and finds a
    /// number of the plan in what is left.
    Prefix,
}

impl Class {
    fn of(text: &str, ours: Option<&str>, theirs: Option<&str>) -> Option<Self> {
        let text: String = text.nfkc().collect();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        match (ours, theirs) {
            (None, Some(theirs)) => {
                if text.chars().any(char::is_alphabetic) {
                    Some(Self::Letters)
                } else if text.contains(['~', '#', ';']) {
                    Some(Self::Signs)
                } else if text.chars().any(|c| c.is_numeric() && !c.is_ascii_digit()) {
                    Some(Self::Script)
                } else if ["+7", "+370", "+375"]
                    .iter()
                    .any(|code| theirs.strip_prefix(code).is_some_and(|n| n.starts_with('8')))
                {
                    Some(Self::NationalPrefix)
                } else if theirs.len() > "+".len() + 15 {
                    Some(Self::Long)
                } else {
                    Some(Self::Prefix)
                }
            }
            (Some(_), None) => Some(if digits.starts_with("00") { Self::DoubleZero } else { Self::Prefix }),
            (Some(_), Some(_)) => Some(Self::Prefix),
            (None, None) => None,
        }
    }
}

fn ours(text: &str, region: &str) -> Option<String> {
    let region = (region != "-").then(|| Region::parse(region).ok()).flatten();
    let cpi = Cpi::from_user_input(text, region).ok()?;
    cpi.as_str().strip_prefix("tel:").map(str::to_owned)
}

#[test]
fn differences_from_an_independent_implementation_are_explained() {
    let named = std::env::var("COMPARED_NUMBERS").ok();
    let read = named.as_ref().map(|path| std::fs::read_to_string(path).unwrap());
    let lines = read.as_deref().unwrap_or(RECORDED);
    let (mut differ, mut same) = (BTreeMap::<Class, Vec<String>>::new(), [0, 0]);
    for line in lines.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [text, region, theirs] = fields[..] else { panic!("three fields: {line}") };
        let (ours, theirs) = (ours(text, region), (theirs != "-").then_some(theirs));
        if ours.as_deref() == theirs {
            same[usize::from(ours.is_some())] += 1;
        } else {
            let class = Class::of(text, ours.as_deref(), theirs).unwrap();
            differ.entry(class).or_default().push(format!("{line} -> {}", ours.as_deref().unwrap_or("-")));
        }
    }
    println!("{} lines: {} refused by both, {} read alike", lines.lines().count(), same[0], same[1]);
    for (class, lines) in &differ {
        println!("{class:?}: {}, as {}", lines.len(), lines[..lines.len().min(3)].join("; "));
    }
    // What no better reason is found for is rare.
    let rest = differ.get(&Class::Prefix).map_or(0, Vec::len);
    assert!(rest * 1000 <= lines.lines().count(), "{rest} lines");
    if named.is_none() {
        let counts: BTreeMap<_, _> = differ.iter().map(|(class, lines)| (*class, lines.len())).collect();
        let expected = [
            (Class::Letters, 303),
            (Class::Signs, 84),
            (Class::Script, 122),
            (Class::DoubleZero, 55),
            (Class::NationalPrefix, 1),
            (Class::Long, 3),
            (Class::Prefix, 3),
        ];
        assert_eq!((same, counts), ([1722, 1707], BTreeMap::from(expected)), "{differ:#?}");
    }
}
