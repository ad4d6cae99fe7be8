//! What is looked up: identifiers from the command line, or from a contact book.

use std::path::Path;

use protocol::cpi::{Cpi, CpiError, Region};

use crate::contacts;
use crate::failure::Failure;

/// One thing to look up.
pub(super) struct Asked {
    /// The name in the contact book.
    pub(super) name: Option<String>,
    /// As written.
    pub(super) text: String,
    /// As read, or the rule it broke.
    pub(super) cpi: Result<Cpi, CpiError>,
}

/// What is typed must be right.
pub(super) fn typed(texts: &[String], region: Option<Region>) -> Result<Vec<Asked>, Failure> {
    let read = |text: &String| {
        let cpi = Cpi::from_user_input(text, region).map_err(|error| Failure::new(format!("{text}: {error}")))?;
        Ok(Asked { name: None, text: text.clone(), cpi: Ok(cpi) })
    };
    texts.iter().map(read).collect()
}

/// What stands in a contact book need not be right.
pub(super) fn of_book(path: &Path, region: Option<Region>) -> Result<Vec<Asked>, Failure> {
    let mut asked = Vec::new();
    for contact in contacts::read(path)? {
        let of_contact = contact.identifiers(region);
        asked.extend(of_contact.map(|(text, cpi)| Asked {
            name: Some(contact.name.clone()),
            text: text.to_owned(),
            cpi,
        }));
    }
    Ok(asked)
}

/// All that could be read.
pub(super) fn cpis(asked: &[Asked]) -> Vec<Cpi> {
    asked.iter().filter_map(|asked| asked.cpi.clone().ok()).collect()
}
