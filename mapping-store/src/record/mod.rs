//! The record of one CPI: what is kept under its label.
//!
//! ```text
//! version (1) = 1
//! due (8)                                 where it stands in the index of the sweep; 0 if nowhere
//! removed before (8)                      credentials issued earlier do not count: removal by the CPI's issuer
//! fresh since (8) ‖ fresh holder (32)     credentials of other holders issued earlier do not count: the fresh bit
//! notices (1), each:
//!   holder (32) ‖ at (8)                  whose mapping stopped being served because of another's claim, and when
//! entries, to the end:
//!   flags (1): 1 live, 2 names an MSP, 4 tagged Default
//!   seq (8) ‖ expires (8) ‖ credential issued (8) ‖ keep until (8)
//!   holder (32) ‖ hash of the MSP's URI, or zeros (32)
//!   length (2) ‖ document                 the published bytes, verbatim; none once it is no longer to be found
//! ```
//!
//! All numbers are big-endian. A lookup walks a [`View`] and copies documents; it decodes no CBOR and builds no [`Record`].

mod view;

use protocol::authenticated::VerifiedMapping;
use protocol::mapping::{DEFAULT_TAG, State};
use protocol::mimi_uri::Msp;
use protocol::{Thumbprint, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::storage::Tally;

pub(crate) use view::View;

const VERSION: u8 = 1;
const LIVE: u8 = 1;
const HAS_MSP: u8 = 2;
const DEFAULT: u8 = 4;
const HEAD_BYTES: usize = 1 + 3 * 8 + 32 + 1;
const NOTICE_BYTES: usize = 32 + 8;
const ENTRY_HEAD_BYTES: usize = 1 + 4 * 8 + 2 * 32 + 2;

/// How many notices a record holds; beyond, the oldest goes.
pub(crate) const MAX_NOTICES: usize = 32;

/// The record of one CPI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// When the sweep is to look at it.
    pub(crate) due: Option<Timestamp>,
    pub(crate) limits: Limits,
    pub(crate) notices: Vec<Notice>,
    pub(crate) entries: Vec<Entry>,
}

/// Which credentials no longer count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Credentials issued before this.
    pub(crate) removed_before: Timestamp,
    /// Whose the CPI newly is: credentials of others issued before.
    pub(crate) fresh: Option<Fresh>,
}

/// "This CPI is newly mine."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) since: Timestamp,
    pub(crate) holder: Thumbprint,
}

/// A mapping of this holder stopped being served at this time, because another claimed the CPI or its issuer took it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) holder: Thumbprint,
    pub(crate) at: Timestamp,
}

/// What one holder has published about one MSP, or about none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<D = Vec<u8>> {
    pub(crate) holder: Thumbprint,
    pub(crate) msp: Option<MspHash>,
    pub(crate) seq: u64,
    pub(crate) live: bool,
    pub(crate) default: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) credential_issued_at: Timestamp,
    /// Until when `seq` is remembered, so that an older mapping cannot come back.
    pub(crate) keep_until: Timestamp,
    pub(crate) document: D,
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

impl Limits {
    /// Whether a credential of `holder` issued at `issued_at` has been overtaken.
    pub(crate) fn overtake(&self, holder: &Thumbprint, issued_at: Timestamp) -> bool {
        let by_fresh = self.fresh.is_some_and(|fresh| fresh.holder != *holder && issued_at < fresh.since);
        issued_at < self.removed_before || by_fresh
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

    /// Only remembered from here on.
    pub(crate) fn bury(&mut self) {
        self.live = false;
        self.document = Vec::new();
    }
}

impl<D> Entry<D> {
    /// Whether it is to be found at `now`.
    pub(crate) fn is_found(&self, now: Timestamp) -> bool {
        self.live && now < self.expires_at
    }
}

impl Record {
    /// Whether nothing is left to remember.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { due: self.due, ..Self::default() }
    }

    /// The entries to be found at `now`.
    pub(crate) fn found(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.is_found(now))
    }

    /// What it adds to the engine's tally.
    pub(crate) fn tally(&self) -> Tally {
        let live = self.entries.iter().filter(|entry| entry.live).count();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        Tally { live: count(live), tombstones: count(self.entries.len() - live) }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let documents: usize = self.entries.iter().map(|entry| ENTRY_HEAD_BYTES + entry.document.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.notices.len() * NOTICE_BYTES + documents);
        bytes.push(VERSION);
        put_time(&mut bytes, self.due.unwrap_or_default());
        put_time(&mut bytes, self.limits.removed_before);
        put_time(&mut bytes, self.limits.fresh.map(|fresh| fresh.since).unwrap_or_default());
        bytes.extend_from_slice(&self.limits.fresh.map_or([0; 32], |fresh| *fresh.holder.as_bytes()));
        bytes.push(u8::try_from(self.notices.len()).expect("a record has 32 notices at most"));
        for notice in &self.notices {
            bytes.extend_from_slice(notice.holder.as_bytes());
            put_time(&mut bytes, notice.at);
        }
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
        let view = View::parse(bytes)?;
        let entries = view.entries().map(|entry| entry.map(Entry::from)).collect::<Result<_, _>>()?;
        Ok(Self { due: view.due(), limits: view.limits(), notices: view.notices().collect(), entries })
    }
}

impl From<Entry<&[u8]>> for Entry {
    fn from(entry: Entry<&[u8]>) -> Self {
        Self {
            holder: entry.holder,
            msp: entry.msp,
            seq: entry.seq,
            live: entry.live,
            default: entry.default,
            expires_at: entry.expires_at,
            credential_issued_at: entry.credential_issued_at,
            keep_until: entry.keep_until,
            document: entry.document.to_vec(),
        }
    }
}

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

fn put_time(bytes: &mut Vec<u8>, time: Timestamp) {
    bytes.extend_from_slice(&time.seconds().to_be_bytes());
}

#[cfg(test)]
pub(crate) mod tests;
