//! Reading the audit trail: what an entry says, in words.

use std::fmt;

use protocol::Timestamp;
use protocol::cbor::{self, CborError, FieldError, Label, MapReader, Value};

use super::StorageError;
use super::audit::{
    AT, CPI, CREDENTIAL_ID, EVENT, EXPIRES_AT, ID, METHOD, MSP, REQUEST_HASH, SIGNER, TRIES_LEFT, USER_KEY,
};

const MAX_BYTES: usize = 8192;
const HASH_BYTES: usize = 32;

/// What is said of the event, in the order in which it is shown.
const DETAILS: [Label; 9] = [CPI, MSP, USER_KEY, METHOD, REQUEST_HASH, TRIES_LEFT, CREDENTIAL_ID, EXPIRES_AT, SIGNER];

/// An entry of the audit trail. It prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Of a cluster, where each bucket has a trail of its own.
    pub(crate) bucket: Option<u32>,
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) event: String,
    pub(crate) enrollment: [u8; 16],
    pub(crate) credential: Option<[u8; 16]>,
    details: Vec<(&'static str, String)>,
}

impl Line {
    /// Reads a stored entry.
    ///
    /// # Errors
    ///
    /// [`StorageError::Damaged`] names the field.
    pub(crate) fn read(bucket: Option<u32>, number: u64, value: &[u8]) -> Result<Self, StorageError> {
        let damaged = |error: String| StorageError::Damaged(format!("audit: entry {number}: {error}"));
        let map = value.get(HASH_BYTES..).unwrap_or_default();
        let map = cbor::decode(map, MAX_BYTES).map_err(|error: CborError| damaged(error.to_string()))?;
        Self::from_map(bucket, number, map).map_err(|error| damaged(error.to_string()))
    }

    fn from_map(bucket: Option<u32>, number: u64, map: Value) -> Result<Self, FieldError> {
        let mut map = MapReader::new(map, "audit entry")?;
        let (event, at, enrollment) = (map.text(EVENT)?, map.time(AT)?, map.byte_array(ID)?);
        let (mut credential, mut details) = (None, Vec::new());
        for label in DETAILS {
            let Some(value) = map.take(label) else { continue };
            if label == CREDENTIAL_ID {
                credential = value.as_bytes().and_then(|bytes| bytes.as_slice().try_into().ok());
            }
            details.push((label.name, in_words(label, &value)));
        }
        map.finish()?;
        Ok(Self { bucket, number, at, event, enrollment, credential, details })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bucket) = self.bucket {
            write!(f, "{bucket}/")?;
        }
        write!(f, "{} {} {} enrollment={}", self.number, self.at, self.event, hex::encode(self.enrollment))?;
        self.details.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

fn in_words(label: Label, value: &Value) -> String {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    match (value.as_bytes(), value.as_text(), number) {
        (Some(bytes), _, _) => hex::encode(bytes),
        (_, Some(text), _) => text.to_owned(),
        (_, _, Some(seconds)) if label == EXPIRES_AT => Timestamp::from_seconds(seconds).to_string(),
        (_, _, Some(number)) => number.to_string(),
        _ => "?".to_owned(),
    }
}
