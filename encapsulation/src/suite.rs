//! What a key configuration can name: KEMs and AEADs, by their numbers in HPKE's registries (RFC 9180 §7).

use aws_lc_rs::aead::{self, LessSafeKey, UnboundKey};
use serde::Deserialize;

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

    pub(crate) const fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    /// The key of this AEAD from octets of its length.
    pub(crate) fn key(self, octets: &[u8]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(self.algorithm(), octets).expect("the key has the length of its algorithm"))
    }
}
