//! Columns of statements that are put together at run time.

use scylla::value::CqlValue;

/// An `int`; of numbers of buckets and shards, which fit.
#[must_use]
pub fn int(value: u32) -> Option<CqlValue> {
    Some(CqlValue::Int(i32::try_from(value).unwrap_or(i32::MAX)))
}

/// A `tinyint`.
#[must_use]
pub const fn tiny(value: i8) -> Option<CqlValue> {
    Some(CqlValue::TinyInt(value))
}

/// A `bigint`.
#[must_use]
pub const fn big(value: i64) -> Option<CqlValue> {
    Some(CqlValue::BigInt(value))
}

/// A `blob`.
#[must_use]
pub fn blob(value: &[u8]) -> Option<CqlValue> {
    Some(CqlValue::Blob(value.to_vec()))
}
