//! The key of an answer; its sealing and opening (RFC 9458 §4.4).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use crate::AeadName;
use crate::schedule::{Prk, Secret, extract};

/// The longest nonce of an answer.
pub(crate) const MAX_NONCE_BYTES: usize = 32;
const AEAD_NONCE_BYTES: usize = 12;

/// Length of the nonce of an answer, and of the secret exported for it: that of the AEAD's key or nonce, whichever is longer.
pub(crate) fn nonce_bytes(aead: AeadName) -> usize {
    aead.algorithm().key_len().max(AEAD_NONCE_BYTES)
}

/// Seals an answer: `response_nonce`, then what the AEAD makes of it. `secret` is what HPKE exported, `enc` the encapsulated key
/// of the request.
pub(crate) fn seal(aead: AeadName, secret: &[u8], enc: &[u8], response_nonce: &[u8], answer: &[u8]) -> Vec<u8> {
    let (key, nonce) = keys(aead, secret, enc, response_nonce);
    let start = response_nonce.len();
    let mut sealed = Vec::with_capacity(start + answer.len() + aead.algorithm().tag_len());
    sealed.extend_from_slice(response_nonce);
    sealed.extend_from_slice(answer);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[start..])
        .expect("an answer is far shorter than the 2^36 octets that the AEADs take");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens a sealed answer; `None` if it was changed or cut, or is that to another request.
pub(crate) fn open(aead: AeadName, secret: &[u8], enc: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (response_nonce, sealed) = sealed.split_at_checked(nonce_bytes(aead))?;
    let (key, nonce) = keys(aead, secret, enc, response_nonce);
    let mut answer = sealed.to_vec();
    let length = key.open_in_place(nonce, Aad::empty(), &mut answer).ok()?.len();
    answer.truncate(length);
    Some(answer)
}

fn keys(aead: AeadName, secret: &[u8], enc: &[u8], response_nonce: &[u8]) -> (LessSafeKey, Nonce) {
    let prk = Prk::new(&extract(&[enc, response_nonce].concat(), &[secret]));
    let mut key = Secret::default();
    let key = &mut key[..aead.algorithm().key_len()];
    prk.expand(&[b"key"], key);
    let mut nonce = [0; AEAD_NONCE_BYTES];
    prk.expand(&[b"nonce"], &mut nonce);
    (aead.key(key), Nonce::assume_unique_for_key(nonce))
}
