//! Keys as files of the state folder. Each holds 64 hexadecimal digits, and only its owner can read it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::Signer as _;
use protocol::{PublicKey, SigningKey, Timestamp};
use service::secret_file::{self, SecretFileError};
use zeroize::Zeroizing;

use super::token::{Retired, Signer, SigningKeys, Token, TokenError};

pub(super) const SIGNING: &str = "signing";
pub(super) const HPKE: &str = "hpke";
pub(super) const CODE: &str = "code";

/// The token whose keys are files of a folder.
#[derive(Clone, Debug)]
pub struct SigningFiles {
    folder: PathBuf,
}

impl SigningFiles {
    /// The token of this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Reads the keys, creating the present one if it is missing.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`] names the file.
    pub(crate) fn read(&self) -> Result<SigningKeys, SecretFileError> {
        let folder = &self.folder;
        let signer = |label: &str, seed: &[u8; 32]| -> Arc<dyn Signer> { Arc::new(FileKey::new(label, seed)) };
        let current = signer("current", &*read_or_create(folder, SIGNING)?);
        let mut retired = retired(folder, SIGNING, |seed| signer("retired", seed))?;
        // Rotation that was cut short leaves the present key among the retired ones as well.
        retired.retain(|retired| retired.key.public() != current.public());
        let next = secret_file::read_key(&next_file(folder))?.map(|seed| SigningKey::from_seed(&seed).public());
        Ok(SigningKeys { current, next, retired })
    }
}

impl Token for SigningFiles {
    fn open(&self) -> Result<SigningKeys, TokenError> {
        Ok(self.read()?)
    }
}

struct FileKey {
    label: String,
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl FileKey {
    fn new(label: &str, seed: &[u8; 32]) -> Self {
        let public = SigningKey::from_seed(seed).public();
        Self { label: label.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(seed), public }
    }
}

impl Signer for FileKey {
    fn label(&self) -> &str {
        &self.label
    }

    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

pub(super) fn key_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key"))
}

pub(super) fn next_file(folder: &Path) -> PathBuf {
    folder.join(format!("{SIGNING}.next.key"))
}

pub(super) fn retired_file(folder: &Path, name: &str, until: Timestamp) -> PathBuf {
    folder.join(format!("{name}.retired-{}.key", until.seconds()))
}

pub(super) fn read_or_create(folder: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, SecretFileError> {
    secret_file::read_or_create(&key_file(folder, name), rand::random).map(Zeroizing::new)
}

/// The files of retired keys, and until when they hold.
pub(super) fn retired_files(folder: &Path, name: &str) -> Result<Vec<(PathBuf, Timestamp)>, SecretFileError> {
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

pub(super) fn retired<K>(
    folder: &Path,
    name: &str,
    key: impl Fn(&[u8; 32]) -> K,
) -> Result<Vec<Retired<K>>, SecretFileError> {
    let mut keys = Vec::new();
    for (path, until) in retired_files(folder, name)? {
        keys.extend(secret_file::read_key(&path)?.map(|seed| Retired { key: key(&seed), until }));
    }
    Ok(keys)
}
