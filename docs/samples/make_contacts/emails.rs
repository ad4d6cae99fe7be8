//! Email addresses, plain and internationalised, and how people write them.

use protocol::cpi::Cpi;
use unicode_normalization::UnicodeNormalization as _;

use super::languages::{Language, Person};

/// Domains set aside for examples (RFC 2606); those of the languages are under `.example` too.
const DOMAINS: [&str; 5] = ["example.com", "example.org", "mail.example.net", "post.example", "example.net"];
/// What people without a Latin spelling of their name call themselves.
const NICKNAMES: [&str; 12] =
    ["kite", "river", "maple", "falcon", "lotus", "amber", "tiger", "pearl", "cedar", "comet", "ginger", "willow"];

/// Addresses that a person might have, the likeliest first, a hundred of them.
pub(crate) fn addresses<'a>(
    turn: usize,
    person: &'a Person,
    language: &'a Language,
) -> impl Iterator<Item = String> + 'a {
    let first = std::iter::once(written(turn, person, language, ""));
    let others = (2..100).map(move |number: usize| written(turn, person, language, &number.to_string()));
    first.chain(others).filter(|address| Cpi::from_user_input(address, None).is_ok())
}

/// The CPI of an address from [`addresses`].
pub(crate) fn cpi(address: &str) -> Cpi {
    Cpi::from_user_input(address, None).expect("only addresses that are read are made")
}

/// The same address in another hand.
pub(crate) fn otherwise_written(address: &str) -> String {
    let (local, domain) = address.split_once('@').expect("an address has an @");
    let other = format!("{}@{}", capitalised(local), domain.to_uppercase());
    if Cpi::from_user_input(&other, None) == Ok(cpi(address)) { other } else { address.to_owned() }
}

fn written(turn: usize, person: &Person, language: &Language, number: &str) -> String {
    let domain = DOMAINS[turn % DOMAINS.len()];
    let (plain, native, idn) = (plain_local(turn, person), native_local(person), language.domain);
    match turn % 7 {
        0 => format!("{plain}{number}@{domain}"),
        1 => format!("{native}{number}@{idn}"),
        2 => format!("{}{number}@{}", capitalised(&plain), capitalised(domain)),
        3 => format!("{native}{number}@{domain}"),
        4 => format!("{plain}{number}+friends@{domain}"),
        5 => format!("{plain}{number}@{idn}"),
        _ => format!("{}{number}@{}", capitalised(&native), capitalised(idn)),
    }
}

/// `grażyna.nowak`: an SMTPUTF8 local part.
fn native_local(person: &Person) -> String {
    format!("{}.{}", person.given, person.family).to_lowercase().replace([' ', '\'', '’'], "")
}

/// `grazyna.nowak`, or a nickname where the name has no plain Latin letters.
fn plain_local(turn: usize, person: &Person) -> String {
    let plain: String =
        native_local(person).nfd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).collect();
    if plain.is_ascii() { plain } else { format!("{}{}", NICKNAMES[turn % NICKNAMES.len()], 1960 + turn % 45) }
}

/// `Anna.Schmidt`.
fn capitalised(text: &str) -> String {
    let mut after_separator = true;
    text.chars()
        .flat_map(|c| {
            let upper = std::mem::replace(&mut after_separator, matches!(c, '.' | '-'));
            let c = if upper { c.to_uppercase().next().unwrap_or(c) } else { c };
            std::iter::once(c)
        })
        .collect()
}
