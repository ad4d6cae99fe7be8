//! Capsules opened and answers sealed with the `ohttp` crate.

use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{KeyConfig, Server, ServerResponse, SymmetricSuite};
use rand_core::CryptoRng;

use crate::{AeadName, KemName, KeyRefused, OpenError};

/// One key that opens capsules, with the suites it may be used with.
pub struct Opener {
    server: Server,
    configuration: Vec<u8>,
}

/// Seals the one answer to an opened capsule.
pub struct Sealer(ServerResponse);

impl Opener {
    /// The key that `seed` stands for (`DeriveKeyPair` of the KEM), under the identifier `id`.
    ///
    /// # Errors
    ///
    /// [`KeyRefused`].
    pub fn derive(id: u8, kem: KemName, aeads: &[AeadName], seed: &[u8; 32]) -> Result<Self, KeyRefused> {
        let suite = |aead: &AeadName| {
            let aead = match aead {
                AeadName::Aes128Gcm => Aead::Aes128Gcm,
                AeadName::ChaCha20Poly1305 => Aead::ChaCha20Poly1305,
            };
            SymmetricSuite::new(Kdf::HkdfSha256, aead)
        };
        let kem = match kem {
            KemName::X25519 => Kem::X25519Sha256,
            KemName::XWing => Kem::XWing,
        };
        let config = KeyConfig::derive(id, kem, aeads.iter().map(suite).collect(), seed).map_err(|_| KeyRefused)?;
        let configuration = config.encode().map_err(|_| KeyRefused)?;
        Ok(Self { server: Server::new(config).map_err(|_| KeyRefused)?, configuration })
    }

    /// The key configuration (RFC 9458 §3.1).
    #[must_use]
    pub fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    /// Opens a capsule: its content, and what seals the answer.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(&self, capsule: &[u8]) -> Result<(Vec<u8>, Sealer), OpenError> {
        let (content, response) = self.server.decapsulate(capsule).map_err(|error| match error {
            ohttp::Error::KeyId | ohttp::Error::InvalidKem | ohttp::Error::Unsupported => OpenError::Suite,
            _ => OpenError::Sealed,
        })?;
        Ok((content, Sealer(response)))
    }
}

impl Sealer {
    /// Seals the answer, under a nonce of the crate's own.
    ///
    /// # Panics
    ///
    /// Never: an answer is far shorter than what the AEADs take.
    #[must_use]
    pub fn seal(self, answer: &[u8], _rng: &mut impl CryptoRng) -> Vec<u8> {
        self.0.encapsulate(answer).expect("an answer is far shorter than the 2^36 octets that the AEADs take")
    }
}
