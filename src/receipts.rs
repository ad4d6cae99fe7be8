//! Receipts kept by those who published: what an audit compares with.
//!
//! The file is a CBOR sequence (RFC 8742), mode 0600, of one item for each publication, in the order they were made:
//!
//! ```text
//! [receipt: bstr .cbor COSE_Sign1, published: bstr .cbor authenticated-mapping]
//! ```
//!
//! Both as they were sent and received, so that anybody who has the provider's receipt key can check them. 256 MiB at most.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use protocol::authenticated;
use protocol::cbor::{self, Value};

use crate::failure::Failure;

const MAX_FILE_BYTES: u64 = 256 << 20;
const MAX_RECEIPT_BYTES: usize = 1024;
const MAX_ITEM_BYTES: usize = authenticated::MAX_BYTES + MAX_RECEIPT_BYTES + 16;
const OTHERS: u32 = 0o077;

/// A receipt, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The signed receipt.
    pub receipt: Vec<u8>,
    /// The document that was published.
    pub published: Vec<u8>,
}

/// Adds a receipt to a file, which is made if there is none.
///
/// # Errors
///
/// [`Failure`] if others can read the file, or it cannot be written.
pub fn append(path: &Path, kept: &Kept) -> Result<(), Failure> {
    let named = |error: &dyn std::fmt::Display| {
        Failure::new(format!("published, but the receipt is not kept: {}: {error}", path.display()))
    };
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let mut file = file.map_err(|error| named(&error))?;
    private(&file).map_err(|error| named(&error))?;
    let item = Value::Array(vec![kept.receipt.clone().into(), kept.published.clone().into()]);
    file.write_all(&cbor::encode(&item)).and_then(|()| file.sync_all()).map_err(|error| named(&error))
}

/// Reads a file of receipts.
///
/// # Errors
///
/// [`Failure`] if others can read it, or names the item that is none.
pub fn read(path: &Path) -> Result<Vec<Kept>, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(|error| named(&format!("cannot be read: {error}")))?;
    private(&file).map_err(|error| named(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(named(&"receipts have 256 MiB at most"));
    }
    parse(&bytes).map_err(|item| named(&format!("item {item} is no receipt with its document, or is cut off")))
}

/// The items of a sequence, or the number of the first that is none, from 1.
fn parse(mut bytes: &[u8]) -> Result<Vec<Kept>, usize> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let number = all.len() + 1;
        let (item, rest) = cbor::split_first(bytes, MAX_ITEM_BYTES).map_err(|_| number)?;
        all.push(read_item(item).ok_or(number)?);
        bytes = rest;
    }
    Ok(all)
}

fn read_item(item: &[u8]) -> Option<Kept> {
    let [receipt, published] =
        <[Value; 2]>::try_from(cbor::decode(item, MAX_ITEM_BYTES).ok()?.into_array().ok()?).ok()?;
    Some(Kept { receipt: receipt.into_bytes().ok()?, published: published.into_bytes().ok()? })
}

fn private(file: &File) -> Result<(), Failure> {
    match file.metadata()?.permissions().mode() & OTHERS {
        0 => Ok(()),
        _ => Err(Failure::new("it can be read by others than its owner; set its mode to 0600")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_appended_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts");
        let kept = |byte| Kept { receipt: vec![byte; 70], published: vec![byte; 700] };
        append(&path, &kept(1)).unwrap();
        append(&path, &kept(2)).unwrap();
        assert_eq!(read(&path).unwrap(), [kept(1), kept(2)]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("item 2 "));
        std::fs::write(&path, b"receipts").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("item 1 "));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("0600"));
        assert!(append(&path, &kept(1)).unwrap_err().to_string().contains("0600"));
        assert!(read(&folder.path().join("none")).is_err());
    }
}
