//! What a key configuration can name: KEMs and AEADs, by their numbers in HPKE's registries (RFC 9180 §7); a key's use with one of each.

use serde::Deserialize;

use crate::schedule::Schedule;
use crate::{HEADER_BYTES, KDF_ID, REQUEST_LABEL};

/// A key encapsulation mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KemName {
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
    /// X-Wing (ML-KEM-768 and X25519): post-quantum.
    XWing,
}

/// An AEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AeadName {
    /// AES-128-GCM.
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// ChaCha20-Poly1305.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl KemName {
    pub(crate) const ALL: [Self; 2] = [Self::X25519, Self::XWing];

    /// Its number in the registry of HPKE (RFC 9180 §7.1).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::X25519 => 0x0020,
            Self::XWing => 0x647a,
        }
    }
}

impl AeadName {
    pub(crate) const ALL: [Self; 2] = [Self::Aes128Gcm, Self::ChaCha20Poly1305];

    /// Its number in HPKE's registry.
    pub(crate) const fn id(self) -> u16 {
        match self {
            Self::Aes128Gcm => 0x0001,
            Self::ChaCha20Poly1305 => 0x0003,
        }
    }
}

/// An AEAD of a key: the header of its capsules, and the part of the key schedule that is the same for all of them.
pub(crate) struct Suite {
    /// Identifier of key, KEM, KDF and AEAD (RFC 9458 §4.1).
    pub(crate) header: [u8; HEADER_BYTES],
    pub(crate) aead: AeadName,
    pub(crate) schedule: Schedule,
}

impl Suite {
    pub(crate) fn new(id: u8, kem: KemName, aead: AeadName) -> Self {
        let mut header = [id, 0, 0, 0, 0, 0, 0];
        header[1..3].copy_from_slice(&kem.id().to_be_bytes());
        header[3..5].copy_from_slice(&KDF_ID.to_be_bytes());
        header[5..].copy_from_slice(&aead.id().to_be_bytes());
        let schedule = Schedule::new(kem, aead, &[REQUEST_LABEL, &header].concat());
        Self { header, aead, schedule }
    }
}
