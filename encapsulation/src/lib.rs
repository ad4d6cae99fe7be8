//! Oblivious HTTP capsules on aws-lc: HPKE in base mode (RFC 9180 §4.1, §5.1), and what RFC 9458 §4.3 and §4.4 make of it. Knows no content, and
//! neither clock nor network.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`gateway`] | [`Opener`]: one key with its suites opens a capsule; [`Sealer`] seals the one answer |
//! | [`client`] | [`Recipient`]: a gateway's key makes a capsule; [`AnswerOpener`] opens the one answer |
//! | `kem` | the key encapsulations, both sides |
//! | `schedule` | HKDF, and the key schedule of a message |
//! | `response` | an answer, sealed and opened |
//! | `aead` | one message sealed and opened |
//! | `suite` | the names of what can be chosen, and a key's use with one of each |
//! | `reference` | the gateway's side on the `ohttp` crate, which every capsule is compared with in the tests, and which takes over with the feature `reference-hpke` |
//!
//! Curve, lattice, ciphers and hashes are the library's; what is here only puts them together (`docs/decisions/0070-hpke-on-aws-lc.md`).
//!
//! Formats: a capsule is `key identifier (1) ‖ KEM (2) ‖ KDF (2) ‖ AEAD (2) ‖ enc ‖ sealed content`; a sealed answer is
//! `nonce (16 or 32) ‖ sealed content`; a key configuration is that of RFC 9458 §3.1. Numbers are big-endian.
//! Errors: [`OpenError`], [`KeyRefused`].

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod aead;
pub mod client;
pub mod gateway;
mod kem;
#[cfg(any(test, feature = "reference-hpke"))]
pub mod reference;
mod response;
mod schedule;
mod suite;

pub use client::{AnswerOpener, Recipient};
#[cfg(not(feature = "reference-hpke"))]
pub use gateway::{Opener, Sealer};
#[cfg(feature = "reference-hpke")]
pub use reference::{Opener, Sealer};
pub use suite::{AeadName, KemName};

/// Identifier of key, KEM, KDF and AEAD, in front of a capsule (RFC 9458 §4.1).
const HEADER_BYTES: usize = 7;
/// HKDF-SHA256, the one key derivation here (RFC 9180 §7.2).
const KDF_ID: u16 = 1;
/// What goes before the header in HPKE's `info` (RFC 9458 §4.3).
const REQUEST_LABEL: &[u8] = b"message/bhttp request\0";
/// The context under which the secret for the answer is exported (RFC 9458 §4.4).
const RESPONSE_LABEL: &[u8] = b"message/bhttp response";

/// Why a capsule, or its answer, does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its key identifier, KEM, KDF or AEAD is not the key's.
    #[error("the capsule is for another key or suite")]
    Suite,
    /// It is cut off, changed, or not sealed to the key.
    #[error("the capsule does not open")]
    Sealed,
}

/// The library makes no key of this, or none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HPKE library refuses the key")]
pub struct KeyRefused;

/// The list of key configurations, each after its length: `application/ohttp-keys` (RFC 9458 §3.2).
#[must_use]
pub fn encode_list<'a>(configurations: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = Vec::new();
    for configuration in configurations {
        let length = u16::try_from(configuration.len()).expect("a key and two suites take less than 2^16 octets");
        list.extend(length.to_be_bytes());
        list.extend(configuration);
    }
    list
}

#[cfg(test)]
mod tests;
