//! Columns: numbers as they have them, and values of statements that are put together at run time.

use scylla::value::CqlValue;

/// A number of a bucket or shard, or how many there are, as an `int`: they fit.
#[must_use]
pub fn column(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// An `int`; of what [`column()`] takes.
#[must_use]
pub fn int(value: u32) -> Option<CqlValue> {
    Some(CqlValue::Int(column(value)))
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
