//! `IdentifierResponse` (draft-ietf-mimi-protocol-06 §5.8).
//!
//! ```text
//! struct {
//!   IdentifierQueryCode responseCode;
//!   IdentifierUri uri<V>;                        0 to 64
//!   UserProfile foundProfiles<V>;                0 to 64, each with 0 to 64 fields
//!   AppDataDictionary id_response_extensions;
//! } IdentifierResponse;                          65,536 octets at most
//! ```
//!
//! `string fieldName`, which the presentation language does not have, is read as `opaque fieldName<V>` in UTF-8.

use std::fmt;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::{Extensions, MAX_RESPONSE_BYTES, MAX_VALUE_BYTES, QueryError, codec};
use crate::mimi_uri::Psi;

/// How many URIs, profiles, and fields of a profile a response has at most.
pub const MAX_RESULTS: usize = 64;

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum ResponseCode {
    /// Something matched.
    Success = 0,
    /// Nothing matched.
    NotFound = 1,
    /// More has to match exactly before there is an answer.
    Ambiguous = 2,
    /// This is not to be asked here, or not in this combination.
    Forbidden = 3,
    /// A field that this provider does not search.
    UnsupportedField = 4,
}

/// Where the name of a field comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum FieldSource {
    /// A standard claim of OpenID Connect.
    OidcStdClaim = 7,
    /// A vCard property.
    VcardField = 8,
}

/// One field of a profile. `Debug` shows neither name nor value.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ProfileField {
    /// Where its name comes from.
    pub source: FieldSource,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A user who matched. `Debug` does not show the URI.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct UserProfile {
    /// The URI that stays when handles change.
    pub stable_uri: String,
    /// What the user lets be seen.
    pub fields: Vec<ProfileField>,
}

/// An answer, of which nothing is proven. `Debug` does not show what was found.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct IdentifierResponse {
    code: ResponseCode,
    uris: Vec<String>,
    profiles: Vec<UserProfile>,
    extensions: Extensions,
}

impl IdentifierResponse {
    /// One user was found.
    #[must_use]
    pub fn found(user: &Psi) -> Self {
        Self { uris: vec![user.to_string()], ..Self::without_result(ResponseCode::Success) }
    }

    /// Nobody is named.
    #[must_use]
    pub fn refused(code: Refusal) -> Self {
        Self::without_result(code.into())
    }

    fn without_result(code: ResponseCode) -> Self {
        Self { code, uris: Vec::new(), profiles: Vec::new(), extensions: Extensions::default() }
    }

    /// What became of the query.
    #[must_use]
    pub const fn code(&self) -> ResponseCode {
        self.code
    }

    /// The URIs that matched, as the provider spells them. Nobody has proven that they are the asked-for person's.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The profiles that matched. A discovery provider has none.
    #[must_use]
    pub fn profiles(&self) -> &[UserProfile] {
        &self.profiles
    }

    /// Its extensions.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The encoded response.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::write(self)
    }

    /// Decodes a response that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] names the broken rule; a code or field source that is not assigned is [`QueryError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        let unassigned = |error| if error == QueryError::UnknownSearchType { QueryError::Malformed } else { error };
        let response: Self = codec::read(bytes, MAX_RESPONSE_BYTES).map_err(unassigned)?;
        response.check()?;
        Ok(response)
    }

    fn check(&self) -> Result<(), QueryError> {
        let fields = || self.profiles.iter().flat_map(|profile| &profile.fields);
        let too_many = self.uris.len() > MAX_RESULTS
            || self.profiles.len() > MAX_RESULTS
            || self.profiles.iter().any(|profile| profile.fields.len() > MAX_RESULTS);
        let mut texts = (self.uris.iter())
            .chain(self.profiles.iter().map(|profile| &profile.stable_uri))
            .chain(fields().flat_map(|field| [&field.name, &field.value]));
        let has_results = !(self.uris.is_empty() && self.profiles.is_empty());
        if too_many {
            Err(QueryError::TooMany)
        } else if texts.any(|text| text.len() > MAX_VALUE_BYTES) {
            Err(QueryError::ValueTooLong)
        } else if has_results != (self.code == ResponseCode::Success) {
            Err(QueryError::Contradiction)
        } else {
            self.extensions.check()
        }
    }
}

/// A code without results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// [`ResponseCode::NotFound`].
    NotFound,
    /// [`ResponseCode::Ambiguous`].
    Ambiguous,
    /// [`ResponseCode::Forbidden`].
    Forbidden,
    /// [`ResponseCode::UnsupportedField`].
    UnsupportedField,
}

impl From<Refusal> for ResponseCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound,
            Refusal::Ambiguous => Self::Ambiguous,
            Refusal::Forbidden => Self::Forbidden,
            Refusal::UnsupportedField => Self::UnsupportedField,
        }
    }
}

impl ResponseCode {
    /// Its name, as the draft writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NotFound => "notFound",
            Self::Ambiguous => "ambiguous",
            Self::Forbidden => "forbidden",
            Self::UnsupportedField => "unsupportedField",
        }
    }
}

impl fmt::Debug for ProfileField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileField({:?}, redacted)", self.source)
    }
}

impl fmt::Debug for UserProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserProfile({} fields, redacted)", self.fields.len())
    }
}

impl fmt::Debug for IdentifierResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uris, profiles) = (self.uris.len(), self.profiles.len());
        write!(f, "IdentifierResponse({}, {uris} URIs, {profiles} profiles, redacted)", self.code.name())
    }
}
