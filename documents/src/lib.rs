//! Deterministic CBOR and signed documents, without any knowledge of what they say.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`cbor`] | deterministic encoding, strict decoding (RFC 8949 §4.2.1), closed maps |
//! | [`key`] | Ed25519 keys, COSE key thumbprints (RFC 9679), the `cnf` claim (RFC 8747) |
//! | [`signed`] | COSE_Sign1 (RFC 9052) over a CWT claims set (RFC 8392), one `typ` (RFC 9596) a document |
//! | [`key_configuration`] | the OHTTP key configuration signed by the provider |
//! | [`time`] | seconds since the epoch, and the clock skew everybody allows |
//!
//! The gateway uses this crate to sign its key configuration and may know nothing else of the
//! protocol; identifiers, credentials and mappings live one layer up, in `protocol`.
//! There is no I/O, no clock and no randomness here.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod cbor;
pub mod key;
pub mod key_configuration;
pub mod signed;
pub mod time;

/// The longest name of whoever signs a document, in bytes: that of a domain.
pub const MAX_NAME_BYTES: usize = 253;
