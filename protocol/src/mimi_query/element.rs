//! `QueryElement`: one thing that has to match (draft-ietf-mimi-protocol-06 §5.8).

use std::fmt;

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::{MAX_VALUE_BYTES, QueryError};
use crate::cpi::Cpi;
use crate::mimi_uri::MimiUri;

/// One element: its search type, the name of the field where the type has one, and the value. `Debug` shows the type alone.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
#[repr(u8)]
pub enum QueryElement {
    /// The whole handle URI, exactly.
    #[tls_codec(discriminant = 1)]
    Handle(String),
    /// The nickname or the user part of the handle, exactly.
    #[tls_codec(discriminant = 2)]
    Nick(String),
    /// An email address: the addr-spec of RFC 5322, exactly.
    #[tls_codec(discriminant = 3)]
    Email(String),
    /// A telephone number in international format with `+`, exactly.
    #[tls_codec(discriminant = 4)]
    Phone(String),
    /// A part of a name, in any case.
    #[tls_codec(discriminant = 5)]
    PartialName(String),
    /// A part of any searchable field.
    #[tls_codec(discriminant = 6)]
    WholeProfile(String),
    /// A standard claim of OpenID Connect: its name, and its value, exactly.
    #[tls_codec(discriminant = 7)]
    OidcStdClaim(String, String),
    /// A vCard property: its name, and its value, exactly.
    #[tls_codec(discriminant = 8)]
    VcardField(String, String),
}

impl QueryElement {
    /// The element that asks for a CPI: `phone` or `email`.
    ///
    /// ```
    /// use protocol::cpi::Cpi;
    /// use protocol::mimi_query::QueryElement;
    ///
    /// let number = Cpi::parse("tel:+12125551212")?;
    /// assert_eq!(QueryElement::of_cpi(&number), QueryElement::Phone("+12125551212".to_owned()));
    /// let address = Cpi::parse("mailto:asmith@a.example")?;
    /// assert_eq!(QueryElement::of_cpi(&address), QueryElement::Email("asmith@a.example".to_owned()));
    /// # Ok::<(), protocol::cpi::CpiError>(())
    /// ```
    #[must_use]
    pub fn of_cpi(cpi: &Cpi) -> Self {
        match cpi {
            Cpi::Phone(number) => Self::Phone(number.as_e164().to_owned()),
            Cpi::Email(address) => Self::Email(address.as_address().to_owned()),
        }
    }

    /// The element that asks for a handle.
    #[must_use]
    pub fn of_handle(handle: &MimiUri) -> Self {
        Self::Handle(handle.to_string())
    }

    /// Its search type.
    #[must_use]
    pub const fn search_type(&self) -> u8 {
        match self {
            Self::Handle(_) => 1,
            Self::Nick(_) => 2,
            Self::Email(_) => 3,
            Self::Phone(_) => 4,
            Self::PartialName(_) => 5,
            Self::WholeProfile(_) => 6,
            Self::OidcStdClaim(..) => 7,
            Self::VcardField(..) => 8,
        }
    }

    /// The name of its search type, as the draft writes it.
    #[must_use]
    pub const fn search_type_name(&self) -> &'static str {
        match self {
            Self::Handle(_) => "handle",
            Self::Nick(_) => "nick",
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
            Self::PartialName(_) => "partialName",
            Self::WholeProfile(_) => "wholeProfile",
            Self::OidcStdClaim(..) => "oidcStdClaim",
            Self::VcardField(..) => "vcardField",
        }
    }

    pub(super) fn check(&self) -> Result<(), QueryError> {
        let (name, value) = match self {
            Self::Handle(value)
            | Self::Nick(value)
            | Self::Email(value)
            | Self::Phone(value)
            | Self::PartialName(value)
            | Self::WholeProfile(value) => ("", value.as_str()),
            Self::OidcStdClaim(name, value) | Self::VcardField(name, value) => (name.as_str(), value.as_str()),
        };
        let too_long = name.len() > MAX_VALUE_BYTES || value.len() > MAX_VALUE_BYTES;
        if too_long { Err(QueryError::ValueTooLong) } else { Ok(()) }
    }
}

impl fmt::Debug for QueryElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryElement({}, redacted)", self.search_type_name())
    }
}
