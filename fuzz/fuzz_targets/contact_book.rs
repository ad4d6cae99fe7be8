//! A contact book, of any bytes, as vCard or, with a first octet of zero, as CSV: refused, or contacts within bounds whose
//! identifiers are canonical; never a panic. The readers are taken from their files, so that no database is built for them.
#![no_main]
#![allow(dead_code, reason = "files are not read here")]

#[path = "../../src/contacts/mod.rs"]
mod contacts;

mod failure {
    /// In place of the command's own.
    #[derive(Debug)]
    pub struct Failure;

    impl Failure {
        pub fn new(_: impl std::fmt::Display) -> Self {
            Self
        }
    }
}

use contacts::{Contact, csv, vcard};
use libfuzzer_sys::fuzz_target;
use protocol::cpi::{Cpi, Region};

fuzz_target!(|book: &[u8]| {
    let read: Option<Vec<Contact>> = match book.split_first() {
        Some((0, rest)) => csv::parse(rest).ok(),
        _ => vcard::parse(book).ok(),
    };
    let region = Region::parse("US").ok();
    for contact in read.into_iter().flatten() {
        assert!(contact.name.chars().count() <= 128 && !contact.name.contains(char::is_control));
        assert!(contact.phones.len() <= vcard::MAX_VALUES && contact.emails.len() <= vcard::MAX_VALUES);
        for (_, cpi) in contact.identifiers(region) {
            if let Ok(cpi) = cpi {
                assert_eq!(Cpi::parse(cpi.as_str()).as_ref(), Ok(&cpi));
            }
        }
    }
});
