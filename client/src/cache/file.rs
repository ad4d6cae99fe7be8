//! A cache in a file: mode 0600, replaced as a whole.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::format::MAX_BYTES;
use super::{Cache, CacheError, Freshness};

impl Cache {
    /// Reads a file that [`Self::save`] wrote; an empty cache if there is none.
    ///
    /// # Errors
    ///
    /// [`CacheError`]: others may read it, it is no cache, or it cannot be read.
    pub fn load(path: &Path, freshness: Freshness) -> Result<Self, CacheError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(freshness)),
            Err(error) => return Err(error.into()),
        };
        if exposed(&file)? {
            return Err(CacheError::Exposed);
        }
        let mut bytes = Vec::new();
        // One byte more than a cache may have is enough to refuse it.
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Self::from_bytes(&bytes, freshness)
    }

    /// Writes the file with mode 0600, wholly or not at all.
    ///
    /// # Errors
    ///
    /// [`CacheError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), CacheError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // A temporary file is made with mode 0600, and keeps it when it is renamed.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&self.to_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(unix)]
fn exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere the rights of the folder decide.
#[cfg(not(unix))]
fn exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}
