//! The bytes of a cache: deterministic CBOR, 256 MiB at most.
//!
//! ```text
//! {1: version (1), 2: [* [cpi, outcome, asked-at, holds-until, sense: bstr .size 32, [* bstr .cbor authenticated-mapping]]],
//!  3: [* [cpi, context, holder: bstr .size 32, msp]], 4: newest-keys}
//! ```
//!
//! Entries are in the order of their CPIs.

use protocol::cbor::{self, Label, MapReader, MapWriter, Value};
use protocol::cpi::Cpi;
use protocol::lookup::{MAX_MAPPINGS, Outcome};
use protocol::mapping::MAX_TAG_BYTES;
use protocol::mimi_uri::Msp;
use protocol::{Thumbprint, Timestamp, authenticated};

use super::{Cache, CacheError, Freshness, Kept, MAX_ENTRIES};
use crate::choice::Choice;

/// The longest cache, in bytes.
pub(super) const MAX_BYTES: usize = 256 * 1024 * 1024;
const VERSION: u64 = 1;
const VERSION_LABEL: Label = Label::new(1, "version");
const ANSWERS: Label = Label::new(2, "answers");
const CHOICES: Label = Label::new(3, "choices");
const NEWEST_KEYS: Label = Label::new(4, "newest-keys");

impl Cache {
    /// The encoded cache. It holds identifiers: keep it where only its owner can read it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut answers: Vec<_> = self.answers.iter().collect();
        answers.sort_unstable_by_key(|(cpi, _)| *cpi);
        let mut choices: Vec<_> = self.choices.iter().collect();
        choices.sort_unstable_by_key(|(key, _)| *key);
        let answers = answers.into_iter().map(|(cpi, kept)| write_answer(cpi, kept)).collect();
        let choices = choices.into_iter().map(|((cpi, context), choice)| {
            let holder = choice.holder.as_bytes().to_vec();
            Value::Array(vec![
                cpi.as_str().into(),
                context.as_str().into(),
                holder.into(),
                choice.msp.to_string().into(),
            ])
        });
        let map = MapWriter::new()
            .field(VERSION_LABEL, VERSION)
            .field(ANSWERS, Value::Array(answers))
            .field(CHOICES, Value::Array(choices.collect()))
            .field(NEWEST_KEYS, self.newest_keys);
        cbor::encode(&map.finish())
    }

    /// Reads what [`Self::to_bytes`] wrote. Nothing is verified here: [`Self::find`] does.
    ///
    /// # Errors
    ///
    /// [`CacheError::Malformed`]; start with an empty one then.
    pub fn from_bytes(bytes: &[u8], freshness: Freshness) -> Result<Self, CacheError> {
        read(bytes, freshness).ok_or(CacheError::Malformed)
    }
}

fn write_answer(cpi: &Cpi, kept: &Kept) -> Value {
    let documents = kept.documents.iter().map(|document| Value::from(document.clone())).collect();
    Value::Array(vec![
        cpi.as_str().into(),
        u64::from(kept.claimed.code()).into(),
        kept.asked_at.into(),
        kept.holds_until.into(),
        kept.sense.to_vec().into(),
        Value::Array(documents),
    ])
}

fn read(bytes: &[u8], freshness: Freshness) -> Option<Cache> {
    let mut map = MapReader::new(cbor::decode(bytes, MAX_BYTES).ok()?, "cache").ok()?;
    if map.unsigned(VERSION_LABEL).ok()? != VERSION {
        return None;
    }
    let (answers, choices) = (map.array(ANSWERS).ok()?, map.array(CHOICES).ok()?);
    let newest_keys = map.time(NEWEST_KEYS).ok()?;
    map.finish().ok()?;
    if answers.len() > MAX_ENTRIES || choices.len() > MAX_ENTRIES {
        return None;
    }
    Some(Cache {
        freshness,
        answers: answers.into_iter().map(read_answer).collect::<Option<_>>()?,
        choices: choices.into_iter().map(read_choice).collect::<Option<_>>()?,
        newest_keys,
    })
}

fn read_answer(value: Value) -> Option<(Cpi, Kept)> {
    let [cpi, claimed, asked_at, holds_until, sense, documents] = items(value)?;
    let documents = documents.into_array().ok()?;
    if documents.len() > MAX_MAPPINGS {
        return None;
    }
    let document = |value: Value| value.into_bytes().ok().filter(|bytes| bytes.len() <= authenticated::MAX_BYTES);
    let kept = Kept {
        claimed: Outcome::from_code(unsigned(&claimed)?)?,
        asked_at: Timestamp::from_seconds(unsigned(&asked_at)?),
        holds_until: Timestamp::from_seconds(unsigned(&holds_until)?),
        sense: bytes_32(sense)?,
        documents: documents.into_iter().map(document).collect::<Option<_>>()?,
    };
    Some((Cpi::parse(cpi.as_text()?).ok()?, kept))
}

fn read_choice(value: Value) -> Option<((Cpi, String), Choice)> {
    let [cpi, context, holder, msp] = items(value)?;
    let context = context.into_text().ok().filter(|context| context.len() <= MAX_TAG_BYTES)?;
    let choice =
        Choice { holder: Thumbprint::from_bytes(bytes_32(holder)?), msp: Msp::parse_canonical(msp.as_text()?).ok()? };
    Some(((Cpi::parse(cpi.as_text()?).ok()?, context), choice))
}

fn items<const N: usize>(value: Value) -> Option<[Value; N]> {
    value.into_array().ok()?.try_into().ok()
}

fn unsigned(value: &Value) -> Option<u64> {
    value.as_integer()?.try_into().ok()
}

fn bytes_32(value: Value) -> Option<[u8; 32]> {
    value.into_bytes().ok()?.try_into().ok()
}
