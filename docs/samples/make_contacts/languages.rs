//! Names from many languages, and where they are at home.

mod names;

use std::collections::BTreeMap;

pub(crate) use names::LANGUAGES;

/// Names as they are given somewhere.
pub(crate) struct Language {
    /// Regions, two letters each.
    pub(crate) regions: &'static str,
    /// Whether the family name stands first, without a space in between.
    pub(crate) order: Order,
    /// Given names.
    pub(crate) given: &'static [&'static str],
    /// Family names, as many as given ones.
    pub(crate) family: &'static [&'static str],
    /// An internationalised domain name under `.example`.
    pub(crate) domain: &'static str,
}

/// How a full name is put together.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// `Anna Schmidt`.
    GivenFirst,
    /// `Nagy Anna`.
    FamilyFirst,
    /// `山田花子`.
    FamilyFirstJoined,
}

/// A person.
pub(crate) struct Person {
    /// As shown.
    pub(crate) full: String,
    /// The given name.
    pub(crate) given: String,
    /// The family name.
    pub(crate) family: String,
}

/// Hands out people, each once.
#[derive(Default)]
pub(crate) struct Shelf {
    taken: BTreeMap<&'static str, usize>,
}

impl Shelf {
    /// The next person of this language.
    pub(crate) fn person(&mut self, language: &Language) -> Person {
        let taken = self.taken.entry(language.regions).or_default();
        let (row, column) = (*taken / language.given.len(), *taken % language.given.len());
        *taken += 1;
        let given = language.given[column];
        let family = language.family[(row + column) % language.family.len()];
        let full = match language.order {
            Order::GivenFirst => format!("{given} {family}"),
            Order::FamilyFirst => format!("{family} {given}"),
            Order::FamilyFirstJoined => format!("{family}{given}"),
        };
        Person { full, given: given.to_owned(), family: family.to_owned() }
    }
}

/// The language of a region; English where the table has none.
pub(crate) fn spoken_in(region: &str) -> &'static Language {
    let at_home = |language: &&Language| language.regions.split(' ').any(|code| code == region);
    LANGUAGES.iter().find(at_home).unwrap_or(&LANGUAGES[0])
}
