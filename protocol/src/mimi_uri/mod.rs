//! `mimi:` URIs: providers, users, pseudonyms, clients, rooms, groups and teams.
//!
//! The forms are those of draft-mahy-mimi-identity-04 §4, Table 3: `mimi://<provider>`, or with a path whose first segment
//! tells the type (`u`, `p`, `d`, `r`, `g`, `t`). What the drafts leave open is decided here:
//!
//! - Scheme and provider compare without regard to case; the provider is a domain name, in lower-case A-labels (IDNA), with
//!   no final dot, no percent-encoding and no IP address. One label is enough; `local.invalid` is a name like any other.
//! - Percent-encoding is normalised (RFC 3986 §6.2.2): unreserved characters stand plain, other octets encoded with upper-case
//!   digits, characters beyond ASCII among them. A reserved character and its encoding differ (§2.2): `u/a@b` and `u/a%40b`
//!   are two users. What is decoded must be UTF-8 without control characters; it is not normalised further (no NFC).
//! - The path is otherwise compared exactly, type included: `u/Alice` and `u/alice` are two users, `u/alice` and `p/alice` too.
//! - No user information, port, query or fragment; no empty or dot segments, so no final slash; one segment after the type,
//!   and a second one only for clients (`d/alice/ClientA1`). 1,024 octets at most, in the canonical spelling too.
//!
//! [`MimiUri::parse`] takes any accepted spelling, [`MimiUri::parse_canonical`], for servers, only the one that `Display`
//! prints. [`Msp`] and [`Psi`] are the two kinds that mappings are made of. The older `im:` forms are read by [`ImUri`].

mod im;

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use percent_encoding::{percent_decode_str, percent_encode_byte};

pub use im::{ImUri, ImUriError};

/// The longest URI, in octets.
pub const MAX_BYTES: usize = 1024;
const SCHEME: &str = "mimi://";

/// What a `mimi:` URI identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// A provider: no path.
    Provider,
    /// A user (`u`).
    User,
    /// A pseudonym (`p`).
    Pseudonym,
    /// A client or device (`d`).
    Client,
    /// A room (`r`).
    Room,
    /// An MLS group (`g`).
    Group,
    /// A team (`t`).
    Team,
}

/// A `mimi:` URI. Equality and order are by the comparison rules; `Debug` does not show the identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MimiUri {
    provider: String,
    kind: IdentifierKind,
    segments: Vec<Segment>,
}

/// A path segment after the type, normalised: its spelling decides equality.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Segment {
    spelling: String,
    decoded: String,
}

/// The rule that a text broke; it never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Over [`MAX_BYTES`].
    #[error("a mimi: URI has {MAX_BYTES} octets at most")]
    TooLong,
    /// Another scheme, or none.
    #[error("must start with mimi://")]
    Scheme,
    /// User information, a port, an IP address, or no domain name.
    #[error("the provider must be a domain name alone")]
    Provider,
    /// A query or a fragment.
    #[error("a mimi: URI has no query and no fragment")]
    QueryOrFragment,
    /// The first path segment is not a known type.
    #[error("the first path segment must be u, p, d, r, g or t")]
    Kind,
    /// An empty or dot segment, none at all, or too many.
    #[error("the path must be one identifier after its type (two for a client), none empty, . or ..")]
    Segments,
    /// Percent-encoding that is broken or not UTF-8, a character that must be encoded, or a control character.
    #[error("a path segment is not properly percent-encoded UTF-8 without control characters")]
    Encoding,
    /// A right URI in another spelling.
    #[error("the URI is not in canonical form")]
    NotCanonical,
    /// A right URI of the wrong kind.
    #[error("the URI is not of the kind that is wanted here")]
    WrongKind,
}

impl IdentifierKind {
    const ALL: [Self; 7] =
        [Self::Provider, Self::User, Self::Pseudonym, Self::Client, Self::Room, Self::Group, Self::Team];

    /// The first path segment; empty for a provider.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Provider => "",
            Self::User => "u",
            Self::Pseudonym => "p",
            Self::Client => "d",
            Self::Room => "r",
            Self::Group => "g",
            Self::Team => "t",
        }
    }
}

impl MimiUri {
    /// Parses any accepted spelling.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the broken rule.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_BYTES {
            return Err(UriError::TooLong);
        }
        let scheme = text.get(..SCHEME.len()).ok_or(UriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UriError::Scheme);
        }
        let rest = &text[SCHEME.len()..];
        if rest.contains(['?', '#']) {
            return Err(UriError::QueryOrFragment);
        }
        let (provider, path) = rest.split_once('/').map_or((rest, None), |(provider, path)| (provider, Some(path)));
        let provider = provider_name(provider)?;
        let (kind, segments) = path.map_or(Ok((IdentifierKind::Provider, Vec::new())), identifier)?;
        let uri = Self { provider, kind, segments };
        if uri.to_string().len() > MAX_BYTES { Err(UriError::TooLong) } else { Ok(uri) }
    }

    /// Parses the canonical spelling, and no other.
    ///
    /// # Errors
    ///
    /// [`UriError::NotCanonical`] for a right URI in another spelling.
    pub fn parse_canonical(text: &str) -> Result<Self, UriError> {
        let uri = Self::parse(text)?;
        if uri.to_string() == text { Ok(uri) } else { Err(UriError::NotCanonical) }
    }

    /// The provider's domain, in lower-case A-labels. `local.invalid` stands for none (draft -04 §4).
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What it identifies.
    #[must_use]
    pub const fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The decoded path segments after the type: none for a provider, two for a client of a named user, else one.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.segments.iter().map(|segment| segment.decoded.as_str())
    }

    fn of_provider(provider: String) -> Self {
        Self { provider, kind: IdentifierKind::Provider, segments: Vec::new() }
    }
}

impl fmt::Display for MimiUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.provider)?;
        if self.kind != IdentifierKind::Provider {
            write!(f, "/{}", self.kind.segment())?;
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{}", segment.spelling))
    }
}

impl fmt::Debug for MimiUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MimiUri({:?} at {}, redacted)", self.kind, self.provider)
    }
}

/// A messaging provider: a `mimi:` URI without a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msp(MimiUri);

/// An identifier at a provider: a user, a pseudonym or a client. `Debug` does not show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Psi(MimiUri);

impl Msp {
    /// Parses any accepted spelling of a provider URI.
    ///
    /// # Errors
    ///
    /// [`UriError`]; [`UriError::WrongKind`] for another kind of URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Self::of(MimiUri::parse(text)?)
    }

    /// Parses the canonical spelling alone.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], and [`UriError::NotCanonical`].
    pub fn parse_canonical(text: &str) -> Result<Self, UriError> {
        Self::of(MimiUri::parse_canonical(text)?)
    }

    /// The provider of this domain.
    ///
    /// # Errors
    ///
    /// [`UriError::Provider`] if it is no domain name.
    pub fn from_domain(domain: &str) -> Result<Self, UriError> {
        provider_name(domain).map(|provider| Self(MimiUri::of_provider(provider)))
    }

    /// Its domain, in lower-case A-labels: the name in its certificates.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.provider()
    }

    fn of(uri: MimiUri) -> Result<Self, UriError> {
        if uri.kind == IdentifierKind::Provider { Ok(Self(uri)) } else { Err(UriError::WrongKind) }
    }
}

impl Psi {
    /// Parses any accepted spelling of a user, pseudonym or client URI.
    ///
    /// # Errors
    ///
    /// [`UriError`]; [`UriError::WrongKind`] for another kind of URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Self::of(MimiUri::parse(text)?)
    }

    /// Parses the canonical spelling alone.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], and [`UriError::NotCanonical`].
    pub fn parse_canonical(text: &str) -> Result<Self, UriError> {
        Self::of(MimiUri::parse_canonical(text)?)
    }

    /// The provider it is at.
    #[must_use]
    pub fn provider(&self) -> Msp {
        Msp(MimiUri::of_provider(self.0.provider.clone()))
    }

    /// Whether it is at `msp`.
    #[must_use]
    pub fn belongs_to(&self, msp: &Msp) -> bool {
        self.0.provider == msp.0.provider
    }

    /// The URI.
    #[must_use]
    pub const fn uri(&self) -> &MimiUri {
        &self.0
    }

    fn of(uri: MimiUri) -> Result<Self, UriError> {
        match uri.kind {
            IdentifierKind::User | IdentifierKind::Pseudonym | IdentifierKind::Client => Ok(Self(uri)),
            _ => Err(UriError::WrongKind),
        }
    }
}

impl fmt::Display for Msp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A provider is no personal data: `Debug` shows it.
impl fmt::Debug for Msp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Psi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A domain name in lower-case A-labels.
fn provider_name(text: &str) -> Result<String, UriError> {
    let name = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| UriError::Provider)?;
    let is_address = name.rsplit('.').next().is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit()));
    if is_address { Err(UriError::Provider) } else { Ok(name.into_owned()) }
}

fn identifier(path: &str) -> Result<(IdentifierKind, Vec<Segment>), UriError> {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let named = |kind: &IdentifierKind| *kind != IdentifierKind::Provider && kind.segment() == first;
    let kind = IdentifierKind::ALL.into_iter().find(named).ok_or(UriError::Kind)?;
    let segments = parts.map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
    let most = if kind == IdentifierKind::Client { 2 } else { 1 };
    if segments.is_empty() || segments.len() > most { Err(UriError::Segments) } else { Ok((kind, segments)) }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, UriError> {
        let spelling = normalised(text)?;
        let decoded = percent_decode_str(&spelling).decode_utf8().map_err(|_| UriError::Encoding)?.into_owned();
        if decoded.chars().any(char::is_control) {
            return Err(UriError::Encoding);
        }
        if decoded.is_empty() || decoded == "." || decoded == ".." {
            return Err(UriError::Segments);
        }
        Ok(Self { spelling, decoded })
    }
}

/// Percent-encoding normalised as in RFC 3986 §6.2.2.
fn normalised(text: &str) -> Result<String, UriError> {
    let mut spelling = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let encoded = encoded_byte(&mut bytes).ok_or(UriError::Encoding)?;
            if is_unreserved(encoded) {
                spelling.push(char::from(encoded));
            } else {
                spelling.push_str(percent_encode_byte(encoded));
            }
        } else if !byte.is_ascii() {
            spelling.push_str(percent_encode_byte(byte));
        } else if is_unreserved(byte) || is_reserved_in_segment(byte) {
            spelling.push(char::from(byte));
        } else {
            return Err(UriError::Encoding);
        }
    }
    Ok(spelling)
}

/// The two hexadecimal digits after a `%`.
fn encoded_byte(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high * 16 + low).ok()
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What else stands plain in a segment: the rest of `pchar` (RFC 3986 §3.3).
fn is_reserved_in_segment(byte: u8) -> bool {
    b"!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
