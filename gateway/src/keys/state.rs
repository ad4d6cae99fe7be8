//! The state file of the keys.

use std::path::Path;

use documents::time::Timestamp;
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

pub(super) fn read(path: &Path) -> Result<Vec<StoredKey>, KeyError> {
    let Some(content) = secret_file::read(path)?.map(Zeroizing::new) else { return Ok(Vec::new()) };
    let entries: Vec<Entry> = serde_json::from_slice(&content).map_err(|error| KeyError::Damaged(error.to_string()))?;
    entries.into_iter().map(StoredKey::from_entry).collect()
}

pub(super) fn write(path: &Path, keys: &[StoredKey]) -> Result<(), KeyError> {
    let entries: Vec<Entry> = keys.iter().map(StoredKey::to_entry).collect();
    let content = Zeroizing::new(serde_json::to_vec_pretty(&entries).expect("strings and numbers always serialise"));
    Ok(secret_file::write(path, &content)?)
}

impl StoredKey {
    fn from_entry(entry: Entry) -> Result<Self, KeyError> {
        let damaged = |what: &str| KeyError::Damaged(what.to_owned());
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&*entry.seed, &mut *seed).map_err(|_| damaged("a seed is not 64 hexadecimal digits"))?;
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
