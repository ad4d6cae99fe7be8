//! The state file: JSON, mode 0600.

use std::path::Path;

use documents::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service::secret_file;
use zeroize::Zeroizing;

use super::KeyError;
use crate::config::KemName;

/// A key as it is kept: its seed is wiped from memory when dropped.
#[derive(Clone)]
pub(super) struct StoredKey {
    pub(super) id: u8,
    pub(super) kem: KemName,
    pub(super) seed: Zeroizing<[u8; 32]>,
    pub(super) made_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: u8,
    kem: String,
    seed: Zeroizing<String>,
    made_at: u64,
    retires_at: Option<u64>,
}

/// The keys in the file; none if it is not there.
pub(super) fn read(path: &Path) -> Result<Vec<StoredKey>, KeyError> {
    let entries: Vec<Entry> = read_json(path)?.unwrap_or_default();
    entries.into_iter().map(StoredKey::from_entry).collect()
}

pub(super) fn write(path: &Path, keys: &[StoredKey]) -> Result<(), KeyError> {
    write_json(path, &keys.iter().map(StoredKey::to_entry).collect::<Vec<_>>())
}

/// What the file holds, if it is there.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, KeyError> {
    let Some(content) = secret_file::read(path)?.map(Zeroizing::new) else { return Ok(None) };
    serde_json::from_slice(&content).map(Some).map_err(|error| KeyError::Damaged(error.to_string()))
}

pub(super) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), KeyError> {
    let content = Zeroizing::new(serde_json::to_vec_pretty(content).expect("strings and numbers always serialise"));
    Ok(secret_file::write(path, &content)?)
}

/// The 32 octets that stand in the file as `what`.
pub(super) fn from_hex(digits: &str, what: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut octets = Zeroizing::new([0; 32]);
    let damaged = |_| KeyError::Damaged(format!("{what} is not 64 hexadecimal digits"));
    hex::decode_to_slice(digits, &mut *octets).map_err(damaged)?;
    Ok(octets)
}

impl StoredKey {
    fn from_entry(entry: Entry) -> Result<Self, KeyError> {
        let damaged = |what: &str| KeyError::Damaged(what.to_owned());
        let seed = from_hex(&entry.seed, "a seed")?;
        let kem = match entry.kem.as_str() {
            "x25519" => KemName::X25519,
            "x-wing" => KemName::XWing,
            _ => return Err(damaged("an unknown KEM")),
        };
        let retires_at = entry.retires_at.map(Timestamp::from_seconds);
        Ok(Self { id: entry.id, kem, seed, made_at: Timestamp::from_seconds(entry.made_at), retires_at })
    }

    fn to_entry(&self) -> Entry {
        let kem = match self.kem {
            KemName::X25519 => "x25519",
            KemName::XWing => "x-wing",
        };
        Entry {
            id: self.id,
            kem: kem.to_owned(),
            seed: Zeroizing::new(hex::encode(*self.seed)),
            made_at: self.made_at.seconds(),
            retires_at: self.retires_at.map(Timestamp::seconds),
        }
    }
}
