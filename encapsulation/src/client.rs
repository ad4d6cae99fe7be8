//! The client's side: a capsule made, its answer opened.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::kem::PublicKey;
use crate::response::Answer;
use crate::suite::Suite;
use crate::{AeadName, KDF_ID, KemName, KeyRefused, OpenError};

/// Length of a list of one suite: KDF and AEAD.
const SUITE_BYTES: u8 = 4;

/// A gateway's key, with the one suite it is used with.
pub struct Recipient {
    key: PublicKey,
    suite: Suite,
}

/// Opens the one answer to a capsule.
pub struct AnswerOpener(Answer);

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
        Ok(Self { key: PublicKey::decode(kem, key)?, suite: Suite::new(id, kem, aead) })
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
        let context = self.suite.schedule.context(&shared_secret);
        let capsule = context.message.seal(b"", &[&self.suite.header, &enc], content);
        Ok((capsule, AnswerOpener(Answer::to(self.suite.aead, &context, enc))))
    }
}

impl AnswerOpener {
    /// Opens the answer.
    ///
    /// # Errors
    ///
    /// [`OpenError::Sealed`] if it was not sealed for this capsule, or was changed or cut.
    pub fn open(self, answer: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.0.open(answer).ok_or(OpenError::Sealed)
    }
}
