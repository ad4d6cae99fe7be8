//! HPKE's key schedule in base mode (RFC 9180 §4, §5.1, §5.3) for HKDF-SHA256.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::aead::{NONCE_BYTES, OneTimeKey};
use crate::{AeadName, KDF_ID, KemName};

/// Octets of a SHA-256, and so of every secret between extracting and expanding.
pub(crate) const HASH_BYTES: usize = 32;
const MODE_BASE: u8 = 0;

/// A secret of the length of the hash.
pub(crate) type Secret = Zeroizing<[u8; HASH_BYTES]>;

/// `HKDF-Extract`: HMAC under the salt (RFC 5869 §2.2).
pub(crate) fn extract(salt: &[u8], parts: &[&[u8]]) -> Secret {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    parts.iter().for_each(|part| context.update(part));
    let mut secret = Secret::default();
    secret.copy_from_slice(context.sign().as_ref());
    secret
}

/// What `HKDF-Expand` expands from. Its key is set up once, however much is expanded.
pub(crate) struct Prk(hmac::Key);

impl Prk {
    pub(crate) fn new(secret: &[u8; HASH_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// `HKDF-Expand` (RFC 5869 §2.3) to no more than a hash, which is all that is asked for here: the first block, and cut.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) {
        let mut context = hmac::Context::with_key(&self.0);
        info.iter().for_each(|part| context.update(part));
        context.update(&[1]);
        out.copy_from_slice(&context.sign().as_ref()[..out.len()]);
    }
}

/// `LabeledExtract` and `LabeledExpand` of one suite (RFC 9180 §4).
pub(crate) struct Labeled<'a> {
    pub(crate) suite: &'a [u8],
}

impl Labeled<'_> {
    const VERSION: &'static [u8] = b"HPKE-v1";

    pub(crate) fn extract(&self, salt: &[u8], label: &str, ikm: &[u8]) -> Secret {
        extract(salt, &[Self::VERSION, self.suite, label.as_bytes(), ikm])
    }

    pub(crate) fn expand(&self, prk: &Prk, label: &str, info: &[u8], out: &mut [u8]) {
        let length = u16::try_from(out.len()).expect("what is expanded here is at most 32 octets long");
        prk.expand(&[&length.to_be_bytes(), Self::VERSION, self.suite, label.as_bytes(), info], out);
    }
}

/// What of the key schedule is the same for every message under one suite and one `info`.
pub(crate) struct Schedule {
    suite: [u8; 10],
    aead: AeadName,
    /// `key_schedule_context`: mode, hash of the (empty) identifier of a pre-shared key, hash of `info`.
    context: [u8; 1 + 2 * HASH_BYTES],
}

impl Schedule {
    pub(crate) fn new(kem: KemName, aead: AeadName, info: &[u8]) -> Self {
        let mut suite = *b"HPKE\0\0\0\0\0\0";
        suite[4..6].copy_from_slice(&kem.id().to_be_bytes());
        suite[6..8].copy_from_slice(&KDF_ID.to_be_bytes());
        suite[8..].copy_from_slice(&aead.id().to_be_bytes());
        let labeled = Labeled { suite: &suite };
        let mut context = [MODE_BASE; 1 + 2 * HASH_BYTES];
        context[1..=HASH_BYTES].copy_from_slice(&*labeled.extract(b"", "psk_id_hash", b""));
        context[1 + HASH_BYTES..].copy_from_slice(&*labeled.extract(b"", "info_hash", info));
        Self { suite, aead, context }
    }

    /// `KeySchedule` for a message whose KEM yields `shared_secret`: the same for either side.
    pub(crate) fn context(&self, shared_secret: &[u8; HASH_BYTES]) -> Context<'_> {
        let labeled = Labeled { suite: &self.suite };
        let secret = Prk::new(&labeled.extract(shared_secret, "secret", b""));
        let mut key = Secret::default();
        let key = &mut key[..self.aead.key_bytes()];
        labeled.expand(&secret, "key", &self.context, key);
        let mut nonce = [0; NONCE_BYTES];
        labeled.expand(&secret, "base_nonce", &self.context, &mut nonce);
        let mut exporter = Secret::default();
        labeled.expand(&secret, "exp", &self.context, &mut *exporter);
        Context { labeled, message: OneTimeKey::new(self.aead, key, nonce), exporter }
    }

    #[cfg(test)]
    pub(crate) fn key_schedule_context(&self) -> &[u8] {
        &self.context
    }
}

/// The context of one message.
pub(crate) struct Context<'a> {
    labeled: Labeled<'a>,
    /// For the first message, with the sequence number 0; there is no second one.
    pub(crate) message: OneTimeKey,
    exporter: Secret,
}

impl Context<'_> {
    /// `Context.Export` (RFC 9180 §5.3).
    pub(crate) fn export(&self, context: &[u8], out: &mut [u8]) {
        self.labeled.expand(&Prk::new(&self.exporter), "sec", context, out);
    }
}
