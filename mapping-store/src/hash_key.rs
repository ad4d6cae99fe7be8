//! Where the hash key comes from: a file, or the environment; never the database.
//!
//! 64 hexadecimal digits; while the key is changed, the new key and after it the old one, on a line of its own. In the
//! settings, `env:NAME` in place of a path names a variable with the same content (a comma will do between keys).
//!
//! The database keeps a check value of the keys under which its records stand (note `hash key`, 32 bytes for each key, the
//! current one first): with another key it is not opened, since every record would seem to be missing.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use service::secret_file::{self, SecretFileError};
use zeroize::Zeroizing;

use crate::label::{KeyCheck, LabelKey, Ring};

/// The note with the check values of the keys in use.
pub(crate) const NOTE: &str = "hash key";
/// The note with the last numbers of each shard whose records have moved, 8 bytes each.
pub(crate) const MOVED_NOTE: &str = "hash key moved";
const VARIABLE: &str = "env:";
const KEY_BYTES: usize = 32;

/// Where the hash key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Variable(String),
}

/// Why there is no hash key to work with.
#[derive(Debug, thiserror::Error)]
pub enum HashKeyError {
    /// The file.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// Not one key, or two.
    #[error("{0} must hold one key, or the new and the old one, of {KEY_BYTES} bytes in hexadecimal each")]
    Content(String),
    /// It is not there, and the database was made with one.
    #[error("there is no hash key in {0}; the database was made with one, and nothing is found in it without")]
    Missing(String),
    /// The environment cannot be written.
    #[error(
        "a hash key in the environment is changed by hand: set {0} to the new key, a comma and the old one, and restart"
    )]
    Environment(String),
    /// The database was made with another.
    #[error("the database was made with another hash key than {0} holds")]
    Other(String),
}

/// What the database says of its keys.
pub(crate) struct Known {
    pub(crate) checks: Vec<KeyCheck>,
    /// Whether anything was ever published in it.
    pub(crate) used: bool,
}

impl Known {
    /// Whether it was never opened with a key.
    pub(crate) fn is_new(&self) -> bool {
        self.checks.is_empty() && !self.used
    }
}

/// The keys to work with.
pub(crate) struct Settled {
    pub(crate) ring: Ring,
    /// The check values are other ones, or in another order, than the database says.
    pub(crate) changed: bool,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "{VARIABLE}{name}"),
        }
    }
}

impl Source {
    /// From the setting.
    pub(crate) fn of(setting: &Path) -> Self {
        match setting.to_str().and_then(|text| text.strip_prefix(VARIABLE)) {
            Some(name) => Self::Variable(name.to_owned()),
            None => Self::File(setting.to_owned()),
        }
    }

    /// Reads the keys, if they are there.
    pub(crate) fn read(&self) -> Result<Option<Ring>, HashKeyError> {
        let content = match self {
            Self::File(path) => secret_file::read(path)?.map(Zeroizing::new),
            Self::Variable(name) => env::var(name).ok().map(|text| Zeroizing::new(text.into_bytes())),
        };
        content.map(|content| parse(&content).ok_or_else(|| HashKeyError::Content(self.to_string()))).transpose()
    }

    /// Writes the keys to the file.
    pub(crate) fn write(&self, ring: &Ring) -> Result<(), HashKeyError> {
        let Self::File(path) = self else { return Err(HashKeyError::Environment(self.to_string())) };
        let mut text = Zeroizing::new(String::new());
        for key in [&ring.current].into_iter().chain(&ring.previous) {
            text.push_str(&Zeroizing::new(hex::encode(key.secret())));
            text.push('\n');
        }
        Ok(secret_file::write(path, text.as_bytes())?)
    }

    /// The keys for a database; a new one gets a new key from `generate`.
    pub(crate) fn settle(
        &self,
        known: &Known,
        generate: impl FnOnce() -> [u8; KEY_BYTES],
    ) -> Result<Settled, HashKeyError> {
        let Some(mut ring) = self.read()? else {
            if !known.is_new() {
                return Err(HashKeyError::Missing(self.to_string()));
            }
            let ring = Ring::of(LabelKey::new(generate()));
            self.write(&ring)?;
            return Ok(Settled { ring, changed: true });
        };
        if known.checks.iter().any(|check| !ring.checks().contains(check)) {
            return Err(HashKeyError::Other(self.to_string()));
        }
        // Nothing stands under the old key: nothing was published yet, or all has moved.
        if ring.previous.is_some() && (known.is_new() || known.checks == [ring.current.check()]) {
            ring.previous = None;
            self.write(&ring).unwrap_or_else(|error| tracing::warn!(%error, "the old hash key can be taken out"));
        }
        let changed = ring.checks() != known.checks;
        Ok(Settled { ring, changed })
    }
}

fn parse(content: &[u8]) -> Option<Ring> {
    let text = std::str::from_utf8(content).ok()?;
    let mut keys = text.split([',', ' ', '\n', '\r', '\t']).filter(|key| !key.is_empty()).map(|key| {
        let bytes = Zeroizing::new(hex::decode(key).ok()?);
        Some(LabelKey::new(bytes.as_slice().try_into().ok()?))
    });
    let (current, previous) = (keys.next()??, keys.next());
    if keys.next().is_some() {
        return None;
    }
    let previous = match previous {
        Some(key) => Some(key?),
        None => None,
    };
    let previous = previous.filter(|previous| previous.check() != current.check());
    Some(Ring { current, previous })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Known = Known { checks: Vec::new(), used: false };

    fn check(key: u8) -> KeyCheck {
        LabelKey::new([key; 32]).check()
    }

    fn text(keys: &[u8]) -> String {
        keys.iter().map(|key| hex::encode([*key; 32]) + "\n").collect()
    }

    fn holding(path: &Path, keys: &[u8]) -> Source {
        secret_file::write(path, text(keys).as_bytes()).unwrap();
        Source::of(path)
    }

    fn checks(settled: &Settled) -> Vec<KeyCheck> {
        settled.ring.checks()
    }

    #[test]
    fn a_new_database_gets_a_key_and_a_used_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::of(&folder.path().join("key"));
        for known in [Known { checks: Vec::new(), used: true }, Known { checks: vec![check(1)], used: false }] {
            assert!(matches!(source.settle(&known, || [7; 32]), Err(HashKeyError::Missing(_))));
        }
        assert_eq!(source.read().unwrap().map(|ring| ring.checks()), None);
        assert_eq!(checks(&source.settle(&NEW, || [7; 32]).unwrap()), [check(7)]);
        assert_eq!(source.read().unwrap().unwrap().checks(), [check(7)]);
    }

    #[test]
    fn another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = holding(&folder.path().join("key"), &[1]);
        let known = |checks: &[u8]| Known { checks: checks.iter().copied().map(check).collect(), used: true };
        assert!(matches!(source.settle(&known(&[2]), || [0; 32]), Err(HashKeyError::Other(_))));
        // Half way through a change, both are needed.
        assert!(matches!(source.settle(&known(&[1, 2]), || [0; 32]), Err(HashKeyError::Other(_))));
        assert!(!source.settle(&known(&[1]), || [0; 32]).unwrap().changed);
    }

    #[test]
    fn two_keys_are_a_change_under_way_until_the_database_has_the_new_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let source = holding(&path, &[2, 1]);
        for (known, changed) in [(vec![check(1)], true), (vec![check(2), check(1)], false)] {
            let settled = source.settle(&Known { checks: known, used: true }, || [0; 32]).unwrap();
            assert_eq!((checks(&settled), settled.changed), (vec![check(2), check(1)], changed));
        }
        let settled = source.settle(&Known { checks: vec![check(2)], used: true }, || [0; 32]).unwrap();
        assert_eq!((checks(&settled), settled.changed), (vec![check(2)], false));
        assert_eq!(std::fs::read_to_string(path).unwrap(), text(&[2]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for wrong in ["", "00", &text(&[1, 2, 3]), &text(&[1]).replace('0', "g"), &(text(&[1]) + "x")] {
            secret_file::write(&path, wrong.as_bytes()).unwrap();
            assert!(matches!(Source::of(&path).read(), Err(HashKeyError::Content(_))), "{wrong}");
        }
    }

    #[test]
    fn a_variable_is_named_in_place_of_a_file() {
        let source = Source::of(Path::new("env:NO_SUCH_VARIABLE_IS_SET"));
        assert_eq!(source, Source::Variable("NO_SUCH_VARIABLE_IS_SET".to_owned()));
        assert!(source.read().unwrap().is_none());
        assert!(matches!(source.settle(&NEW, || [0; 32]), Err(HashKeyError::Environment(_))));
        assert_eq!(parse(text(&[1, 2]).replace('\n', ",").as_bytes()).unwrap().checks(), [check(1), check(2)]);
    }
}
