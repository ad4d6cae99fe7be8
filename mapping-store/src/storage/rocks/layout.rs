//! What the column families hold, octet by octet.
//!
//! | column family | key | value |
//! | --- | --- | --- |
//! | `records` | label of the CPI (33) | revision (8) ‖ record |
//! | `log` | shard (4) ‖ number (8) | kind (1) ‖ published bytes |
//! | `stamps` | SHA-256 of the published bytes (32) | shard (4) ‖ number (8) ‖ time (8) |
//! | `due` | time (8) ‖ label (33) | nothing |
//! | `meta` | `format`, `shards` | version (4), count (4) |
//! | | `tally` | live (8) ‖ tombstones (8) |
//! | | `follow:` source `:` shard (4) | number (8) |
//! | | `note:` name | what the store keeps about itself |
//!
//! All numbers are big-endian.

use protocol::Timestamp;
use protocol::receipt::Position;

use super::super::{Kind, LogEntry, Stamp, StorageError, Stored};

pub(super) fn split_record(value: &[u8]) -> Result<Stored<'_>, StorageError> {
    let (revision, bytes) = value.split_first_chunk().ok_or(StorageError::Damaged("a record"))?;
    Ok(Stored { revision: u64::from_be_bytes(*revision), bytes })
}

pub(super) fn log_key(position: Position) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&position.shard.to_be_bytes());
    key[4..].copy_from_slice(&position.number.to_be_bytes());
    key
}

pub(super) fn read_log_key(key: &[u8]) -> Option<Position> {
    let (shard, number) = key.split_first_chunk()?;
    Some(Position { shard: u32::from_be_bytes(*shard), number: u64::from_be_bytes(number.try_into().ok()?) })
}

pub(super) fn read_entry(key: &[u8], value: &[u8]) -> Option<LogEntry> {
    let (kind, document) = value.split_first()?;
    Some(LogEntry { position: read_log_key(key)?, kind: Kind::from_code(*kind)?, document: document.to_vec() })
}

pub(super) fn encode_stamp(stamp: Stamp) -> [u8; 20] {
    let mut value = [0; 20];
    value[..12].copy_from_slice(&log_key(stamp.position));
    value[12..].copy_from_slice(&stamp.at.seconds().to_be_bytes());
    value
}

pub(super) fn decode_stamp(value: &[u8]) -> Option<Stamp> {
    let (position, at) = value.split_at_checked(12)?;
    let at = Timestamp::from_seconds(u64::from_be_bytes(at.try_into().ok()?));
    Some(Stamp { position: read_log_key(position)?, at })
}

pub(super) fn note_key(name: &str) -> Vec<u8> {
    [b"note:", name.as_bytes()].concat()
}

pub(super) fn cursor_key(source: &str, shard: u32) -> Vec<u8> {
    [b"follow:", source.as_bytes(), b":", shard.to_be_bytes().as_slice()].concat()
}
