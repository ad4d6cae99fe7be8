//! The read path: one point read for each CPI, its documents copied once, from the engine's block into the answer. Where reads are
//! waited for, several are under way at once.
//!
//! The answer is [`protocol::lookup::Answer`], written as it is found; nothing is verified or decoded.

use std::pin::pin;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use protocol::Timestamp;
use protocol::cpi::Cpi;
use protocol::lookup::{LookupRequest, Outcome};

use super::{LookupFailure, Store};
use crate::record::{Damaged, Entry, MspHash, View};
use crate::storage::{Storage, StorageError, Stored};

/// Room for an answer about one CPI with one mapping.
const TYPICAL_BYTES: usize = 1024;
const UNSIGNED: u8 = 0;
const BYTE_STRING: u8 = 2;
const ARRAY: u8 = 4;

/// An answer, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The encoded [`protocol::lookup::Answer`].
    pub bytes: Vec<u8>,
    /// How many CPIs had each outcome, by its code.
    pub outcomes: [u64; 5],
}

impl<S: Storage> Store<S> {
    /// Answers a lookup from what is to be found now.
    ///
    /// # Errors
    ///
    /// [`LookupFailure`].
    pub async fn lookup(&self, request: &LookupRequest) -> Result<Answered, LookupFailure> {
        let shared = &*self.shared;
        let mut answer = Writing {
            now: (shared.clock)(),
            only: request.msp().map(MspHash::of),
            max_bytes: shared.max_answer_bytes,
            bytes: Vec::with_capacity(TYPICAL_BYTES),
        };
        let mut outcomes = [0; 5];
        head(&mut answer.bytes, ARRAY, request.cpis().len());
        let mut count = |outcome: Outcome| outcomes[usize::from(outcome.code())] += 1;
        let at_once = shared.storage.reads_at_once();
        if at_once == 1 || request.cpis().len() == 1 {
            for cpi in request.cpis() {
                let write = |stored: Option<Stored<'_>>| answer.entry(stored.map(|stored| stored.bytes));
                count(self.find(cpi, write).await??);
            }
        } else {
            let reads: Vec<_> = request.cpis().iter().map(|cpi| self.copied(cpi)).collect();
            let mut found = pin!(stream::iter(reads).buffered(at_once));
            while let Some(record) = found.try_next().await? {
                count(answer.entry(record.as_deref())?);
            }
        }
        Ok(Answered { bytes: answer.bytes, outcomes })
    }

    async fn copied(&self, cpi: &Cpi) -> Result<Option<Vec<u8>>, StorageError> {
        self.find(cpi, |stored: Option<Stored<'_>>| stored.map(|stored| stored.bytes.to_vec())).await
    }
}

impl From<Damaged> for LookupFailure {
    fn from(_: Damaged) -> Self {
        Self::Storage(StorageError::Damaged("a record"))
    }
}

/// An answer on its way.
struct Writing {
    now: Timestamp,
    only: Option<MspHash>,
    max_bytes: usize,
    bytes: Vec<u8>,
}

impl Writing {
    /// Writes what one record has to say.
    fn entry(&mut self, record: Option<&[u8]>) -> Result<Outcome, LookupFailure> {
        let Some(record) = record else {
            self.open(Outcome::NeverMapped, 0);
            return Ok(Outcome::NeverMapped);
        };
        let view = View::parse(record)?;
        let (mut wanted, mut bytes) = (0, 0);
        for entry in view.entries() {
            let entry = entry?;
            if self.wants(&entry) {
                wanted += 1;
                bytes += entry.document.len();
            }
        }
        if self.bytes.len() + bytes > self.max_bytes {
            return Err(LookupFailure::TooLarge);
        }
        let found = view.entries().flatten().filter(|entry| entry.is_found(self.now));
        let outcome = Outcome::of(found.map(|entry| (entry.holder, entry.msp.is_some())));
        self.open(outcome, wanted);
        for entry in view.entries().flatten() {
            if self.wants(&entry) {
                head(&mut self.bytes, BYTE_STRING, entry.document.len());
                self.bytes.extend_from_slice(entry.document);
            }
        }
        Ok(outcome)
    }

    fn wants(&self, entry: &Entry<&[u8]>) -> bool {
        entry.is_found(self.now) && (self.only.is_none() || entry.msp == self.only)
    }

    fn open(&mut self, outcome: Outcome, mappings: usize) {
        head(&mut self.bytes, ARRAY, 2);
        head(&mut self.bytes, UNSIGNED, usize::from(outcome.code()));
        head(&mut self.bytes, ARRAY, mappings);
    }
}

/// The head of a CBOR item in its shortest form (RFC 8949 §3). No document or array reaches 2^16.
fn head(bytes: &mut Vec<u8>, major: u8, argument: usize) {
    let major = major << 5;
    match u16::try_from(argument).unwrap_or(u16::MAX).to_be_bytes() {
        [0, short @ 0..24] => bytes.push(major | short),
        [0, byte] => bytes.extend_from_slice(&[major | 24, byte]),
        [high, low] => bytes.extend_from_slice(&[major | 25, high, low]),
    }
}

#[cfg(test)]
mod tests {
    use protocol::cbor::{Value, encode};

    use super::*;

    #[test]
    fn heads_are_as_the_encoder_writes_them() {
        for length in [0, 1, 23, 24, 255, 256, 257, 4096, 65535] {
            let mut ours = Vec::new();
            head(&mut ours, BYTE_STRING, length);
            assert_eq!(ours, encode(&Value::Bytes(vec![0; length]))[..ours.len()]);
            assert_eq!(ours.len() + length, encode(&Value::Bytes(vec![0; length])).len());
        }
        let mut ours = Vec::new();
        head(&mut ours, ARRAY, 64);
        head(&mut ours, UNSIGNED, 4);
        assert_eq!(hex::encode(ours), "984004");
    }
}
