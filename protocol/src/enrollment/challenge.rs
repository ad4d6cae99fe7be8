//! The challenge: what the prover answers to a request, signed, since it comes back by way of the MSP.

use std::fmt;

use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::credential::{later_than_issued, read_name};
use crate::labels::{CODE_LENGTH, CTI, EXP, HPKE_KEY, IAT, ISS, REQUEST_HASH};
use crate::media;

/// The number of an enrollment: 16 random bytes, in URLs as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnrollmentId([u8; 16]);

/// An X25519 public key of the prover (RFC 9180 §7.1), 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpkePublicKey(pub [u8; 32]);

/// The claims of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The prover's name.
    pub prover: String,
    /// The number of the enrollment.
    pub id: EnrollmentId,
    /// SHA-256 of the signed request that this answers. The user compares it with its own.
    pub request_hash: [u8; 32],
    /// The key to seal the code to.
    pub hpke_key: HpkePublicKey,
    /// How many digits the code has: 6 to 12.
    pub code_length: u8,
    /// When the challenge was made.
    pub issued_at: Timestamp,
    /// Until when the code is taken.
    pub expires_at: Timestamp,
}

impl EnrollmentId {
    /// From its 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From the 32 lower-case hexadecimal digits of a URL.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?.try_into().ok()?;
        (text == hex::encode(bytes)).then_some(Self(bytes))
    }
}

impl fmt::Display for EnrollmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Document for Challenge {
    const TYP: &'static str = media::CHALLENGE;
    const MAX_BYTES: usize = 1024;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.prover.as_str())
            .field(EXP, self.expires_at)
            .field(IAT, self.issued_at)
            .field(CTI, self.id.0.to_vec())
            .field(REQUEST_HASH, self.request_hash.to_vec())
            .field(CODE_LENGTH, u64::from(self.code_length))
            .field(HPKE_KEY, self.hpke_key.0.to_vec())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        let code_length = claims.unsigned(CODE_LENGTH)?;
        let challenge = Self {
            prover: read_name(claims, ISS)?,
            id: EnrollmentId(claims.byte_array(CTI)?),
            request_hash: claims.byte_array(REQUEST_HASH)?,
            hpke_key: HpkePublicKey(claims.byte_array(HPKE_KEY)?),
            code_length: u8::try_from(code_length)
                .ok()
                .filter(|length| super::Code::LENGTHS.contains(length))
                .ok_or(FieldError::Rule(CODE_LENGTH.name, "must be 6 to 12".to_owned()))?,
            issued_at: claims.time(IAT)?,
            expires_at: claims.time(EXP)?,
        };
        later_than_issued(challenge.issued_at, challenge.expires_at)?;
        Ok(challenge)
    }
}
