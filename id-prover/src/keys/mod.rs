//! The prover's keys, each in a file of the state folder that only its owner can read, created at the first start ([`files`]).
//! The signing keys may be held by another [`Token`] instead.
//!
//! | file | key | used for |
//! | --- | --- | --- |
//! | `signing.key` | Ed25519 | challenges and credentials |
//! | `signing.next.key` | Ed25519 | nothing yet: it is announced, and becomes `signing.key` ([`rotation`]) |
//! | `signing.retired-<time>.key` | Ed25519 | what was proven before it retired; announced until that time |
//! | `hpke.key` | X25519, as RFC 9180 key material | opening proofs |
//! | `hpke.retired-<time>.key` | X25519 | opening proofs of earlier challenges, until that time |
//! | `code.key` | HMAC-SHA-256 | the hashes under which codes are stored; the hashes of limits are derived from it |
//!
//! Each holds 64 hexadecimal digits. A time is in seconds since 1970.

pub mod files;
pub mod rotation;
pub mod token;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::enrollment::{Code, EnrollmentId, HpkeSecretKey, Proof};
use protocol::{PublicKey, Thumbprint, Timestamp};
use service::secret_file::SecretFileError;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::enrollment::CodeHash;
use crate::limits::Secret;
use files::{CODE, HPKE, SigningFiles};
pub use token::{Retired, Signer, SigningKeys, Token, TokenError};

/// What provers of a cluster have in common.
#[derive(Clone, Copy)]
pub(crate) struct ClusterSecrets {
    /// By which they know that they have.
    pub(crate) check: [u8; 32],
    /// Decides in which bucket an enrollment lies.
    pub(crate) buckets: [u8; 32],
}

/// The prover's keys.
pub(crate) struct Keys {
    signing: SigningKeys,
    hpke: HpkeSecretKey,
    retired_hpke: Vec<Retired<HpkeSecretKey>>,
    code: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Opens the token, and reads the other keys of the folder, creating those that are missing and needed.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub(crate) fn open(folder: &Path, token: &dyn Token) -> Result<Self, TokenError> {
        Ok(Self::with(folder, token.open()?)?)
    }

    /// All keys from files of the folder.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`] names the file.
    pub(crate) fn read(folder: &Path) -> Result<Self, SecretFileError> {
        Self::with(folder, SigningFiles::new(folder).read()?)
    }

    fn with(folder: &Path, signing: SigningKeys) -> Result<Self, SecretFileError> {
        Ok(Self {
            signing,
            hpke: HpkeSecretKey::derive(&*files::read_or_create(folder, HPKE)?),
            retired_hpke: files::retired(folder, HPKE, HpkeSecretKey::derive)?,
            code: files::read_or_create(folder, CODE)?,
        })
    }

    /// The key that signs at present.
    pub(crate) fn signing(&self) -> &Arc<dyn Signer> {
        &self.signing.current
    }

    /// The key that will sign next, if it is announced.
    pub(crate) fn next_signing(&self) -> Option<&PublicKey> {
        self.signing.next.as_ref()
    }

    /// The keys whose signatures still hold at `now`.
    pub(crate) fn retired_signing(&self, now: Timestamp) -> impl Iterator<Item = &Retired<Arc<dyn Signer>>> {
        self.signing.retired.iter().filter(move |retired| now < retired.until)
    }

    /// The signing key of this thumbprint, retired or not.
    pub(crate) fn signing_key(&self, thumbprint: &Thumbprint) -> Option<&Arc<dyn Signer>> {
        self.signing.find(thumbprint)
    }

    /// The key that proofs are sealed to.
    pub(crate) fn hpke(&self) -> &HpkeSecretKey {
        &self.hpke
    }

    /// The keys that still open proofs at `now`.
    pub(crate) fn retired_hpke(&self, now: Timestamp) -> impl Iterator<Item = &Retired<HpkeSecretKey>> {
        self.retired_hpke.iter().filter(move |retired| now < retired.until)
    }

    /// The hash of the code in a proof, if the proof opens for this enrollment and user key.
    pub(crate) fn open_proof(
        &self,
        proof: &Proof,
        id: &EnrollmentId,
        user_key: &Thumbprint,
        now: Timestamp,
    ) -> Option<CodeHash> {
        let retired = self.retired_hpke(now).map(|retired| &retired.key);
        let code = std::iter::once(&self.hpke).chain(retired).find_map(|key| proof.open(id, user_key, key).ok())?;
        Some(self.hash_code(id, &code))
    }

    /// HMAC-SHA-256 over `id ‖ digits`.
    pub(crate) fn hash_code(&self, id: &EnrollmentId, code: &Code) -> CodeHash {
        CodeHash(self.hmac(&[id.as_bytes(), code.digits().as_bytes()]))
    }

    /// The key of the hashes under which limits are known: HMAC-SHA-256 over a constant.
    pub(crate) fn limit_secret(&self) -> Secret {
        Secret(self.hmac(&[b"limits"]))
    }

    /// What provers that share a cluster derive from the key they must have in common: HMAC-SHA-256 over constants.
    pub(crate) fn cluster_secrets(&self) -> ClusterSecrets {
        ClusterSecrets { check: self.hmac(&[b"cluster"]), buckets: self.hmac(&[b"buckets"]) }
    }

    /// A hash of the public halves of the keys that sign and open at present.
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        let signing = Sha256::new_with_prefix(self.signing().public().thumbprint().as_bytes());
        signing.chain_update(self.hpke.public().0).finalize().into()
    }

    fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.code).expect("HMAC takes a key of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
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
    Keys::read(state_folder).map(|keys| keys.signing().public())
}

#[cfg(test)]
mod tests;
