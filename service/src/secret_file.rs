//! Keys in files that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

const OWNER_ONLY: u32 = 0o600;
const OTHERS: u32 = 0o077;

/// Why a secret file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The group or others may read it.
    #[error("{0} can be read by others than its owner; set its mode to 0600")]
    Exposed(PathBuf),
    /// It does not hold what it should.
    #[error("{path} must hold {bytes} bytes in hexadecimal")]
    Content {
        /// The file.
        path: PathBuf,
        /// How many bytes it should hold.
        bytes: usize,
    },
    /// The file system refuses.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
}

/// Reads a secret, if the file is there.
///
/// # Errors
///
/// [`SecretFileError::Exposed`] if the group or others may read it.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, SecretFileError> {
    let failed = |reason| SecretFileError::Io { path: path.to_owned(), reason };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if file.metadata().map_err(failed)?.permissions().mode() & OTHERS != 0 {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(failed)?;
    Ok(Some(content))
}

/// Writes a secret with mode 0600, wholly or not at all: to a temporary file, synced, renamed over `path`, folder synced.
///
/// # Errors
///
/// [`SecretFileError::Io`].
pub fn write(path: &Path, content: &[u8]) -> Result<(), SecretFileError> {
    let failed = |reason| SecretFileError::Io { path: path.to_owned(), reason };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&temporary).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads a key of `N` bytes, kept in hexadecimal, if the file is there.
///
/// # Errors
///
/// [`SecretFileError`]; [`SecretFileError::Content`] if it holds something else.
pub fn read_key<const N: usize>(path: &Path) -> Result<Option<Zeroizing<[u8; N]>>, SecretFileError> {
    let Some(content) = read(path)?.map(Zeroizing::new) else { return Ok(None) };
    let mut key = Zeroizing::new([0; N]);
    hex::decode_to_slice(content.trim_ascii(), &mut *key)
        .map_err(|_| SecretFileError::Content { path: path.to_owned(), bytes: N })?;
    Ok(Some(key))
}

/// Reads a key as [`read_key`]; a missing file is created from `generate`.
///
/// # Errors
///
/// [`SecretFileError`].
pub fn read_or_create<const N: usize>(
    path: &Path,
    generate: impl FnOnce() -> [u8; N],
) -> Result<[u8; N], SecretFileError> {
    if let Some(key) = read_key(path)? {
        return Ok(*key);
    }
    let key = generate();
    write(path, (hex::encode(key) + "\n").as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_created_once_with_mode_0600() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/key");
        assert_eq!(read_or_create(&path, || [7; 32]).unwrap(), [7; 32]);
        assert_eq!(read_or_create(&path, || [8; 32]).unwrap(), [7; 32]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_exposed_or_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write(&path, b"07").unwrap();
        assert!(matches!(read_or_create(&path, || [0; 32]), Err(SecretFileError::Content { bytes: 32, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(SecretFileError::Exposed(_))));
        assert!(read(&folder.path().join("none")).unwrap().is_none());
    }
}
