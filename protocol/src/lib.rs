//! MIMI discovery as types: identifiers, signed documents, messages and the rules they obey.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`cpi`] | cross-platform identifiers: phone numbers and email addresses in canonical form |
//! | [`mimi_uri`] | `mimi:` URIs: messaging providers ([`mimi_uri::Msp`]) and identifiers at them ([`mimi_uri::Psi`]) |
//! | [`credential`] | what an ID Prover signs: this CPI enrolled at that MSP under this key |
//! | [`mapping`] | what a user signs: how the CPI's holder wishes to be found |
//! | [`authenticated`] | both together, and the one function that verifies them |
//! | [`compact`] | both together in about half of the octets, to be verified all the same |
//! | [`trust`] | the ID Provers that a verifier trusts, and for what |
//! | [`enrollment`] | the three-party handshake: request, challenge, proof |
//! | [`receipt`], [`removal`] | what the provider promises; what a CPI's issuer may take down |
//! | [`change`] | the change feed: a provider's log on the wire |
//! | [`conflict`] | how a displaced holder learns that it was displaced |
//! | [`lookup`] | question, answer, and the five outcomes |
//! | [`mimi_query`] | the MIMI protocol's own query, unsigned, and its directory |
//! | [`problem`] | every error on the wire, as one enum (RFC 9457) |
//! | [`labels`] | the numbers and names of claims |
//! | [`media`] | media types |
//!
//! Servers accept only canonical identifiers; people may type what they like into
//! [`cpi::Cpi::from_user_input`]. Only parsing yields a [`cpi::Cpi`], only verification a
//! [`authenticated::VerifiedMapping`]. Nothing here performs I/O, reads a clock or makes randomness.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod authenticated;
pub mod change;
pub mod compact;
pub mod conflict;
pub mod cpi;
pub mod credential;
pub mod enrollment;
pub mod labels;
pub mod lookup;
pub mod mapping;
pub mod media;
pub mod mimi_query;
pub mod mimi_uri;
pub mod problem;
pub mod receipt;
pub mod removal;
pub mod trust;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod vectors;

pub use documents::MAX_NAME_BYTES;
pub use documents::cbor;
pub use documents::key::{PublicKey, SigningKey, Thumbprint};
pub use documents::key_configuration;
pub use documents::signed::{Document, DocumentError, SignatureError, Signed, Unverified, sign1};
pub use documents::time::{CLOCK_SKEW, Timestamp};
