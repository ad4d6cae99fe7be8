//! The audit trail: who enrolled what, append-only, each entry chained to the one before by its hash.
//!
//! Column family `audit`: key = number (8 bytes, big-endian, from 1), value = `SHA-256 of the entry before (32) ‖ CBOR map`.
//! An entry's hash is SHA-256 over `number ‖ value`; the entry before the first has a hash of zeros. An entry is written
//! in the same synced batch as the change it tells of, and holds no code and no hash of one.

use protocol::cbor::{self, Label, MapWriter};
use protocol::enrollment::EnrollmentId;
use protocol::{Thumbprint, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::enrollment::{Facts, Terms};

pub(super) const EVENT: Label = Label::new(1, "event");
pub(super) const AT: Label = Label::new(2, "at");
pub(super) const ID: Label = Label::new(3, "enrollment");
pub(super) const CPI: Label = Label::new(4, "cpi");
pub(super) const MSP: Label = Label::new(5, "msp");
pub(super) const USER_KEY: Label = Label::new(6, "user-key");
pub(super) const METHOD: Label = Label::new(7, "method");
pub(super) const REQUEST_HASH: Label = Label::new(8, "request-hash");
pub(super) const TRIES_LEFT: Label = Label::new(9, "tries-left");
pub(super) const CREDENTIAL_ID: Label = Label::new(10, "credential-id");
pub(super) const EXPIRES_AT: Label = Label::new(11, "expires-at");
pub(super) const SIGNER: Label = Label::new(12, "signer");

/// The hash of an entry.
pub(crate) type EntryHash = [u8; 32];

/// What happened to an enrollment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request was admitted; a message is about to be sent.
    Requested { method: &'static str, cpi: String, msp: String, user_key: Thumbprint, request_hash: [u8; 32] },
    /// The same request came again after a crash; another message is about to be sent.
    Resent,
    /// A message with the code was delivered.
    Delivered,
    /// It could not be delivered; the enrollment is gone.
    NotDelivered,
    /// A try was spent.
    Tried { tries_left: u8 },
    /// The code was wrong.
    WrongCode { tries_left: u8 },
    /// The code was wrong, and it was the last try.
    Locked,
    /// Possession is proven; this credential is about to be signed.
    Proven(Terms),
}

/// An entry without its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    pub(crate) id: EnrollmentId,
    pub(crate) event: Event,
}

impl Event {
    pub(crate) fn requested(facts: &Facts) -> Self {
        Self::Requested {
            method: facts.method.as_str(),
            cpi: facts.cpi.to_string(),
            msp: facts.msp.to_string(),
            user_key: facts.user_key.thumbprint(),
            request_hash: facts.request_hash,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Resent => "resent",
            Self::Delivered => "delivered",
            Self::NotDelivered => "not-delivered",
            Self::Tried { .. } => "tried",
            Self::WrongCode { .. } => "wrong-code",
            Self::Locked => "locked",
            Self::Proven(_) => "proven",
        }
    }
}

impl Entry {
    /// The stored value.
    pub(crate) fn chained(&self, before: &EntryHash) -> Vec<u8> {
        let map =
            MapWriter::new().field(EVENT, self.event.name()).field(AT, self.at).field(ID, self.id.as_bytes().to_vec());
        let map = match &self.event {
            Event::Requested { method, cpi, msp, user_key, request_hash } => map
                .field(CPI, cpi.as_str())
                .field(MSP, msp.as_str())
                .field(USER_KEY, user_key.as_bytes().to_vec())
                .field(METHOD, *method)
                .field(REQUEST_HASH, request_hash.to_vec()),
            Event::Tried { tries_left } | Event::WrongCode { tries_left } => {
                map.field(TRIES_LEFT, u64::from(*tries_left))
            }
            Event::Proven(terms) => map
                .field(CREDENTIAL_ID, terms.credential_id.to_vec())
                .field(EXPIRES_AT, terms.expires_at)
                .field(SIGNER, terms.signer.as_bytes().to_vec()),
            Event::Resent | Event::Delivered | Event::NotDelivered | Event::Locked => map,
        };
        [before.as_slice(), &cbor::encode(&map.finish())].concat()
    }
}

/// The hash that the next entry is chained to.
pub(crate) fn entry_hash(number: u64, value: &[u8]) -> EntryHash {
    Sha256::new_with_prefix(number.to_be_bytes()).chain_update(value).finalize().into()
}

/// Why the trail does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenTrail {
    /// An entry is missing, or one is too many.
    #[error("audit trail: entry {0} is not where it should be")]
    Gap(u64),
    /// An entry is not chained to the one before.
    #[error("audit trail: entry {0} does not follow from the one before")]
    Chain(u64),
    /// The last entry is not the one that the head names.
    #[error("audit trail: it does not end where it should")]
    Head,
}

/// Checks entries in order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    number: u64,
    hash: EntryHash,
}

impl Checker {
    pub(crate) fn next(&mut self, number: u64, value: &[u8]) -> Result<(), BrokenTrail> {
        if number != self.number + 1 {
            return Err(BrokenTrail::Gap(self.number + 1));
        }
        if value.get(..32) != Some(&self.hash) {
            return Err(BrokenTrail::Chain(number));
        }
        (self.number, self.hash) = (number, entry_hash(number, value));
        Ok(())
    }

    pub(crate) fn end(&self, head: (u64, EntryHash)) -> Result<u64, BrokenTrail> {
        if (self.number, self.hash) == head { Ok(self.number) } else { Err(BrokenTrail::Head) }
    }
}
