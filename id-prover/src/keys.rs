//! The prover's keys, each in a file of the state folder that only its owner can read, created at the first start.
//!
//! | file | key | used for |
//! | --- | --- | --- |
//! | `signing.key` | Ed25519 | challenges and credentials |
//! | `hpke.key` | X25519, as RFC 9180 key material | opening proofs |
//! | `code.key` | HMAC-SHA-256 | the hashes under which codes are stored |
//!
//! Each holds 64 hexadecimal digits.

use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::enrollment::{Code, EnrollmentId, HpkeSecretKey, Proof};
use protocol::{PublicKey, SigningKey, Thumbprint};
use service::secret_file::{self, SecretFileError};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::enrollment::CodeHash;

/// The prover's keys.
pub(crate) struct Keys {
    signing: SigningKey,
    hpke: HpkeSecretKey,
    code: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Reads the keys, creating those that are missing.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`] names the file.
    pub(crate) fn open(folder: &Path) -> Result<Self, SecretFileError> {
        let read = |name: &str| secret_file::read_or_create(&folder.join(name), rand::random).map(Zeroizing::new);
        Ok(Self {
            signing: SigningKey::from_seed(&*read("signing.key")?),
            hpke: HpkeSecretKey::derive(&*read("hpke.key")?),
            code: read("code.key")?,
        })
    }

    /// The key that signs at present.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The signing key of this thumbprint.
    pub(crate) fn signing_key(&self, thumbprint: &Thumbprint) -> Option<&SigningKey> {
        (self.signing.public().thumbprint() == *thumbprint).then_some(&self.signing)
    }

    /// The key that proofs are sealed to.
    pub(crate) fn hpke(&self) -> &HpkeSecretKey {
        &self.hpke
    }

    /// The hash of the code in a proof, if the proof opens for this enrollment and user key.
    pub(crate) fn open_proof(&self, proof: &Proof, id: &EnrollmentId, user_key: &Thumbprint) -> Option<CodeHash> {
        proof.open(id, user_key, &self.hpke).ok().map(|code| self.hash_code(id, &code))
    }

    /// HMAC-SHA-256 over `id ‖ digits`.
    pub(crate) fn hash_code(&self, id: &EnrollmentId, code: &Code) -> CodeHash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.code).expect("HMAC takes a key of any length");
        mac.update(id.as_bytes());
        mac.update(code.digits().as_bytes());
        CodeHash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

/// The public signing key of the prover whose state folder this is, for trust anchors; created if missing.
///
/// # Errors
///
/// [`SecretFileError`] names the file.
pub fn public_signing_key(state_folder: &Path) -> Result<PublicKey, SecretFileError> {
    Keys::open(state_folder).map(|keys| keys.signing.public())
}
