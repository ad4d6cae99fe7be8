//! The prover's keys, each in a file of the state folder that only its owner can read, created at the first start.
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

pub mod rotation;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::enrollment::{Code, EnrollmentId, HpkeSecretKey, Proof};
use protocol::{PublicKey, SigningKey, Thumbprint, Timestamp};
use service::secret_file::{self, SecretFileError};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::enrollment::CodeHash;
use crate::limits::Secret;

const SIGNING: &str = "signing";
const HPKE: &str = "hpke";
const CODE: &str = "code";

/// The prover's keys.
pub(crate) struct Keys {
    signing: SigningKey,
    next_signing: Option<SigningKey>,
    retired_signing: Vec<Retired<SigningKey>>,
    hpke: HpkeSecretKey,
    retired_hpke: Vec<Retired<HpkeSecretKey>>,
    code: Zeroizing<[u8; 32]>,
}

/// A key that is no longer used for anything new.
pub(crate) struct Retired<K> {
    pub(crate) key: K,
    /// Until when what was made with it holds.
    pub(crate) until: Timestamp,
}

impl Keys {
    /// Reads the keys, creating those that are missing and needed.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`] names the file.
    pub(crate) fn open(folder: &Path) -> Result<Self, SecretFileError> {
        let read = |name: &str| secret_file::read_or_create(&key_file(folder, name), rand::random).map(Zeroizing::new);
        let signing = SigningKey::from_seed(&*read(SIGNING)?);
        let mut retired_signing = retired(folder, SIGNING, SigningKey::from_seed)?;
        // Rotation that was cut short leaves the present key among the retired ones as well.
        retired_signing.retain(|retired| retired.key.public() != signing.public());
        Ok(Self {
            signing,
            next_signing: read_if_there(&next_file(folder))?.map(|seed| SigningKey::from_seed(&seed)),
            retired_signing,
            hpke: HpkeSecretKey::derive(&*read(HPKE)?),
            retired_hpke: retired(folder, HPKE, HpkeSecretKey::derive)?,
            code: read(CODE)?,
        })
    }

    /// The key that signs at present.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The key that will sign next, if it is announced.
    pub(crate) fn next_signing(&self) -> Option<&SigningKey> {
        self.next_signing.as_ref()
    }

    /// The keys whose signatures still hold at `now`.
    pub(crate) fn retired_signing(&self, now: Timestamp) -> impl Iterator<Item = &Retired<SigningKey>> {
        self.retired_signing.iter().filter(move |retired| now < retired.until)
    }

    /// The signing key of this thumbprint, retired or not.
    pub(crate) fn signing_key(&self, thumbprint: &Thumbprint) -> Option<&SigningKey> {
        let retired = self.retired_signing.iter().map(|retired| &retired.key);
        std::iter::once(&self.signing).chain(retired).find(|key| key.public().thumbprint() == *thumbprint)
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
    Keys::open(state_folder).map(|keys| keys.signing.public())
}

fn key_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

fn next_file(folder: &Path) -> PathBuf {
    folder.join(format!("{SIGNING}.next.key"))
}

fn retired_file(folder: &Path, name: &str, until: Timestamp) -> PathBuf {
    folder.join(format!("{name}.retired-{}.key", until.seconds()))
}

fn read_if_there(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, SecretFileError> {
    let Some(content) = secret_file::read(path)?.map(Zeroizing::new) else { return Ok(None) };
    let seed = std::str::from_utf8(&content).ok().and_then(|text| hex::decode(text.trim()).ok());
    let seed = seed.and_then(|seed| seed.try_into().ok());
    seed.map(|seed| Some(Zeroizing::new(seed)))
        .ok_or_else(|| SecretFileError::Content { path: path.to_owned(), bytes: 32 })
}

/// The files of retired keys, and until when they hold.
fn retired_files(folder: &Path, name: &str) -> Result<Vec<(PathBuf, Timestamp)>, SecretFileError> {
    let failed = |reason: io::Error| SecretFileError::Io { path: folder.to_owned(), reason };
    let prefix = format!("{name}.retired-");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let until = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".key")?.parse().ok());
        files.extend(until.map(|until| (entry.path(), Timestamp::from_seconds(until))));
    }
    files.sort_by_key(|(_, until)| std::cmp::Reverse(*until));
    Ok(files)
}

fn retired<K>(folder: &Path, name: &str, key: impl Fn(&[u8; 32]) -> K) -> Result<Vec<Retired<K>>, SecretFileError> {
    let mut keys = Vec::new();
    for (path, until) in retired_files(folder, name)? {
        keys.extend(read_if_there(&path)?.map(|seed| Retired { key: key(&seed), until }));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
