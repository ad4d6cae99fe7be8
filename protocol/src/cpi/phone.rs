//! Telephone numbers: E.164, as `tel:+<digits>`.
//!
//! Canonical (what servers check): `+`, an assigned country calling code, 7 to 15 digits in all. What people type
//! is held to more: it must be a number that the numbering plan of its country has, by the metadata of the
//! `phonenumber` crate. Servers do not ask that much, because a number range opened yesterday is in no metadata,
//! and because two parties with metadata of different age must not disagree about a stored identifier.

use std::str::FromStr as _;

use phonenumber::{Mode, country};
use unicode_normalization::UnicodeNormalization as _;

use super::{CpiError, plan};

pub(super) const SCHEME: &str = "tel:";
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A telephone number in canonical form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber {
    uri: String,
}

/// A region (ISO 3166-1 alpha-2) whose numbering plan completes a national number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(country::Id);

impl Region {
    /// From its two letters, `US` or `de`.
    ///
    /// # Errors
    ///
    /// [`CpiError::Phone`] if the metadata knows no such region.
    pub fn parse(code: &str) -> Result<Self, CpiError> {
        country::Id::from_str(&code.to_ascii_uppercase())
            .map(Self)
            .map_err(|_| CpiError::Phone("not a region code of two letters, such as US"))
    }
}

impl PhoneNumber {
    /// Parses `tel:+<digits>`.
    pub(super) fn parse(uri: &str) -> Result<Self, CpiError> {
        let number = uri.strip_prefix(SCHEME).ok_or(CpiError::UnknownKind)?;
        let digits = number.strip_prefix('+').ok_or(CpiError::Phone("the canonical form starts with +"))?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CpiError::Phone("the canonical form has digits only after the +"));
        }
        if !DIGITS.contains(&digits.len()) {
            return Err(CpiError::Phone("must have 7 to 15 digits, country code included (E.164)"));
        }
        if plan::cut(digits).is_none() {
            return Err(CpiError::Phone("no such country code"));
        }
        Ok(Self { uri: uri.to_owned() })
    }

    /// Reads a number as people write it; without a country code it is one of `region`'s.
    pub(super) fn from_user_input(text: &str, region: Option<Region>) -> Result<Self, CpiError> {
        let text: String = text.nfkc().collect();
        let text = text.trim();
        if let Some(stray) = text.chars().find(|c| !is_digit_or_separator(*c)) {
            return Err(CpiError::Phone(if stray.is_alphabetic() {
                "must not contain letters"
            } else {
                "may contain digits, spaces, dots, hyphens and brackets, and a + in front"
            }));
        }
        let digits: String =
            text.chars().filter_map(|c| c.to_digit(10)).filter_map(|d| char::from_digit(d, 10)).collect();
        if text.starts_with('+') || text.starts_with("(+") {
            return Self::assigned(&format!("+{digits}"), None);
        }
        // A leading 00 is the international prefix wherever the region's own plan does not read it otherwise.
        let international = digits.strip_prefix("00").map(|rest| format!("+{rest}"));
        match (region, international) {
            (Some(region), None) => Self::assigned(&digits, Some(region)),
            (Some(region), Some(international)) => {
                Self::assigned(&digits, Some(region)).or_else(|_| Self::assigned(&international, None))
            }
            (None, Some(international)) => Self::assigned(&international, None),
            (None, None) => Err(CpiError::Phone("a number without country code needs a region")),
        }
    }

    fn assigned(number: &str, region: Option<Region>) -> Result<Self, CpiError> {
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        if region.is_none() && !DIGITS.contains(&digits) {
            return Err(CpiError::Phone("must have 7 to 15 digits, country code included (E.164)"));
        }
        if region.is_none() && plan::cut(number.trim_start_matches('+')).is_none() {
            return Err(CpiError::Phone("no such country code"));
        }
        // With its country code, a number is what it says: the library would take a leading 8 off Russia's and others' as their
        // national prefix. What is in no plan as it stands may have one all the same: +44 (0)20 ….
        if number.strip_prefix('+').is_some_and(plan::has_number) {
            return Self::parse(&format!("{SCHEME}{number}"));
        }
        let parsed = phonenumber::parse(region.map(|region| region.0), number)
            .map_err(|_| CpiError::Phone("not a telephone number"))?;
        let number = parsed.format().mode(Mode::E164).to_string();
        if !parsed.is_valid() || !number.strip_prefix('+').is_some_and(plan::has_number) {
            return Err(CpiError::Phone("the numbering plan of its country has no such number"));
        }
        Self::parse(&format!("{SCHEME}{number}"))
    }

    /// Whether the numbering plan of its country has this number, as far as the metadata knows. An ID Prover asks
    /// before it pays for a message.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        plan::has_number(&self.as_e164()[1..])
    }

    /// `+` and the digits.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.uri[SCHEME.len()..]
    }

    /// The number as people of its country write it with its country code: `+1 415-555-0132`. A space follows the country code.
    #[must_use]
    pub fn to_international(&self) -> String {
        let parsed = phonenumber::parse(None, self.as_e164()).ok();
        // Where the library takes a part of it for a prefix, it would show another number.
        let same = parsed.filter(|number| number.format().mode(Mode::E164).to_string() == self.as_e164());
        same.map_or_else(|| self.cut(), |number| number.format().mode(Mode::International).to_string())
    }

    fn cut(&self) -> String {
        let (code, national) = plan::cut(&self.as_e164()[1..]).expect("what has no country code is not parsed");
        format!("+{code} {national}")
    }

    pub(super) fn as_uri(&self) -> &str {
        &self.uri
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

fn is_digit_or_separator(c: char) -> bool {
    c.is_ascii_digit()
        || matches!(c, '+' | '(' | ')' | '-' | '.' | '/' | ' ' | '\t' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}
