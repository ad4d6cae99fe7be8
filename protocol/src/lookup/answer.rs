//! `[+ [outcome: uint, [* bstr .cbor authenticated-mapping]]]`, one entry for each CPI of the request, in its order.

use documents::cbor::{self, FieldError, Value};

use super::{LookupError, MAX_CPIS, Outcome};
use crate::authenticated;

/// How many live mappings one CPI has at most.
pub const MAX_MAPPINGS: usize = 32;
/// The longest answer: every CPI with every mapping at its longest, and their heads.
const MAX_BYTES: usize = MAX_CPIS * (MAX_MAPPINGS * (authenticated::MAX_BYTES + 3) + 8) + 8;

/// An answer: one entry for each CPI asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The entries, in the order of the request.
    pub entries: Vec<Entry>,
}

/// What is known of one CPI. The bytes are as published; nobody has verified them here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The outcome, as the provider judges it.
    pub outcome: Outcome,
    /// Encoded authenticated mappings, 32 at most.
    pub mappings: Vec<Vec<u8>>,
}

impl Answer {
    /// The encoded answer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entry = |entry: &Entry| {
            let mappings = entry.mappings.iter().map(|mapping| Value::from(mapping.clone())).collect();
            Value::Array(vec![u64::from(entry.outcome.code()).into(), Value::Array(mappings)])
        };
        cbor::encode(&Value::Array(self.entries.iter().map(entry).collect()))
    }

    /// Decodes an answer that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] names the broken rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, LookupError> {
        let entries = cbor::decode(bytes, MAX_BYTES)?.into_array().map_err(|_| FieldError::Type("answer"))?;
        if entries.is_empty() || entries.len() > MAX_CPIS {
            return Err(FieldError::Rule("answer", format!("must have 1 to {MAX_CPIS} entries")).into());
        }
        Ok(Self { entries: entries.into_iter().map(read_entry).collect::<Result<_, _>>()? })
    }
}

fn read_entry(value: Value) -> Result<Entry, FieldError> {
    let Value::Array(items) = value else { return Err(FieldError::Type("entry")) };
    let [outcome, mappings] = <[Value; 2]>::try_from(items).map_err(|_| FieldError::Type("entry"))?;
    let outcome = outcome.as_integer().and_then(|code| u64::try_from(code).ok()).and_then(Outcome::from_code);
    let mappings = mappings.into_array().map_err(|_| FieldError::Type("mappings"))?;
    if mappings.len() > MAX_MAPPINGS {
        return Err(FieldError::Rule("mappings", format!("{MAX_MAPPINGS} at most")));
    }
    Ok(Entry {
        outcome: outcome.ok_or_else(|| FieldError::Rule("outcome", "must be 0 to 4".to_owned()))?,
        mappings: mappings
            .into_iter()
            .map(|mapping| match mapping {
                Value::Bytes(bytes) if bytes.len() <= authenticated::MAX_BYTES => Ok(bytes),
                Value::Bytes(_) => {
                    Err(FieldError::Rule("mapping", format!("{} bytes at most", authenticated::MAX_BYTES)))
                }
                _ => Err(FieldError::Type("mapping")),
            })
            .collect::<Result<_, _>>()?,
    })
}
