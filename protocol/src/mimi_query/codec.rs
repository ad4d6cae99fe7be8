//! Strict reading of TLS presentation language: bounded, whole, and equal to its own re-encoding.

use tls_codec::{Deserialize, Error, Serialize};

use super::QueryError;

/// Reads a `T` that fills `bytes` and is encoded as [`write()`] would.
pub(super) fn read<T: Deserialize + Serialize>(bytes: &[u8], max_bytes: usize) -> Result<T, QueryError> {
    if bytes.len() > max_bytes {
        return Err(QueryError::TooLong);
    }
    // The reader, not the slice, is asked: the slice asserts that what it is told of is there.
    let message = T::tls_deserialize_exact(bytes).map_err(|error| match error {
        Error::UnknownValue(1..) => QueryError::UnknownSearchType,
        _ => QueryError::Malformed,
    })?;
    if write(&message) == bytes { Ok(message) } else { Err(QueryError::Malformed) }
}

/// Encodes a message.
pub(super) fn write<T: Serialize>(message: &T) -> Vec<u8> {
    message.tls_serialize_detached().expect("a message in memory is shorter than 2^30 octets")
}
