//! Contact books: people, and their telephone numbers and email addresses as they were written down.
//!
//! [`read`] reads a book into [`Contact`]s: a file whose name ends in `.csv` by [`csv`], any other by [`vcard`].
//! [`Contact::identifiers`] turns what stands there into CPIs. A number without country code is completed with the region of
//! its card, else with the one the user names.
//!
//! The book is someone's address book: `Debug` shows no name, number or address, and no error repeats one.

pub mod csv;
pub mod vcard;

use std::fmt;
use std::path::Path;

use protocol::cpi::{Cpi, CpiError, Region};

use crate::failure::Failure;

/// Reads the book in a file.
///
/// # Errors
///
/// [`Failure`] names the file, and in it the card or the line.
pub fn read(path: &Path) -> Result<Vec<Contact>, Failure> {
    let named = |error: &dyn fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("csv") => csv::read(path).map_err(|error| named(&error)),
        Some(_) | None => vcard::read(path).map_err(|error| named(&error)),
    }
}

/// A person in a contact book.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name to show: one line without control characters, 128 characters at most.
    pub name: String,
    /// Telephone numbers, as written.
    pub phones: Vec<String>,
    /// Email addresses, as written.
    pub emails: Vec<String>,
    /// Where the numbers without country code are at home, if the card tells.
    pub region: Option<Region>,
    /// Categories, as written.
    pub categories: Vec<String>,
}

impl Contact {
    /// Everything to look up: the text as written, and its CPI or the rule it broke. Numbers come first. `default` is the
    /// region of numbers without country code on cards that tell none.
    pub fn identifiers(&self, default: Option<Region>) -> impl Iterator<Item = (&str, Result<Cpi, CpiError>)> {
        let region = self.region.or(default);
        let texts = self.phones.iter().chain(&self.emails);
        texts.map(move |text| (text.as_str(), Cpi::from_user_input(text, region)))
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({} numbers, {} addresses, redacted)", self.phones.len(), self.emails.len())
    }
}
