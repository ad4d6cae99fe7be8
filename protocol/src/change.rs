//! The change feed: what a provider has published, in order, as [`LogEntry`]s.
//!
//! On the wire it is a CBOR sequence (RFC 8742, [`crate::media::CHANGES`]) of `[shard, number, kind, document]`, where kind is 0
//! for an authenticated mapping and 1 for a removal. The header [`LOG_HEAD`] tells the last number of the shard. Whether
//! numbers may be missing is for the reader to judge.

use documents::cbor::{self, CborError, Value};

use crate::authenticated;
use crate::receipt::Position;

/// The response header that tells the last number of the shard.
pub const LOG_HEAD: &str = "mimi-log-head";

/// The longest entry, in bytes: the longest document, and room for what stands before it.
pub const MAX_ENTRY_BYTES: usize = authenticated::MAX_BYTES + 64;

/// What stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An authenticated mapping (0).
    Mapping,
    /// A removal by the CPI's issuer (1).
    Removal,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where it stands.
    pub position: Position,
    /// What it is.
    pub kind: Kind,
    /// The published bytes.
    pub document: Vec<u8>,
}

/// Why bytes are no entry of a change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not deterministic CBOR within the size bound.
    #[error("entry of a change feed: {0}")]
    Cbor(#[from] CborError),
    /// A CBOR item, but not an entry.
    #[error("an entry of a change feed is [shard, number, kind, document]")]
    Form,
}

impl Kind {
    /// Its code, on the wire and in databases.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Mapping => 0,
            Self::Removal => 1,
        }
    }

    /// From its code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Mapping),
            1 => Some(Self::Removal),
            _ => None,
        }
    }
}

impl LogEntry {
    /// Its encoding.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![
            u64::from(self.position.shard).into(),
            self.position.number.into(),
            u64::from(self.kind.code()).into(),
            self.document.into(),
        ]))
    }

    /// Reads one entry that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`EntryError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::from_value(cbor::decode(bytes, MAX_ENTRY_BYTES)?).ok_or(EntryError::Form)
    }

    /// Takes the first entry of a sequence: it, and what follows it.
    ///
    /// # Errors
    ///
    /// [`EntryError`].
    pub fn split_first(sequence: &[u8]) -> Result<(Self, &[u8]), EntryError> {
        let (item, rest) = cbor::split_first(sequence, MAX_ENTRY_BYTES)?;
        Ok((Self::parse(item)?, rest))
    }

    fn from_value(value: Value) -> Option<Self> {
        let [shard, number, kind, document] = value.into_array().ok()?.try_into().ok()?;
        let unsigned = |value: Value| value.as_integer().and_then(|number| u64::try_from(number).ok());
        let position = Position { shard: u32::try_from(unsigned(shard)?).ok()?, number: unsigned(number)? };
        let kind = u8::try_from(unsigned(kind)?).ok().and_then(Kind::from_code)?;
        Some(Self { position, kind, document: document.into_bytes().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, kind: Kind) -> LogEntry {
        LogEntry { position: Position { shard: 3, number }, kind, document: vec![7, 8] }
    }

    #[test]
    fn the_layout_byte_by_byte() {
        assert_eq!(hex::encode(entry(256, Kind::Mapping).encode()), "8403190100".to_owned() + "00" + "420708");
        assert_eq!(hex::encode(entry(1, Kind::Removal).encode()), "84030101420708");
    }

    #[test]
    fn a_sequence_is_taken_apart() {
        let sequence = [entry(5, Kind::Mapping).encode(), entry(u64::MAX, Kind::Removal).encode()].concat();
        let (first, rest) = LogEntry::split_first(&sequence).unwrap();
        assert_eq!(first, entry(5, Kind::Mapping));
        assert_eq!(LogEntry::split_first(rest), Ok((entry(u64::MAX, Kind::Removal), &[][..])));
        assert_eq!(LogEntry::split_first(&sequence[..5]), Err(EntryError::Cbor(CborError::Truncated)));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let item = |items: Vec<Value>| cbor::encode(&Value::Array(items));
        let document = || Value::from(vec![7_u8]);
        for wrong in [
            item(vec![]),
            item(vec![0.into(), 1.into(), 0.into()]),
            item(vec![0.into(), 1.into(), 2.into(), document()]),
            item(vec![0.into(), 1.into(), 0.into(), 0.into()]),
            item(vec![(1_u64 << 32).into(), 1.into(), 0.into(), document()]),
            item(vec![Value::from(-1), 1.into(), 0.into(), document()]),
            cbor::encode(&document()),
        ] {
            assert_eq!(LogEntry::parse(&wrong), Err(EntryError::Form));
        }
        let long = LogEntry { document: vec![0; MAX_ENTRY_BYTES], ..entry(1, Kind::Mapping) };
        assert_eq!(LogEntry::parse(&long.encode()), Err(EntryError::Cbor(CborError::TooLong(MAX_ENTRY_BYTES))));
    }
}
