//! The AEADs, each key for one message (RFC 9180 §5.2, RFC 9458 §4.4).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::AeadName;

/// Octets of a nonce of either AEAD.
pub(crate) const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

impl AeadName {
    const fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    /// Octets of a key.
    pub(crate) fn key_bytes(self) -> usize {
        self.algorithm().key_len()
    }
}

/// A key, and the nonce of the one message that it is used for.
pub(crate) struct OneTimeKey {
    key: LessSafeKey,
    nonce: [u8; NONCE_BYTES],
}

impl OneTimeKey {
    /// Of octets of the AEAD's length.
    pub(crate) fn new(aead: AeadName, key: &[u8], nonce: [u8; NONCE_BYTES]) -> Self {
        let key = UnboundKey::new(aead.algorithm(), key).expect("the key has the length of its algorithm");
        Self { key: LessSafeKey::new(key), nonce }
    }

    /// Seals the message behind what comes before it.
    pub(crate) fn seal(&self, associated: &[u8], before: &[&[u8]], message: &[u8]) -> Vec<u8> {
        let start = before.iter().map(|part| part.len()).sum();
        let mut sealed = Vec::with_capacity(start + message.len() + TAG_BYTES);
        before.iter().chain([&message]).for_each(|part| sealed.extend_from_slice(part));
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(), Aad::from(associated), &mut sealed[start..])
            .expect("a message is far shorter than the 2^36 octets that the AEADs take");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens the message; `None` if it was changed or cut.
    pub(crate) fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let mut message = vec![0; ciphertext.len()];
        self.key.open_separate_gather(self.nonce(), Aad::from(associated), ciphertext, tag, &mut message).ok()?;
        Some(message)
    }

    fn nonce(&self) -> Nonce {
        Nonce::assume_unique_for_key(self.nonce)
    }
}
