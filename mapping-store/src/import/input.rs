//! A file of documents, one after the other: a CBOR sequence (RFC 8742), read with bounds.
//!
//! An item is an authenticated mapping `[bstr, bstr]`, a removal (a tagged COSE_Sign1), or an entry of a change feed
//! `[shard, number, kind, bstr]`. Anything else in deterministic CBOR is passed over and told; what is no such CBOR ends the
//! reading, since nobody knows where the next item begins.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use protocol::cbor::{self, CborError};
use protocol::change::MAX_ENTRY_BYTES;
use protocol::receipt::Position;
use sha2::{Digest as _, Sha256};

use crate::storage::{Kind, LogEntry};

const CHUNK_BYTES: usize = 1024 * 1024;
/// By this much of its beginning, and its length, a file is known again.
const MARKED_BYTES: u64 = 64 * 1024;
const PAIR: u8 = 0x82;
const FEED_ENTRY: u8 = 0x84;
const TAGGED_SIGN1: u8 = 0xd2;

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not a sequence of deterministic CBOR items.
    #[error("octet {offset}: {reason}")]
    Malformed {
        /// Where the item begins.
        offset: u64,
        /// What is wrong with it.
        reason: CborError,
    },
}

/// One item.
pub(super) struct Item {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Where it stands in the log that the file was taken from, if it is an entry of one.
    pub(super) position: Option<Position>,
    /// The document, or what is wrong with the item.
    pub(super) content: Result<(Kind, Vec<u8>), &'static str>,
}

/// A file, read from front to back.
pub(super) struct Items {
    file: File,
    mark: String,
    all_bytes: u64,
    /// Where `buffer[start..]` begins in the file.
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl Items {
    pub(super) fn open(path: &Path) -> Result<Self, InputError> {
        let mut file = File::open(path)?;
        let all_bytes = file.metadata()?.len();
        let mut beginning = Vec::new();
        (&mut file).take(MARKED_BYTES).read_to_end(&mut beginning)?;
        file.seek(SeekFrom::Start(0))?;
        let mark = Sha256::new().chain_update(all_bytes.to_be_bytes()).chain_update(beginning).finalize();
        let mark = hex::encode(mark);
        Ok(Self { file, mark, all_bytes, offset: 0, buffer: Vec::new(), start: 0, ended: false })
    }

    /// By which the file is known again.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    pub(super) fn all_bytes(&self) -> u64 {
        self.all_bytes
    }

    /// Where the next item begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on where an item is known to begin.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), InputError> {
        self.file.seek(SeekFrom::Start(offset))?;
        (self.offset, self.start, self.ended) = (offset, 0, false);
        self.buffer.clear();
        Ok(())
    }

    /// The next items, `most` at once; none at the end.
    pub(super) fn next_group(&mut self, most: usize) -> Result<Vec<Item>, InputError> {
        let mut items = Vec::with_capacity(most);
        while items.len() < most {
            if self.buffer.len() - self.start < MAX_ENTRY_BYTES && !self.ended {
                self.fill()?;
            }
            let rest = &self.buffer[self.start..];
            if rest.is_empty() {
                break;
            }
            let (item, _) = cbor::split_first(rest, MAX_ENTRY_BYTES)
                .map_err(|reason| InputError::Malformed { offset: self.offset, reason })?;
            items.push(read(item, self.offset));
            let length = item.len();
            self.start += length;
            self.offset += length as u64;
        }
        Ok(items)
    }

    fn fill(&mut self) -> Result<(), InputError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = (&mut self.file).take(CHUNK_BYTES as u64).read_to_end(&mut self.buffer)?;
        self.ended = read == 0;
        Ok(())
    }
}

fn read(item: &[u8], offset: u64) -> Item {
    let plain = |content| Item { offset, position: None, content };
    match item.first() {
        Some(&PAIR) => plain(Ok((Kind::Mapping, item.to_vec()))),
        Some(&TAGGED_SIGN1) => plain(Ok((Kind::Removal, item.to_vec()))),
        Some(&FEED_ENTRY) => match LogEntry::parse(item) {
            Ok(entry) => Item { offset, position: Some(entry.position), content: Ok((entry.kind, entry.document)) },
            Err(_) => plain(Err(NEITHER)),
        },
        _ => plain(Err(NEITHER)),
    }
}

const NEITHER: &str = "neither an authenticated mapping, nor a removal, nor an entry of a change feed";

#[cfg(test)]
mod tests {
    use protocol::cbor::{Value, encode};

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn pair(n: u8, length: usize) -> Vec<u8> {
        encode(&Value::Array(vec![vec![n; length].into(), vec![n; length].into()]))
    }

    #[test]
    fn items_are_told_apart_and_found_again() {
        let entry = encode(&Value::Array(vec![0_u64.into(), 7_u64.into(), 1_u64.into(), vec![9_u8].into()]));
        let odd = encode(&Value::Array(vec![1_u64.into()]));
        let content = [pair(1, 3), entry, odd, pair(2, 2000)].concat();
        let file = file(&content);
        let mut items = Items::open(file.path()).unwrap();
        let group = items.next_group(3).unwrap();
        assert_eq!(group.iter().map(|item| item.offset).collect::<Vec<_>>(), [0, 9, 15]);
        assert_eq!(group[0].content.as_ref().unwrap(), &(Kind::Mapping, pair(1, 3)));
        assert_eq!(group[1].content.as_ref().unwrap(), &(Kind::Removal, vec![9]));
        assert_eq!(group[1].position, Some(Position { shard: 0, number: 7 }));
        assert_eq!(group[2].content.as_ref().unwrap_err(), &NEITHER);
        let at = items.offset();
        let mut again = Items::open(file.path()).unwrap();
        assert_eq!(again.mark(), items.mark());
        again.skip_to(at).unwrap();
        for items in [&mut items, &mut again] {
            assert_eq!(items.next_group(9).unwrap()[0].content.as_ref().unwrap().1, pair(2, 2000));
            assert!(items.next_group(9).unwrap().is_empty());
        }
    }

    #[test]
    fn a_long_file_is_read_in_pieces() {
        let count = 3 * CHUNK_BYTES / 4000;
        let content: Vec<u8> = (0..count).flat_map(|_| pair(5, 2000)).collect();
        let file = file(&content);
        let mut items = Items::open(file.path()).unwrap();
        let mut read = 0;
        loop {
            let group = items.next_group(100).unwrap();
            if group.is_empty() {
                break;
            }
            assert!(group.iter().all(|item| item.content.as_ref().unwrap().1 == pair(5, 2000)));
            read += group.len();
        }
        assert_eq!((read, items.offset()), (count, content.len() as u64));
    }

    #[test]
    fn what_is_no_sequence_ends_the_reading_and_says_where() {
        let good = pair(1, 3);
        let mut cut = pair(2, 3);
        cut.pop();
        for wrong in [cut, vec![0x9f], vec![0x5a, 0x7f, 0xff, 0xff, 0xff], vec![0x18, 0x01]] {
            let file = file(&[good.clone(), wrong].concat());
            let error = Items::open(file.path()).unwrap().next_group(9).err().unwrap();
            assert!(matches!(error, InputError::Malformed { offset: 9, .. }), "{error}");
        }
    }
}
