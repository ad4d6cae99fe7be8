//! The OHTTP key configuration, signed by the discovery provider (`protocol.md` §2 and §7).
//!
//! A relay serves it to everybody from one cache; a client accepts it only under the provider's pinned key, so
//! that a relay can neither swap the gateway's keys nor give one client keys of its own.
//!
//! Media type `application/mimi-ohttp-keys+cwt`; claims `{1: iss, 4: exp, 6: iat, -65537: ohttp-keys}`.

use crate::MAX_NAME_BYTES;
use crate::cbor::{FieldError, Label, MapReader, MapWriter};
use crate::key::PublicKey;
use crate::signed::{Document, DocumentError, SignatureError, Signed, Unverified};
use crate::time::{CLOCK_SKEW, Timestamp};

/// The media type of the signed form, also its `typ`.
pub const MEDIA_TYPE: &str = "application/mimi-ohttp-keys+cwt";

/// `iss` (RFC 8392 §3.1.1).
pub const ISS: Label = Label::new(1, "iss");
/// `exp` (RFC 8392 §3.1.4).
pub const EXP: Label = Label::new(4, "exp");
/// `iat` (RFC 8392 §3.1.6).
pub const IAT: Label = Label::new(6, "iat");
const OHTTP_KEYS: Label = Label::new(-65537, "ohttp-keys");

/// What the provider signs about its gateway's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConfiguration {
    /// The provider's name: its domain, [`MAX_NAME_BYTES`] at most.
    pub issuer: String,
    /// The bytes of `application/ohttp-keys` (RFC 9458 §3.2), as the gateway serves them plainly.
    pub ohttp_keys: Vec<u8>,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Until when a client may use it.
    pub expires_at: Timestamp,
}

/// Why a client must not use a key configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyConfigurationError {
    /// Not a signed key configuration.
    #[error("key configuration: {0}")]
    Malformed(#[from] DocumentError),
    /// Not signed by the pinned provider key.
    #[error("key configuration: {0}")]
    Signature(#[from] SignatureError),
    /// Past its `exp`.
    #[error("the key configuration has expired")]
    Expired,
    /// Its `iat` lies in the future by more than the clock skew.
    #[error("the key configuration is dated in the future")]
    FromTheFuture,
}

impl KeyConfiguration {
    /// Parses the signed form and checks its signature against the pinned `key` and its times against `now`.
    ///
    /// # Errors
    ///
    /// [`KeyConfigurationError`]; a client then keeps what it has, or does without.
    pub fn verify(bytes: &[u8], key: &PublicKey, now: Timestamp) -> Result<Signed<Self>, KeyConfigurationError> {
        let signed = Unverified::<Self>::parse(bytes)?.verify(key)?;
        if signed.document().issued_at > now.plus(CLOCK_SKEW) {
            return Err(KeyConfigurationError::FromTheFuture);
        }
        if signed.document().expires_at.plus(CLOCK_SKEW) < now {
            return Err(KeyConfigurationError::Expired);
        }
        Ok(signed)
    }
}

impl Document for KeyConfiguration {
    const TYP: &'static str = MEDIA_TYPE;
    const MAX_BYTES: usize = 16 * 1024;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.issuer.as_str())
            .field(EXP, self.expires_at)
            .field(IAT, self.issued_at)
            .field(OHTTP_KEYS, self.ohttp_keys.clone())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        let document = Self {
            issuer: claims.text(ISS)?,
            ohttp_keys: claims.bytes(OHTTP_KEYS)?,
            issued_at: claims.time(IAT)?,
            expires_at: claims.time(EXP)?,
        };
        if document.issuer.is_empty() || document.issuer.len() > MAX_NAME_BYTES {
            return Err(FieldError::Rule(ISS.name, format!("must be 1 to {MAX_NAME_BYTES} bytes")));
        }
        if document.expires_at <= document.issued_at {
            return Err(FieldError::Rule(EXP.name, "must be later than iat".to_owned()));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    fn configuration() -> KeyConfiguration {
        KeyConfiguration {
            issuer: "provider.example".to_owned(),
            ohttp_keys: vec![1, 2, 3],
            issued_at: Timestamp::from_seconds(1_000_000),
            expires_at: Timestamp::from_seconds(1_003_600),
        }
    }

    #[test]
    fn names_have_their_length() {
        let key = SigningKey::from_seed(&[1; 32]);
        let read = |length| {
            let signed = Signed::sign(KeyConfiguration { issuer: "p".repeat(length), ..configuration() }, &key);
            Unverified::<KeyConfiguration>::parse(signed.bytes()).is_ok()
        };
        let lengths = [0, 1, MAX_NAME_BYTES, MAX_NAME_BYTES + 1, MAX_NAME_BYTES + 2];
        assert_eq!(lengths.map(read), [false, true, true, false, false]);
    }

    #[test]
    fn holds_within_its_times_and_under_its_key_only() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signed = Signed::sign(configuration(), &key);
        let at = |seconds| KeyConfiguration::verify(signed.bytes(), &key.public(), Timestamp::from_seconds(seconds));
        assert_eq!(at(1_000_000).unwrap(), signed);
        assert_eq!(at(1_003_900).unwrap(), signed);
        assert_eq!(at(1_003_901), Err(KeyConfigurationError::Expired));
        assert_eq!(at(999_700).unwrap(), signed);
        assert_eq!(at(999_699), Err(KeyConfigurationError::FromTheFuture));
        let other = SigningKey::from_seed(&[2; 32]).public();
        let refused = KeyConfiguration::verify(signed.bytes(), &other, Timestamp::from_seconds(1_000_000));
        assert_eq!(refused, Err(KeyConfigurationError::Signature(SignatureError::OtherKey)));
    }
}
