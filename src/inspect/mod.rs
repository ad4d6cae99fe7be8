//! Takes octets apart for people: signed documents, authenticated mappings, answers, key configurations, capsules.
//!
//! [`describe`] tells what it takes the octets for, and shows them in the diagnostic notation of CBOR (RFC 8949 §8), with the
//! names of claims and times in words. It verifies nothing.

mod notation;
mod oblivious;

use protocol::cbor;

use crate::failure::Failure;

/// Describes `input`: octets, or hexadecimal digits with white space in between and remarks after `#`.
///
/// # Errors
///
/// [`Failure`] if it is none of what we know.
pub fn describe(input: &[u8]) -> Result<String, Failure> {
    let bytes = from_hex(input).unwrap_or_else(|| input.to_vec());
    if let Ok(value) = cbor::decode(&bytes, bytes.len()) {
        return Ok(notation::show(&value));
    }
    if bytes.is_empty() {
        return Err(Failure::new("nothing to look at"));
    }
    oblivious::keys(&bytes)
        .or_else(|| oblivious::capsule(&bytes))
        .ok_or_else(|| Failure::new("neither deterministic CBOR, nor a key configuration, nor a capsule"))
}

fn from_hex(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?;
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(digits, _)| digits));
    let digits: String = lines.flat_map(str::split_whitespace).collect();
    if digits.is_empty() { None } else { hex::decode(digits).ok() }
}

#[cfg(test)]
mod tests;
