//! The proof of possession: the one-time code, sealed to the prover (RFC 9180).
//!
//! HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. `info` is the constant below; the
//! associated data is `enrollment id (16) ‖ user key thumbprint (32)`, so a proof opens for one enrollment of one key.
//! On the wire: `{1: enc (32 bytes), 2: ciphertext (code length + 16 bytes)}`.

use std::fmt;

use documents::cbor::{self, FieldError, Label, MapReader, MapWriter};
use documents::key::Thumbprint;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{EnrollmentId, HpkePublicKey};

const INFO: &[u8] = b"mimi-discovery enrollment proof v1";
const ENC: Label = Label::new(1, "enc");
const CIPHERTEXT: Label = Label::new(2, "ciphertext");
const TAG_BYTES: usize = 16;
const MAX_BYTES: usize = 128;

/// A one-time code: 6 to 12 decimal digits, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has 6 to 12 decimal digits")]
pub struct CodeError;

/// A sealed code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    enc: [u8; 32],
    ciphertext: Vec<u8>,
}

/// Why bytes are no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not deterministic CBOR.
    #[error("proof: {0}")]
    Cbor(#[from] cbor::CborError),
    /// A field is missing, unknown or of the wrong length.
    #[error("proof: {0}")]
    Field(#[from] FieldError),
}

/// Sealing or opening failed: a wrong key, a wrong enrollment, or a changed ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed code does not open for this enrollment and key")]
pub struct HpkeError;

/// The prover's X25519 secret key; wiped when dropped, never printed.
pub struct HpkeSecretKey(<X25519HkdfSha256 as Kem>::PrivateKey);

impl Code {
    /// The allowed numbers of digits.
    pub const LENGTHS: std::ops::RangeInclusive<u8> = 6..=12;

    /// Reads a code; spaces and hyphens between the digits are for people and are dropped.
    ///
    /// # Errors
    ///
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !matches!(c, ' ' | '-')).collect());
        let length = u8::try_from(digits.len()).map_err(|_| CodeError)?;
        if !Self::LENGTHS.contains(&length) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CodeError);
        }
        Ok(Self(digits))
    }

    /// A uniformly random code of `length` digits, held within [`Self::LENGTHS`].
    pub fn generate(length: u8, rng: &mut impl CryptoRng) -> Self {
        let length = length.clamp(*Self::LENGTHS.start(), *Self::LENGTHS.end());
        let mut digits = Zeroizing::new(String::with_capacity(usize::from(length)));
        while digits.len() < usize::from(length) {
            let mut byte = [0];
            rng.fill_bytes(&mut byte);
            // 250 is the largest multiple of ten in a byte: above it, draw again, so that no digit is favoured.
            if byte[0] < 250 {
                digits.push(char::from(b'0' + byte[0] % 10));
            }
        }
        Self(digits)
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl Proof {
    /// Seals `code` to the prover's key, for one enrollment of one user key.
    ///
    /// # Errors
    ///
    /// [`HpkeError`] if the prover's key is not a usable X25519 key.
    pub fn seal(
        code: &Code,
        id: &EnrollmentId,
        user_key: &Thumbprint,
        prover: &HpkePublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HpkeError> {
        let prover = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&prover.0).map_err(|_| HpkeError)?;
        let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &prover,
            INFO,
            code.digits().as_bytes(),
            &associated_data(id, user_key),
            rng,
        )
        .map_err(|_| HpkeError)?;
        Ok(Self { enc: enc.to_bytes().into(), ciphertext })
    }

    /// Opens the code, if it was sealed for this enrollment and user key.
    ///
    /// # Errors
    ///
    /// [`HpkeError`].
    pub fn open(&self, id: &EnrollmentId, user_key: &Thumbprint, secret: &HpkeSecretKey) -> Result<Code, HpkeError> {
        let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&self.enc).map_err(|_| HpkeError)?;
        let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret.0,
            &enc,
            INFO,
            &self.ciphertext,
            &associated_data(id, user_key),
        )
        .map_err(|_| HpkeError)?;
        let plaintext = Zeroizing::new(plaintext);
        let digits = std::str::from_utf8(&plaintext).map_err(|_| HpkeError)?;
        let code = Code::parse(digits).map_err(|_| HpkeError)?;
        if code.digits() == digits { Ok(code) } else { Err(HpkeError) }
    }

    /// The encoded proof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(
            &MapWriter::new().field(ENC, self.enc.to_vec()).field(CIPHERTEXT, self.ciphertext.clone()).finish(),
        )
    }

    /// Decodes a proof that fills `bytes`, 128 at most.
    ///
    /// # Errors
    ///
    /// [`ProofError`] names the broken rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut fields = MapReader::new(cbor::decode(bytes, MAX_BYTES)?, "proof")?;
        let proof = Self { enc: fields.byte_array(ENC)?, ciphertext: fields.bytes(CIPHERTEXT)? };
        fields.finish()?;
        let digits = proof.ciphertext.len().checked_sub(TAG_BYTES).and_then(|digits| u8::try_from(digits).ok());
        if !digits.is_some_and(|digits| Code::LENGTHS.contains(&digits)) {
            return Err(
                FieldError::Rule(CIPHERTEXT.name, "must be a code of 6 to 12 digits and a tag".to_owned()).into()
            );
        }
        Ok(proof)
    }
}

impl HpkeSecretKey {
    /// Derives a key pair from 32 bytes of key material (RFC 9180 §7.1.3).
    #[must_use]
    pub fn derive(key_material: &[u8; 32]) -> Self {
        Self(X25519HkdfSha256::derive_keypair(key_material).0)
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> HpkePublicKey {
        HpkePublicKey(X25519HkdfSha256::sk_to_pk(&self.0).to_bytes().into())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

impl fmt::Debug for HpkeSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HpkeSecretKey(redacted)")
    }
}

fn associated_data(id: &EnrollmentId, user_key: &Thumbprint) -> [u8; 48] {
    let mut data = [0; 48];
    data[..16].copy_from_slice(id.as_bytes());
    data[16..].copy_from_slice(user_key.as_bytes());
    data
}

#[cfg(test)]
mod tests;
