//! The gateway's side: a capsule opened, its answer sealed.

use rand_core::CryptoRng;

use crate::kem::PrivateKey;
use crate::response::{Answer, MAX_NONCE_BYTES};
use crate::suite::Suite;
use crate::{AeadName, HEADER_BYTES, KemName, KeyRefused, OpenError};

/// One key that opens capsules, with the suites it may be used with.
pub struct Opener {
    key: PrivateKey,
    suites: Vec<Suite>,
    configuration: Vec<u8>,
}

/// Seals the one answer to an opened capsule.
pub struct Sealer(Answer);

impl Opener {
    /// The key that `seed` stands for (`DeriveKeyPair` of the KEM), under the identifier `id`.
    ///
    /// # Errors
    ///
    /// [`KeyRefused`]; no seed of 32 octets is known to be refused.
    pub fn derive(id: u8, kem: KemName, aeads: &[AeadName], seed: &[u8; 32]) -> Result<Self, KeyRefused> {
        Ok(Self::new(id, kem, aeads, PrivateKey::derive(kem, seed)?))
    }

    pub(crate) fn new(id: u8, kem: KemName, aeads: &[AeadName], key: PrivateKey) -> Self {
        let suites: Vec<_> = aeads.iter().map(|aead| Suite::new(id, kem, *aead)).collect();
        let mut configuration = vec![id];
        configuration.extend(kem.id().to_be_bytes());
        configuration.extend(key.public());
        let algorithms = u16::try_from(4 * suites.len()).expect("there are two AEADs");
        configuration.extend(algorithms.to_be_bytes());
        suites.iter().for_each(|suite| configuration.extend(&suite.header[3..]));
        Self { key, suites, configuration }
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
        let (header, rest) = capsule.split_first_chunk::<HEADER_BYTES>().ok_or(OpenError::Sealed)?;
        let suite = self.suites.iter().find(|suite| suite.header == *header).ok_or(OpenError::Suite)?;
        let (enc, sealed) = rest.split_at_checked(self.key.enc_bytes()).ok_or(OpenError::Sealed)?;
        let shared_secret = self.key.decapsulate(enc).ok_or(OpenError::Sealed)?;
        let context = suite.schedule.context(&shared_secret);
        let content = context.message.open(b"", sealed).ok_or(OpenError::Sealed)?;
        Ok((content, Sealer(Answer::to(suite.aead, &context, enc.to_vec()))))
    }
}

impl Sealer {
    /// Seals the answer under a nonce from `rng`.
    #[must_use]
    pub fn seal(self, answer: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; MAX_NONCE_BYTES];
        let nonce = &mut nonce[..self.0.nonce_bytes()];
        rng.fill_bytes(nonce);
        self.seal_under(nonce, answer)
    }

    pub(crate) fn seal_under(self, nonce: &[u8], answer: &[u8]) -> Vec<u8> {
        self.0.seal(nonce, answer)
    }
}
