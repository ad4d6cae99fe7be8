//! The client's side: a capsule made, its answer opened.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::kem::PublicKey;
use crate::schedule::Schedule;
use crate::{AeadName, HEADER_BYTES, KDF_ID, KemName, KeyRefused, OpenError, REQUEST_LABEL, RESPONSE_LABEL, response};

/// Length of a list of one suite: KDF and AEAD.
const SUITE_BYTES: u8 = 4;

/// A gateway's key, with the one suite it is used with.
pub struct Recipient {
    header: [u8; HEADER_BYTES],
    aead: AeadName,
    key: PublicKey,
    schedule: Schedule,
}

/// Opens the one answer to a capsule.
pub struct AnswerOpener {
    aead: AeadName,
    secret: Zeroizing<Vec<u8>>,
    enc: Vec<u8>,
}

impl Recipient {
    /// Reads a key configuration (RFC 9458 §3.1) that has one suite.
    ///
    /// # Errors
    ///
    /// [`KeyRefused`] if it has another layout, more than one suite, another algorithm than those here, or no key.
    pub fn decode(configuration: &[u8]) -> Result<Self, KeyRefused> {
        let (&[id, k1, k0], rest) = configuration.split_first_chunk().ok_or(KeyRefused)?;
        let kem =
            KemName::ALL.into_iter().find(|known| known.id() == u16::from_be_bytes([k1, k0])).ok_or(KeyRefused)?;
        let (key, suites) = rest.split_at_checked(PublicKey::octets(kem)).ok_or(KeyRefused)?;
        let &[0, SUITE_BYTES, f1, f0, a1, a0] = suites else { return Err(KeyRefused) };
        let aead =
            AeadName::ALL.into_iter().find(|known| known.id() == u16::from_be_bytes([a1, a0])).ok_or(KeyRefused)?;
        if u16::from_be_bytes([f1, f0]) != KDF_ID {
            return Err(KeyRefused);
        }
        let header = crate::header(id, kem, aead);
        let schedule = Schedule::new(kem, aead, &[REQUEST_LABEL, &header].concat());
        Ok(Self { header, aead, key: PublicKey::decode(kem, key)?, schedule })
    }

    /// Makes a capsule of `content`, and what opens its answer. The ephemeral key of the curve comes from `rng`; what ML-KEM draws, aws-lc draws.
    ///
    /// # Errors
    ///
    /// [`KeyRefused`] if nothing can be agreed on with the key: a point of small order, or no key of ML-KEM.
    pub fn encapsulate(&self, content: &[u8], rng: &mut impl CryptoRng) -> Result<(Vec<u8>, AnswerOpener), KeyRefused> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *ephemeral);
        self.encapsulate_by(&ephemeral, content)
    }

    pub(crate) fn encapsulate_by(
        &self,
        ephemeral: &[u8; 32],
        content: &[u8],
    ) -> Result<(Vec<u8>, AnswerOpener), KeyRefused> {
        let (shared_secret, enc) = self.key.encapsulate(ephemeral)?;
        let context = self.schedule.context(&shared_secret);
        let tag_bytes = self.aead.algorithm().tag_len();
        let mut capsule = Vec::with_capacity(HEADER_BYTES + enc.len() + content.len() + tag_bytes);
        capsule.extend_from_slice(&self.header);
        capsule.extend_from_slice(&enc);
        context.seal(b"", content, &mut capsule);
        let mut secret = Zeroizing::new(vec![0; response::nonce_bytes(self.aead)]);
        context.export(RESPONSE_LABEL, &mut secret);
        Ok((capsule, AnswerOpener { aead: self.aead, secret, enc }))
    }
}

impl AnswerOpener {
    /// Opens the answer.
    ///
    /// # Errors
    ///
    /// [`OpenError::Sealed`] if it was not sealed for this capsule, or was changed or cut.
    pub fn open(self, answer: &[u8]) -> Result<Vec<u8>, OpenError> {
        response::open(self.aead, &self.secret, &self.enc, answer).ok_or(OpenError::Sealed)
    }
}
