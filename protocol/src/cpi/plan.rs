//! Numbering plans, by the metadata of the `phonenumber` crate. Its patterns are held to the whole of a number: the crate
//! itself takes a number that begins as one of the plan does, and goes on.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Metadata, Type};
use regex::{Regex, RegexBuilder};

const LONGEST_COUNTRY_CODE: usize = 3;
/// What a number can be.
const TYPES: [Type; 10] = [
    Type::FixedLine,
    Type::Mobile,
    Type::TollFree,
    Type::PremiumRate,
    Type::SharedCost,
    Type::PersonalNumber,
    Type::Voip,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
];
/// Compiled patterns that are kept; the metadata has some two thousand.
const KEPT_PATTERNS: usize = 256;

static PATTERNS: LazyLock<Mutex<HashMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);

/// The calling code of a country, if the digits begin with one, and what follows it.
pub(super) fn cut(digits: &str) -> Option<(&str, &str)> {
    plans(digits).next().map(|(_, national)| (&digits[..digits.len() - national.len()], national))
}

/// Whether the plan of its country has a number of some type with these digits, country code first.
pub(super) fn has_number(digits: &str) -> bool {
    plans(digits).any(|(plan, national)| {
        let is = |kind: &Type| plan.descriptors().get(*kind).is_some_and(|kind| is_match(kind, national));
        is_match(plan.descriptors().general(), national) && TYPES.iter().any(is)
    })
}

/// The plans that the digits may be of, each with what follows its country code.
fn plans(digits: &str) -> impl Iterator<Item = (&'static Metadata, &str)> {
    let cut = (1..=LONGEST_COUNTRY_CODE).filter_map(|length| digits.split_at_checked(length));
    cut.filter(|(code, _)| !code.starts_with('0')).flat_map(|(code, national)| {
        let plans = code.parse::<u16>().ok().and_then(|code| DATABASE.by_code(&code)).unwrap_or_default();
        plans.into_iter().map(move |plan| (plan, national))
    })
}

fn is_match(descriptor: &'static Descriptor, national: &str) -> bool {
    let lengths = descriptor.possible_length();
    let possible = lengths.is_empty() || lengths.iter().any(|length| usize::from(*length) == national.len());
    possible && whole(descriptor.national_number().as_str()).is_some_and(|pattern| pattern.is_match(national))
}

/// The pattern, from the first digit to the last.
fn whole(pattern: &'static str) -> Option<Regex> {
    let mut kept = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(pattern) {
        return Some(known.clone());
    }
    let anchored = format!("^(?:{pattern})$");
    let made = RegexBuilder::new(&anchored).ignore_whitespace(true).unicode(false).build().ok()?;
    if kept.len() >= KEPT_PATTERNS {
        kept.clear();
    }
    kept.insert(pattern, made.clone());
    Some(made)
}
