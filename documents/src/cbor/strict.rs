//! The walk over raw bytes that admits only deterministic encodings.
//!
//! `ciborium` reads headers; this module holds them to RFC 8949 §4.2.1. The walk comes before any
//! value is built, so a hostile input costs no allocation.

use ciborium_ll::{Decoder, Header};

/// The deepest nesting of arrays, maps and tags in any message or document.
pub const MAX_DEPTH: usize = 8;

/// The rule that an encoding broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Longer than the kind of message allows.
    #[error("longer than the {0} bytes allowed")]
    TooLong(usize),
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The input ends inside an item.
    #[error("truncated CBOR")]
    Truncated,
    /// A reserved or malformed initial byte.
    #[error("malformed CBOR")]
    Malformed,
    /// Bytes follow the item.
    #[error("trailing bytes after the CBOR item")]
    Trailing,
    /// An integer, length or tag not in its shortest form.
    #[error("a CBOR argument is not in its shortest form")]
    NotShortest,
    /// A string, array or map of indefinite length.
    #[error("indefinite lengths are not allowed")]
    Indefinite,
    /// Two map keys out of bytewise order.
    #[error("map keys are not in bytewise order")]
    KeyOrder,
    /// The same map key twice.
    #[error("a map key is repeated")]
    DuplicateKey,
    /// A floating-point number, a bignum, `undefined`, or another simple value.
    #[error("floating-point numbers, bignums, and simple values other than false, true and null are not allowed")]
    UnusedType,
    /// A text string that is not UTF-8.
    #[error("a text string is not UTF-8")]
    Text,
}

/// Checks that `bytes` is one deterministically encoded item of at most `max_bytes`.
pub(super) fn check(bytes: &[u8], max_bytes: usize) -> Result<(), CborError> {
    if bytes.len() > max_bytes {
        return Err(CborError::TooLong(max_bytes));
    }
    let mut walk = Walk { bytes, position: 0 };
    walk.item(0)?;
    if walk.position == bytes.len() { Ok(()) } else { Err(CborError::Trailing) }
}

/// The length of the first item of a sequence, which may take at most `max_bytes`.
pub(super) fn item_length(bytes: &[u8], max_bytes: usize) -> Result<usize, CborError> {
    let window = &bytes[..bytes.len().min(max_bytes)];
    let mut walk = Walk { bytes: window, position: 0 };
    match walk.item(0) {
        Ok(()) => Ok(walk.position),
        Err(CborError::Truncated) if window.len() < bytes.len() => Err(CborError::TooLong(max_bytes)),
        Err(error) => Err(error),
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Walk<'_> {
    fn item(&mut self, depth: usize) -> Result<(), CborError> {
        match self.header()? {
            Header::Positive(_) | Header::Negative(_) => Ok(()),
            Header::Simple(20..=22) => Ok(()),
            Header::Simple(_) | Header::Float(_) => Err(CborError::UnusedType),
            Header::Break => Err(CborError::Indefinite),
            Header::Bytes(length) => self.body(length).map(|_| ()),
            Header::Text(length) => {
                let body = self.body(length)?;
                std::str::from_utf8(body).map(|_| ()).map_err(|_| CborError::Text)
            }
            // A bignum would be a second encoding of an integer (RFC 8949 §3.4.3).
            Header::Tag(2 | 3) => Err(CborError::UnusedType),
            Header::Tag(_) => self.item(deeper(depth)?),
            Header::Array(length) => {
                let depth = deeper(depth)?;
                for _ in 0..length.ok_or(CborError::Indefinite)? {
                    self.item(depth)?;
                }
                Ok(())
            }
            Header::Map(length) => self.map(length.ok_or(CborError::Indefinite)?, deeper(depth)?),
        }
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<(), CborError> {
        let mut previous: Option<&[u8]> = None;
        for _ in 0..length {
            let start = self.position;
            self.item(depth)?;
            let key = &self.bytes[start..self.position];
            match previous.map(|previous| previous.cmp(key)) {
                None | Some(std::cmp::Ordering::Less) => previous = Some(key),
                Some(std::cmp::Ordering::Equal) => return Err(CborError::DuplicateKey),
                Some(std::cmp::Ordering::Greater) => return Err(CborError::KeyOrder),
            }
            self.item(depth)?;
        }
        Ok(())
    }

    /// Reads one header and holds its argument to the shortest form.
    fn header(&mut self) -> Result<Header, CborError> {
        let rest = &self.bytes[self.position..];
        let mut decoder = Decoder::from(rest);
        let header = decoder.pull().map_err(|error| match error {
            ciborium_ll::Error::Io(_) => CborError::Truncated,
            ciborium_ll::Error::Syntax(_) => CborError::Malformed,
        })?;
        let length = decoder.offset();
        let argument = match header {
            Header::Positive(n) | Header::Negative(n) | Header::Tag(n) => n,
            Header::Bytes(n) | Header::Text(n) | Header::Array(n) | Header::Map(n) => match n {
                Some(n) => n as u64,
                None => return Err(CborError::Indefinite),
            },
            Header::Simple(n) => u64::from(n),
            Header::Float(_) => return Err(CborError::UnusedType),
            Header::Break => return Err(CborError::Indefinite),
        };
        let shortest = match argument {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        };
        if length != shortest {
            return Err(CborError::NotShortest);
        }
        self.position += length;
        Ok(header)
    }

    fn body(&mut self, length: Option<usize>) -> Result<&[u8], CborError> {
        let length = length.ok_or(CborError::Indefinite)?;
        let end = self.position.checked_add(length).ok_or(CborError::Truncated)?;
        let body = self.bytes.get(self.position..end).ok_or(CborError::Truncated)?;
        self.position = end;
        Ok(body)
    }
}

fn deeper(depth: usize) -> Result<usize, CborError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(CborError::TooDeep) }
}
