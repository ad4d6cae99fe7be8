//! Changing keys with overlap: the files of the state folder are changed here, and a running prover reads them again when it
//! is told to (SIGHUP).
//!
//! The signing key takes three steps. [`prepare`] makes the next key, which the prover then announces; whoever trusts the
//! prover takes it in beside the present one. [`activate`] makes it the present one; the former is announced as retired for
//! as long as a credential lives, and signs no more than what was proven before. After that, [`forget`] deletes it. The HPKE
//! key is announced in each challenge, and is changed at once by [`renew_hpke`]; the former opens proofs of earlier
//! challenges while their codes hold.
//!
//! Each step leaves a usable folder, wherever it is cut short. A [`Token`](super::Token) of another kind has its own ways.

use std::path::Path;
use std::time::Duration;

use protocol::{CLOCK_SKEW, PublicKey, SigningKey, Timestamp};
use service::secret_file::{self, SecretFileError};

use super::Keys;
use super::files::{HPKE, SIGNING, key_file, next_file, retired_file, retired_files};

/// The longest that a code may hold.
const LONGEST_CODE: Duration = Duration::from_secs(3600);

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A key file.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// There is no next key.
    #[error("there is no next signing key; prepare one first, and give those who trust this prover time to take it in")]
    NotPrepared,
}

/// Makes the next signing key, or returns the one that is there.
///
/// # Errors
///
/// [`RotationError::File`].
pub fn prepare(state_folder: &Path) -> Result<PublicKey, RotationError> {
    Keys::read(state_folder)?;
    let seed = secret_file::read_or_create(&next_file(state_folder), rand::random)?;
    Ok(SigningKey::from_seed(&seed).public())
}

/// Makes the next signing key the present one. What the former signed holds for `credential_lifetime` from `now`.
///
/// # Errors
///
/// [`RotationError::NotPrepared`] without a next key; [`RotationError::File`].
pub fn activate(
    state_folder: &Path,
    now: Timestamp,
    credential_lifetime: Duration,
) -> Result<PublicKey, RotationError> {
    let next = secret_file::read_key(&next_file(state_folder))?.ok_or(RotationError::NotPrepared)?;
    retire(state_folder, SIGNING, now.plus(credential_lifetime).plus(CLOCK_SKEW))?;
    rename(&next_file(state_folder), &key_file(state_folder, SIGNING))?;
    Ok(SigningKey::from_seed(&next).public())
}

/// Makes a new HPKE key. The former opens proofs for an hour, the longest that a code may hold.
///
/// # Errors
///
/// [`RotationError::File`].
pub fn renew_hpke(state_folder: &Path, now: Timestamp) -> Result<(), RotationError> {
    retire(state_folder, HPKE, now.plus(LONGEST_CODE).plus(CLOCK_SKEW))?;
    let seed: [u8; 32] = rand::random();
    Ok(secret_file::write(&key_file(state_folder, HPKE), (hex::encode(seed) + "\n").as_bytes())?)
}

/// Deletes the retired keys whose time is over; returns how many.
///
/// # Errors
///
/// [`RotationError::File`].
pub fn forget(state_folder: &Path, now: Timestamp) -> Result<usize, RotationError> {
    let mut files = retired_files(state_folder, SIGNING)?;
    files.extend(retired_files(state_folder, HPKE)?);
    files.retain(|(_, until)| *until <= now);
    for (path, _) in &files {
        std::fs::remove_file(path).map_err(|reason| SecretFileError::Io { path: path.clone(), reason })?;
    }
    Ok(files.len())
}

/// Keeps a copy of the present key as a retired one. The present one stays until another is put in its place, so that there
/// always is one.
fn retire(folder: &Path, name: &str, until: Timestamp) -> Result<(), SecretFileError> {
    Keys::read(folder)?;
    let present = key_file(folder, name);
    let content = secret_file::read(&present)?.unwrap_or_default();
    secret_file::write(&retired_file(folder, name, until), &content)
}

fn rename(from: &Path, to: &Path) -> Result<(), SecretFileError> {
    let failed = |reason| SecretFileError::Io { path: from.to_owned(), reason };
    std::fs::rename(from, to).map_err(failed)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
