//! The receiving side of Oblivious HTTP: HPKE in base mode (RFC 9180 §4.1, §5.1), and what RFC 9458 §4.3 and §4.4 make of it.
//!
//! An [`Opener`] is one key with its suites. It opens a capsule, and yields the content with a [`Sealer`] for the one answer.
//! There are two of each: on aws-lc ([`aws_lc`]: curve, lattice, ciphers and hashes are the library's, what is here only puts
//! them together), and on the `ohttp` crate (`reference`, with the feature `reference-hpke`), which every capsule is compared
//! with in the tests and which takes over where the feature is on (`docs/decisions/0070-hpke-on-aws-lc.md`).
//!
//! Formats: a capsule is `key identifier (1) ‖ KEM (2) ‖ KDF (2) ‖ AEAD (2) ‖ enc ‖ sealed content`; a sealed answer is
//! `nonce (16 or 32) ‖ sealed content`; a key configuration is that of RFC 9458 §3.1. Numbers are big-endian.
//! Errors: [`OpenError`], [`KeyRefused`].

pub mod aws_lc;
mod kem;
#[cfg(any(test, feature = "reference-hpke"))]
pub mod reference;
mod response;
mod schedule;

use crate::config::{AeadName, KemName};

#[cfg(not(feature = "reference-hpke"))]
pub use aws_lc::{Opener, Sealer};
#[cfg(feature = "reference-hpke")]
pub use reference::{Opener, Sealer};

/// Identifier of key, KEM, KDF and AEAD, in front of a capsule (RFC 9458 §4.1).
const HEADER_BYTES: usize = 7;
/// HKDF-SHA256, the one key derivation here (RFC 9180 §7.2).
const KDF_ID: u16 = 1;

/// Why a capsule does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its key identifier, KEM, KDF or AEAD is not the key's.
    #[error("the capsule is for another key or suite")]
    Suite,
    /// It is cut off, changed, or not sealed to the key.
    #[error("the capsule does not open")]
    Sealed,
}

/// The library makes no key of this seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HPKE library refuses the key")]
pub struct KeyRefused;

impl KemName {
    /// Its number in HPKE's registry.
    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::X25519 => 0x0020,
            Self::XWing => 0x647a,
        }
    }
}

impl AeadName {
    /// Its number in HPKE's registry.
    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::Aes128Gcm => 0x0001,
            Self::ChaCha20Poly1305 => 0x0003,
        }
    }
}

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
