//! Reads a contact book of comma-separated values (RFC 4180, in UTF-8), under a line with the names of its columns.
//!
//! Read are the columns `name`, `phone`, `email` and `region` (two letters), in any order, in upper or lower case; `phone` and
//! `email` may stand there several times, all others are passed over. [`read`] and [`parse`] are the entry points.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use client::foreign_text::printable;
use protocol::cpi::Region;

use super::Contact;
use super::vcard::{MAX_BYTES, MAX_CARDS, MAX_NAME_CHARS, MAX_VALUES};

/// Why a book cannot be read. Lines are counted from 1, that of the names included.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The file cannot be read.
    #[error("the contact book cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Over [`MAX_BYTES`].
    #[error("a contact book has {} MiB at most", MAX_BYTES >> 20)]
    TooLarge,
    /// Over [`MAX_CARDS`].
    #[error("a contact book has {MAX_CARDS} rows at most")]
    TooManyRows,
    /// Nothing to look up.
    #[error("the first line of the contact book names no column phone or email")]
    Columns,
    /// Over [`MAX_VALUES`].
    #[error("the contact book has more than {MAX_VALUES} columns phone or email")]
    TooManyColumns,
    /// Not UTF-8, or another number of fields than there are columns.
    #[error("line {line} of the contact book is not UTF-8, or has another number of fields than the first")]
    Row {
        /// The line.
        line: u64,
    },
    /// A region that is none: its numbers would be misread.
    #[error("line {line} of the contact book has a region which is not a country code of two letters, such as US")]
    Region {
        /// The line.
        line: u64,
    },
}

/// Which column has what.
#[derive(Default)]
struct Columns {
    name: Option<usize>,
    region: Option<usize>,
    phones: Vec<usize>,
    emails: Vec<usize>,
}

/// Reads the book in a file.
///
/// # Errors
///
/// [`CsvError`] names the line.
pub fn read(path: &Path) -> Result<Vec<Contact>, CsvError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// Reads a book.
///
/// # Errors
///
/// [`CsvError`] names the line.
pub fn parse(bytes: &[u8]) -> Result<Vec<Contact>, CsvError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(CsvError::TooLarge);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns = Columns::of(reader.headers().map_err(|error| unreadable(&error))?)?;
    let mut contacts = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        if contacts.len() == MAX_CARDS {
            return Err(CsvError::TooManyRows);
        }
        contacts.push(columns.contact(&record)?);
    }
    Ok(contacts)
}

impl Columns {
    fn of(names: &csv::StringRecord) -> Result<Self, CsvError> {
        let mut columns = Self::default();
        for (index, name) in names.iter().enumerate() {
            match name.to_lowercase().as_str() {
                "name" => columns.name = columns.name.or(Some(index)),
                "region" => columns.region = columns.region.or(Some(index)),
                "phone" => columns.phones.push(index),
                "email" => columns.emails.push(index),
                _ => {}
            }
        }
        match columns.phones.len().max(columns.emails.len()) {
            0 => Err(CsvError::Columns),
            count if count > MAX_VALUES => Err(CsvError::TooManyColumns),
            _ => Ok(columns),
        }
    }

    fn contact(&self, record: &csv::StringRecord) -> Result<Contact, CsvError> {
        let line = record.position().map_or(0, csv::Position::line);
        let field = |index: &usize| record.get(*index).filter(|text| !text.is_empty());
        let all = |indices: &[usize]| indices.iter().filter_map(field).map(str::to_owned).collect();
        let region = self.region.as_ref().and_then(field).map(Region::parse).transpose();
        let name = self.name.as_ref().and_then(field).unwrap_or_default();
        Ok(Contact {
            name: printable(name, MAX_NAME_CHARS),
            phones: all(&self.phones),
            emails: all(&self.emails),
            region: region.map_err(|_| CsvError::Region { line })?,
            categories: Vec::new(),
        })
    }
}

fn unreadable(error: &csv::Error) -> CsvError {
    CsvError::Row { line: error.position().map_or(1, csv::Position::line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_any_order() {
        let book = "\u{feff}Email,Notes,NAME,phone,Phone,region\r\n\
                    ann@example.com,\"a, b\",\"Ann \"\"A\"\"\",(415) 555-0132,,us\r\n\
                    ,,Bob\u{7},,+4930123456,\r\n";
        let contacts = parse(book.as_bytes()).unwrap();
        assert_eq!((contacts[0].name.as_str(), contacts[1].name.as_str()), ("Ann \"A\"", "Bob "));
        assert_eq!(
            (contacts[0].phones.as_slice(), contacts[0].emails.as_slice()),
            (&["(415) 555-0132".to_owned()][..], &["ann@example.com".to_owned()][..])
        );
        assert_eq!(contacts[1].phones, ["+4930123456"]);
        let cpis: Vec<String> = contacts[0].identifiers(None).map(|(_, cpi)| cpi.unwrap().to_string()).collect();
        assert_eq!(cpis, ["tel:+14155550132", "mailto:ann@example.com"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (book, message) in [
            (&b"name,number\nAnn,1\n"[..], "the first line of the contact book names no column phone or email"),
            (b"", "the first line of the contact book names no column phone or email"),
            (b"phone\n1\n1,2\n", "line 3 of the contact book"),
            (b"phone\n\xff\n", "line 2 of the contact book"),
            (b"phone,region\n1,Atlantis\n", "line 2 of the contact book has a region"),
        ] {
            let error = parse(book).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        let rows = format!("phone\n{}", "1\n".repeat(MAX_CARDS + 1));
        assert!(matches!(parse(rows.as_bytes()), Err(CsvError::TooManyRows)));
        assert!(matches!(parse("phone,".repeat(MAX_VALUES + 1).as_bytes()), Err(CsvError::TooManyColumns)));
        assert!(matches!(read(Path::new("/nonexistent/book.csv")), Err(CsvError::Io(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in "(name,phone,email\n)?([\\PC\",\n\r]{0,12}){0,4}") {
            let _ = parse(text.as_bytes());
        }
    }
}
