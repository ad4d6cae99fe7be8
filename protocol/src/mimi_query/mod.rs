//! The MIMI protocol's own query: which user of a provider has this telephone number, email address or handle?
//!
//! `POST /identifierQuery/{domain}` and the directory that names it, as draft-ietf-mimi-protocol-06 §5.8 and §5.1 have them.
//! Messages are in TLS presentation language (RFC 8446 §3) with the variable-length vectors of RFC 9420 §2.1.2.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`IdentifierRequest`] | up to [`MAX_ELEMENTS`] [`QueryElement`]s, all of which have to match |
//! | [`IdentifierResponse`] | a [`ResponseCode`], and with `success` what was found |
//! | [`Question`] | what a discovery provider looks up for a request, and the rules by which it answers |
//! | [`Directory`] | the JSON document that names the URL |
//! | [`QueryError`] | a message that is not to be read |
//!
//! **An answer proves nothing.** It is not signed, says nothing of who proved possession and when, and a provider can make
//! one up. It serves those who speak the MIMI protocol and nothing else; [`crate::lookup`] has answers that can be verified.
//!
//! Decoding is strict: a message is what its re-encoding is, octet for octet. What the draft leaves open is decided in
//! `docs/decisions/0048-the-identifier-query.md`.

mod codec;
mod directory;
mod element;
mod extensions;
mod request;
mod response;
mod rules;

pub use directory::{Directory, DirectoryError};
pub use element::QueryElement;
pub use extensions::{ComponentData, Extensions};
pub use request::{IdentifierRequest, MAX_ELEMENTS};
pub use response::{FieldSource, IdentifierResponse, MAX_RESULTS, ProfileField, Refusal, ResponseCode, UserProfile};
pub use rules::Question;

/// The path of the endpoint without its domain; the domain follows, in lower-case A-labels.
pub const PATH_PREFIX: &str = "/v1/identifierQuery/";
/// The path of the directory (§5.1).
pub const DIRECTORY_PATH: &str = "/.well-known/mimi-protocol-directory";
/// The longest request, in octets.
pub const MAX_REQUEST_BYTES: usize = 4096;
/// The longest response, in octets.
pub const MAX_RESPONSE_BYTES: usize = 65_536;
/// The longest value, name or URI in a message, in octets.
pub const MAX_VALUE_BYTES: usize = 1024;

/// Why a message is not to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Over [`MAX_REQUEST_BYTES`] or [`MAX_RESPONSE_BYTES`].
    #[error("the message is too long")]
    TooLong,
    /// Not this structure in TLS presentation language, in its shortest form, filling the message.
    #[error("the message is not in the TLS presentation language of draft-ietf-mimi-protocol-06 §5.8")]
    Malformed,
    /// A search type that is not assigned (9 to 255): what follows it cannot be told.
    #[error("the request has a search type that is not assigned")]
    UnknownSearchType,
    /// Over [`MAX_ELEMENTS`] or [`MAX_RESULTS`].
    #[error("the message has too many elements")]
    TooMany,
    /// Over [`MAX_VALUE_BYTES`].
    #[error("a value has {MAX_VALUE_BYTES} octets at most")]
    ValueTooLong,
    /// Extensions that are not in the order of their components, or that repeat one (draft-ietf-mls-extensions-09 §4.6).
    #[error("extensions are in the order of their components, each once")]
    Extensions,
    /// Results beside another code than `success`, or `success` without any.
    #[error("a response has results if and only if its code is success")]
    Contradiction,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
