//! Cross-platform identifiers (CPIs): what people have in their contact books.
//!
//! The canonical form is a URI: `tel:+14155550132` (RFC 3966) or `mailto:bob@example.com` (RFC 6068). A [`Cpi`]
//! exists only in canonical form. Servers use [`Cpi::parse`], which accepts nothing else; clients turn what
//! people type into it with [`Cpi::from_user_input`].
//!
//! `Display` prints the URI; `Debug` does not, since identifiers never reach a log.

mod email;
mod phone;
mod plan;

use std::fmt;

pub use email::EmailAddress;
pub use phone::{PhoneNumber, Region};

/// The longest text that is looked at, in bytes; the longest canonical CPI is shorter.
pub const MAX_INPUT_BYTES: usize = 1024;

/// A cross-platform identifier in canonical form. A new kind is a new arm.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cpi {
    /// An E.164 telephone number.
    Phone(PhoneNumber),
    /// An email address.
    Email(EmailAddress),
}

/// The kinds of CPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpiKind {
    /// A telephone number (`tel:`).
    Phone,
    /// An email address (`mailto:`).
    Email,
}

/// The rule that a text broke; it never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpiError {
    /// Empty, or only white space.
    #[error("an identifier must not be empty")]
    Empty,
    /// Over [`MAX_INPUT_BYTES`].
    #[error("an identifier has {MAX_INPUT_BYTES} bytes at most")]
    TooLong,
    /// Neither a telephone number nor an email address.
    #[error("an identifier is a tel: or mailto: URI, a telephone number or an email address")]
    UnknownKind,
    /// Readable, but not in the canonical form that servers accept.
    #[error("the identifier is not in canonical form")]
    NotCanonical,
    /// Against a rule for telephone numbers.
    #[error("telephone number: {0}")]
    Phone(&'static str),
    /// Against a rule for email addresses.
    #[error("email address: {0}")]
    Email(&'static str),
}

impl Cpi {
    /// Parses the canonical URI form, and no other.
    ///
    /// # Errors
    ///
    /// [`CpiError`] names the broken rule; [`CpiError::NotCanonical`] if another spelling would be right.
    pub fn parse(uri: &str) -> Result<Self, CpiError> {
        bounded(uri)?;
        if uri.starts_with(phone::SCHEME) {
            PhoneNumber::parse(uri).map(Self::Phone)
        } else if uri.starts_with(email::SCHEME) {
            EmailAddress::parse(uri).map(Self::Email)
        } else {
            Err(CpiError::UnknownKind)
        }
    }

    /// Reads what a person typed: `(415) 555-0132` with its region, `0049 30 901820`, `Bob@Bücher.example`, or a
    /// `tel:` or `mailto:` URI. `region` is where a number without country code is at home.
    ///
    /// # Errors
    ///
    /// [`CpiError`] names the broken rule, for people to read.
    pub fn from_user_input(text: &str, region: Option<Region>) -> Result<Self, CpiError> {
        bounded(text)?;
        let text = text.trim();
        let scheme_less = |scheme: &str| {
            let head = text.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
        };
        if text.is_empty() {
            Err(CpiError::Empty)
        } else if let Some(number) = scheme_less(phone::SCHEME) {
            PhoneNumber::from_user_input(number, region).map(Self::Phone)
        } else if scheme_less(email::SCHEME).is_some() {
            EmailAddress::from_uri(text).map(Self::Email)
        } else if text.contains(['@', '\u{ff20}']) {
            EmailAddress::from_user_input(text).map(Self::Email)
        } else {
            PhoneNumber::from_user_input(text, region).map(Self::Phone)
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> CpiKind {
        match self {
            Self::Phone(_) => CpiKind::Phone,
            Self::Email(_) => CpiKind::Email,
        }
    }

    /// The canonical URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(number) => number.as_uri(),
            Self::Email(address) => address.as_uri(),
        }
    }
}

impl fmt::Display for Cpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Cpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cpi({:?}, redacted)", self.kind())
    }
}

impl fmt::Display for CpiKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phone => "phone",
            Self::Email => "email",
        })
    }
}

fn bounded(text: &str) -> Result<(), CpiError> {
    if text.len() > MAX_INPUT_BYTES { Err(CpiError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
