//! Deterministic CBOR: one value, one encoding (RFC 8949 §4.2.1).
//!
//! [`encode`] writes it; [`decode`] refuses every other encoding of the same value, so that
//! `encode(decode(bytes)) == bytes` for all that is accepted. Integers, byte and text strings,
//! arrays, maps, tags, `false`, `true` and `null` exist; floating point and other simple values do not.
//!
//! [`MapReader`] and [`MapWriter`] handle *closed* maps with integer labels: a label that the reader
//! was not asked for is an error, since accepting it would let two parties read two things.

mod map;
mod strict;

pub use ciborium::Value;

pub use map::{FieldError, Label, MapReader, MapWriter};
pub use strict::{CborError, MAX_DEPTH};

/// Encodes `value` deterministically. Maps must come from [`MapWriter`], which orders their keys.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    ciborium::into_writer(value, &mut bytes).expect("writing to a vector does not fail");
    bytes
}

/// Decodes exactly one deterministically encoded item that fills `bytes`.
///
/// # Errors
///
/// [`CborError`] names the broken rule: longer than `max_bytes`, nested deeper than [`MAX_DEPTH`],
/// truncated, trailing bytes, a non-shortest form, an indefinite length, map keys out of order or
/// repeated, a type that our documents do not use, or text that is not UTF-8.
pub fn decode(bytes: &[u8], max_bytes: usize) -> Result<Value, CborError> {
    strict::check(bytes, max_bytes)?;
    ciborium::from_reader(bytes).map_err(|_| CborError::Text)
}

/// Checks that `bytes` is what [`decode`] takes, and builds nothing.
///
/// # Errors
///
/// As [`decode`].
pub fn check(bytes: &[u8], max_bytes: usize) -> Result<(), CborError> {
    strict::check(bytes, max_bytes)
}

/// Splits a CBOR sequence (RFC 8742): the bytes of the first item, and what follows it.
///
/// # Errors
///
/// As [`decode`], where `max_bytes` bounds the first item.
pub fn split_first(bytes: &[u8], max_bytes: usize) -> Result<(&[u8], &[u8]), CborError> {
    let end = strict::item_length(bytes, max_bytes)?;
    Ok(bytes.split_at(end))
}

#[cfg(test)]
mod tests;
