//! The record of one CPI: what is kept under its label.
//!
//! ```text
//! version (1) = 1
//! removed before (8)                      credentials issued earlier do not count: removal by the CPI's issuer
//! fresh since (8) ‖ fresh holder (32)     credentials of other holders issued earlier do not count: the fresh bit
//! entries, to the end:
//!   flags (1): 1 live, 2 names an MSP, 4 tagged Default
//!   seq (8) ‖ expires (8) ‖ credential issued (8) ‖ keep until (8)
//!   holder (32) ‖ hash of the MSP's URI, or zeros (32)
//!   length (2) ‖ document                 the published bytes, verbatim; none once it is no longer to be found
//! ```
//!
//! All numbers are big-endian. A lookup walks the heads and copies documents; it decodes no CBOR.

use protocol::authenticated::{MAX_BYTES, VerifiedMapping};
use protocol::mapping::{DEFAULT_TAG, State};
use protocol::mimi_uri::Msp;
use protocol::{Thumbprint, Timestamp};
use sha2::{Digest as _, Sha256};

const VERSION: u8 = 1;
const LIVE: u8 = 1;
const HAS_MSP: u8 = 2;
const DEFAULT: u8 = 4;
const HEAD_BYTES: usize = 1 + 4 * 8 + 2 * 32 + 2;

/// The record of one CPI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Credentials issued before this do not count.
    pub(crate) removed_before: Timestamp,
    /// Whose the CPI newly is.
    pub(crate) fresh: Option<Fresh>,
    pub(crate) entries: Vec<Entry>,
}

/// "This CPI is newly mine."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) since: Timestamp,
    pub(crate) holder: Thumbprint,
}

/// What one holder has published about one MSP, or about none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) holder: Thumbprint,
    pub(crate) msp: Option<MspHash>,
    pub(crate) seq: u64,
    pub(crate) live: bool,
    pub(crate) default: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) credential_issued_at: Timestamp,
    /// Until when `seq` is remembered, so that an older mapping cannot come back.
    pub(crate) keep_until: Timestamp,
    pub(crate) document: Vec<u8>,
}

/// SHA-256 of an MSP's URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MspHash([u8; 32]);

/// A stored record cannot be read: the database is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record in the database is damaged")]
pub(crate) struct Damaged;

impl MspHash {
    pub(crate) fn of(msp: &Msp) -> Self {
        Self(Sha256::digest(msp.to_string()).into())
    }
}

impl Entry {
    /// The entry of a verified mapping, remembered until `keep_until` at least.
    pub(crate) fn of(verified: &VerifiedMapping, keep_until: Timestamp) -> Self {
        let mapping = verified.mapping();
        let live = mapping.state == State::Live;
        Self {
            holder: verified.holder().thumbprint(),
            msp: mapping.reachability.msp().map(MspHash::of),
            seq: mapping.seq,
            live,
            default: mapping.tags.contains(DEFAULT_TAG),
            expires_at: mapping.expires_at,
            credential_issued_at: verified.credential().issued_at,
            keep_until: keep_until.max(mapping.expires_at),
            document: if live { verified.bytes().to_vec() } else { Vec::new() },
        }
    }

    /// Whether it is to be found at `now`.
    pub(crate) fn is_found(&self, now: Timestamp) -> bool {
        self.live && now < self.expires_at
    }
}

impl Record {
    /// Whether a credential of `holder` issued at `issued_at` has been overtaken.
    pub(crate) fn overtakes(&self, holder: &Thumbprint, issued_at: Timestamp) -> bool {
        let by_fresh = self.fresh.is_some_and(|fresh| fresh.holder != *holder && issued_at < fresh.since);
        issued_at < self.removed_before || by_fresh
    }

    /// The entries to be found at `now`.
    pub(crate) fn found(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.is_found(now))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let documents: usize = self.entries.iter().map(|entry| HEAD_BYTES + entry.document.len()).sum();
        let mut bytes = Vec::with_capacity(49 + documents);
        let fresh =
            self.fresh.unwrap_or(Fresh { since: Timestamp::default(), holder: Thumbprint::from_bytes([0; 32]) });
        bytes.push(VERSION);
        put_time(&mut bytes, self.removed_before);
        put_time(&mut bytes, fresh.since);
        bytes.extend_from_slice(fresh.holder.as_bytes());
        for entry in &self.entries {
            bytes.push(flag(entry.live, LIVE) | flag(entry.msp.is_some(), HAS_MSP) | flag(entry.default, DEFAULT));
            bytes.extend_from_slice(&entry.seq.to_be_bytes());
            put_time(&mut bytes, entry.expires_at);
            put_time(&mut bytes, entry.credential_issued_at);
            put_time(&mut bytes, entry.keep_until);
            bytes.extend_from_slice(entry.holder.as_bytes());
            bytes.extend_from_slice(&entry.msp.map_or([0; 32], |msp| msp.0));
            let length = u16::try_from(entry.document.len()).expect("a document has 4,096 bytes at most");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&entry.document);
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut input = bytes;
        if take::<1>(&mut input)? != [VERSION] {
            return Err(Damaged);
        }
        let removed_before = take_time(&mut input)?;
        let since = take_time(&mut input)?;
        let holder = Thumbprint::from_bytes(take(&mut input)?);
        let fresh = (since != Timestamp::default()).then_some(Fresh { since, holder });
        let mut entries = Vec::new();
        while !input.is_empty() {
            entries.push(take_entry(&mut input)?);
        }
        Ok(Self { removed_before, fresh, entries })
    }
}

fn take_entry(input: &mut &[u8]) -> Result<Entry, Damaged> {
    let [flags] = take(input)?;
    if flags & !(LIVE | HAS_MSP | DEFAULT) != 0 {
        return Err(Damaged);
    }
    let seq = u64::from_be_bytes(take(input)?);
    let (expires_at, credential_issued_at, keep_until) = (take_time(input)?, take_time(input)?, take_time(input)?);
    let holder = Thumbprint::from_bytes(take(input)?);
    let msp = MspHash(take(input)?);
    let length = usize::from(u16::from_be_bytes(take(input)?));
    let document = input.split_off(..length).filter(|_| length <= MAX_BYTES).ok_or(Damaged)?.to_vec();
    Ok(Entry {
        holder,
        msp: (flags & HAS_MSP != 0).then_some(msp),
        seq,
        live: flags & LIVE != 0,
        default: flags & DEFAULT != 0,
        expires_at,
        credential_issued_at,
        keep_until,
        document,
    })
}

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

fn put_time(bytes: &mut Vec<u8>, time: Timestamp) {
    bytes.extend_from_slice(&time.seconds().to_be_bytes());
}

fn take_time(input: &mut &[u8]) -> Result<Timestamp, Damaged> {
    take(input).map(|bytes| Timestamp::from_seconds(u64::from_be_bytes(bytes)))
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (head, tail) = input.split_first_chunk::<N>().ok_or(Damaged)?;
    *input = tail;
    Ok(*head)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn entry() -> impl Strategy<Value = Entry> {
        let times = any::<(u32, u32, u32, u64)>();
        let marks = (any::<bool>(), any::<bool>(), proptest::option::of(0..3_u8), 0..4_u8);
        (times, marks, proptest::collection::vec(any::<u8>(), 0..60)).prop_map(
            |(times, (live, default, msp, holder), document)| Entry {
                holder: Thumbprint::from_bytes([holder; 32]),
                msp: msp.map(|msp| MspHash([msp; 32])),
                seq: times.3,
                live,
                default,
                expires_at: Timestamp::from_seconds(times.0.into()),
                credential_issued_at: Timestamp::from_seconds(times.1.into()),
                keep_until: Timestamp::from_seconds(times.2.into()),
                document,
            },
        )
    }

    fn record() -> impl Strategy<Value = Record> {
        let fresh = proptest::option::of((1..u64::MAX, any::<[u8; 32]>()));
        (any::<u64>(), fresh, proptest::collection::vec(entry(), 0..6)).prop_map(|(removed, fresh, entries)| Record {
            removed_before: Timestamp::from_seconds(removed),
            fresh: fresh.map(|(since, holder)| Fresh {
                since: Timestamp::from_seconds(since),
                holder: Thumbprint::from_bytes(holder),
            }),
            entries,
        })
    }

    proptest! {
        #[test]
        fn a_record_round_trips(record in record()) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn a_truncated_record_is_damaged_or_shorter(record in record(), at in any::<prop::sample::Index>()) {
            let bytes = record.encode();
            let cut = &bytes[..at.index(bytes.len())];
            if let Ok(shorter) = Record::decode(cut) {
                prop_assert!(shorter.entries.len() < record.entries.len());
                prop_assert_eq!(shorter.encode(), cut);
            }
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(record) = Record::decode(&bytes) {
                let _ = record.encode();
            }
        }
    }
}
