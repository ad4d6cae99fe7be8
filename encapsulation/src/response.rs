//! What an answer is sealed and opened with (RFC 9458 §4.4): [`Answer`], the same for either side.

use zeroize::Zeroizing;

use crate::aead::{NONCE_BYTES, OneTimeKey};
use crate::schedule::{Context, Prk, Secret, extract};
use crate::{AeadName, RESPONSE_LABEL};

/// The longest nonce of an answer.
pub(crate) const MAX_NONCE_BYTES: usize = 32;

/// The one answer to a capsule.
pub(crate) struct Answer {
    aead: AeadName,
    /// What HPKE exported for it.
    secret: Zeroizing<Vec<u8>>,
    /// The encapsulated key of the request.
    enc: Vec<u8>,
}

impl Answer {
    /// To the message of `context`, whose encapsulated key is `enc`.
    pub(crate) fn to(aead: AeadName, context: &Context<'_>, enc: Vec<u8>) -> Self {
        let mut secret = Zeroizing::new(vec![0; nonce_bytes(aead)]);
        context.export(RESPONSE_LABEL, &mut secret);
        Self { aead, secret, enc }
    }

    /// Length of its nonce.
    pub(crate) fn nonce_bytes(&self) -> usize {
        nonce_bytes(self.aead)
    }

    /// `response_nonce`, then what the AEAD makes of the content.
    pub(crate) fn seal(&self, response_nonce: &[u8], content: &[u8]) -> Vec<u8> {
        self.key(response_nonce).seal(b"", &[response_nonce], content)
    }

    /// `None` if it was changed or cut, or is that to another request.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (response_nonce, sealed) = sealed.split_at_checked(self.nonce_bytes())?;
        self.key(response_nonce).open(b"", sealed)
    }

    fn key(&self, response_nonce: &[u8]) -> OneTimeKey {
        let prk = Prk::new(&extract(&[&self.enc, response_nonce].concat(), &[&self.secret]));
        let mut key = Secret::default();
        let key = &mut key[..self.aead.key_bytes()];
        prk.expand(&[b"key"], key);
        let mut nonce = [0; NONCE_BYTES];
        prk.expand(&[b"nonce"], &mut nonce);
        OneTimeKey::new(self.aead, key, nonce)
    }
}

/// Length of the nonce of an answer, and of the secret exported for it: that of the AEAD's key or nonce, whichever is longer.
fn nonce_bytes(aead: AeadName) -> usize {
    aead.key_bytes().max(NONCE_BYTES)
}
