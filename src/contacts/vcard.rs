//! Reads a vCard 4.0 book (RFC 6350; the older 3.0 and 2.1 too, in UTF-8).
//!
//! What is read: `FN` (else `N`, `ORG`), `TEL`, `EMAIL`, `CATEGORIES`, and the country of an `ADR`: its `CC` parameter
//! (RFC 8605 §3.1), or a country name of two letters. The first address that tells a country tells the region of the card's
//! numbers. Everything else is passed over. [`read`] and [`parse`] are the entry points, [`BookError`] says what is wrong.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use calcard::vcard::{VCard, VCardEntry, VCardParameterName, VCardProperty, VCardValue};
use calcard::{Entry, Parser};
use client::foreign_text::printable;
use protocol::cpi::Region;

use super::Contact;

/// The largest book, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;
/// The most cards in a book.
pub const MAX_CARDS: usize = 100_000;
/// The most numbers, and the most addresses, of one card.
pub const MAX_VALUES: usize = 64;
pub(super) const MAX_NAME_CHARS: usize = 128;
/// Where an `ADR` value has its country name (RFC 6350 §6.3.1).
const COUNTRY_NAME: usize = 6;

/// Why a book cannot be read. Cards are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be read.
    #[error("the contact book cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Over [`MAX_BYTES`].
    #[error("a contact book has {} MiB at most", MAX_BYTES >> 20)]
    TooLarge,
    /// Over [`MAX_CARDS`].
    #[error("a contact book has {MAX_CARDS} cards at most")]
    TooManyCards,
    /// Not UTF-8.
    #[error("line {line} of the contact book is not UTF-8")]
    Encoding {
        /// The line, from 1.
        line: usize,
    },
    /// No card at all.
    #[error("the file has no vCard")]
    NoCard,
    /// A line that is no property, in a card or before it.
    #[error("card {card} of the contact book, or what stands before it, has a line that is no vCard property")]
    Line {
        /// The card.
        card: usize,
    },
    /// Another component, such as a calendar.
    #[error("where card {card} of the contact book should stand is something else than a vCard")]
    Component {
        /// The card.
        card: usize,
    },
    /// No `END:VCARD`.
    #[error("card {card} of the contact book does not end with END:VCARD")]
    Unfinished {
        /// The card.
        card: usize,
    },
    /// Over [`MAX_VALUES`].
    #[error("card {card} of the contact book has more than {MAX_VALUES} numbers or addresses")]
    TooManyValues {
        /// The card.
        card: usize,
    },
    /// A `CC` parameter that is no country code: its numbers would be misread.
    #[error("card {card} of the contact book has an ADR whose CC is not a country code of two letters, such as US")]
    Country {
        /// The card.
        card: usize,
    },
}

/// Reads the book in a file.
///
/// # Errors
///
/// [`BookError`] names the card or the line.
pub fn read(path: &Path) -> Result<Vec<Contact>, BookError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// Reads a book.
///
/// # Errors
///
/// [`BookError`] names the card or the line.
pub fn parse(bytes: &[u8]) -> Result<Vec<Contact>, BookError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(BookError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| BookError::Encoding {
        line: 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
    })?;
    let mut contacts = Vec::new();
    let mut parser = Parser::new(text).strict();
    loop {
        let card = contacts.len() + 1;
        match parser.entry() {
            Entry::VCard(_) if card > MAX_CARDS => return Err(BookError::TooManyCards),
            Entry::VCard(vcard) => contacts.push(contact(&vcard, card)?),
            Entry::InvalidLine(_) => return Err(BookError::Line { card }),
            Entry::UnterminatedComponent(_) => return Err(BookError::Unfinished { card }),
            Entry::Eof if contacts.is_empty() => return Err(BookError::NoCard),
            Entry::Eof => return Ok(contacts),
            _ => return Err(BookError::Component { card }),
        }
    }
}

fn contact(vcard: &VCard, card: usize) -> Result<Contact, BookError> {
    let (mut phones, mut emails) = (Vec::new(), Vec::new());
    for entry in &vcard.entries {
        let list = match entry.name {
            VCardProperty::Tel => &mut phones,
            VCardProperty::Email => &mut emails,
            _ => continue,
        };
        list.extend(texts(entry).map(str::to_owned));
        if list.len() > MAX_VALUES {
            return Err(BookError::TooManyValues { card });
        }
    }
    let addresses = vcard.properties(&VCardProperty::Adr);
    let region = addresses.filter_map(region).next().transpose().map_err(|()| BookError::Country { card })?;
    let categories = vcard.properties(&VCardProperty::Categories).flat_map(texts).map(str::to_owned).collect();
    Ok(Contact { name: name(vcard), phones, emails, region, categories })
}

/// The name to show.
fn name(vcard: &VCard) -> String {
    let first = |property| vcard.properties(&property).find_map(|entry| texts(entry).next()).map(str::to_owned);
    let of_parts = || {
        let parts = vcard.property(&VCardProperty::N)?;
        let part = |index: usize| parts.values.get(index).and_then(VCardValue::as_text).unwrap_or_default().trim();
        let name = format!("{} {}", part(1), part(0)).trim().to_owned();
        (!name.is_empty()).then_some(name)
    };
    let name = first(VCardProperty::Fn).or_else(of_parts).or_else(|| first(VCardProperty::Org)).unwrap_or_default();
    printable(&name, MAX_NAME_CHARS)
}

/// The region an address tells, an error if its `CC` is no country code, nothing if it tells none.
fn region(address: &VCardEntry) -> Option<Result<Region, ()>> {
    if let Some(code) = address.parameters(&VCardParameterName::Cc).find_map(|value| value.as_text()) {
        return Some(Region::parse(code).map_err(|_| ()));
    }
    let country = address.values.get(COUNTRY_NAME)?.as_text()?.trim();
    if country.len() == 2 { Region::parse(country).ok().map(Ok) } else { None }
}

fn texts(entry: &VCardEntry) -> impl Iterator<Item = &str> {
    entry.values.iter().filter_map(VCardValue::as_text).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
