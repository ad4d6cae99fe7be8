//! What a user keeps: a key, and for each CPI and MSP the last authenticated mapping, which holds the credential and `seq`.
//!
//! The key is a file of 64 hexadecimal digits, mode 0600. The mappings lie beside it in `<key file>.d/`, each under the
//! hash of its CPI and MSP, so that a folder listing names nobody.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::mimi_uri::Msp;
use rand::Rng as _;
use service::secret_file;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// A key file and the folder beside it.
pub struct Wallet {
    key: SigningKey,
    folder: PathBuf,
}

impl Wallet {
    /// Opens the wallet at `path`, creating the key if there is none.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the key can be read by others, or is none.
    pub fn open_or_create(path: &Path) -> Result<Self, Failure> {
        let seed = secret_file::read_or_create(path, || {
            let mut seed = [0; 32];
            rand::rng().fill_bytes(&mut seed);
            seed
        })?;
        let mut folder = OsString::from(path);
        folder.push(".d");
        Ok(Self { key: SigningKey::from_seed(&seed), folder: folder.into() })
    }

    /// Opens the wallet at `path`, which must be there.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is no key, it can be read by others, or is none.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        match secret_file::read(path)? {
            Some(_) => Self::open_or_create(path),
            None => Err(Failure::new(format!("there is no key {}", path.display()))),
        }
    }

    /// The user's key.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The last authenticated mapping of this CPI at this MSP.
    ///
    /// # Errors
    ///
    /// [`Failure`] if its file can be read by others.
    pub fn mapping(&self, cpi: &Cpi, msp: &Msp) -> Result<Option<Vec<u8>>, Failure> {
        Ok(secret_file::read(&self.file(cpi, msp))?)
    }

    /// Keeps an authenticated mapping; returns where.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the file cannot be written.
    pub fn keep(&self, cpi: &Cpi, msp: &Msp, mapping: &[u8]) -> Result<PathBuf, Failure> {
        let file = self.file(cpi, msp);
        secret_file::write(&file, mapping)?;
        Ok(file)
    }

    fn file(&self, cpi: &Cpi, msp: &Msp) -> PathBuf {
        let name = Sha256::digest(format!("{cpi}\n{msp}"));
        self.folder.join(format!("{}.mapping", hex::encode(name)))
    }
}
