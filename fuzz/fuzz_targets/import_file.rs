//! A file that a store is told to import, of any bytes: items one after the other without a gap, the same in groups of any size and
//! from any of them on, up to the first that is no CBOR; never a panic. The reader is taken from its file, so that no database is built for it.
#![no_main]
#![allow(dead_code, reason = "what a store does with the items is not here")]

#[path = "../../mapping-store/src/import/input.rs"]
mod input;

mod storage {
    pub(crate) use protocol::change::{Kind, LogEntry};
}

use std::io::Write as _;

use input::Items;
use libfuzzer_sys::fuzz_target;

fn read(items: &mut Items, most: usize) -> (Vec<(u64, usize, bool)>, bool) {
    let mut seen = Vec::new();
    loop {
        match items.next_group(most) {
            Ok(group) if group.is_empty() => return (seen, true),
            Ok(group) => seen.extend(group.into_iter().map(|item| {
                let length = item.content.as_ref().map_or(0, |(_, document)| document.len());
                (item.offset, length, item.content.is_ok())
            })),
            Err(_) => return (seen, false),
        }
    }
}

fuzz_target!(|content: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(content).expect("room for it");
    let open = || Items::open(file.path()).expect("the file is there");
    let (one_by_one, ended) = read(&mut open(), 1);
    assert!(one_by_one.windows(2).all(|pair| pair[0].0 + (pair[0].1 as u64) <= pair[1].0));
    assert!(ended || one_by_one.len() < content.len());
    let (in_groups, also_ended) = read(&mut open(), 7);
    assert_eq!(ended, also_ended);
    // A group with an item that cannot be read is lost as a whole.
    assert!(one_by_one.starts_with(&in_groups) && (!ended || one_by_one == in_groups));
    if let Some(&(offset, ..)) = one_by_one.get(one_by_one.len() / 2) {
        let mut items = open();
        items.skip_to(offset).expect("a place within the file");
        assert_eq!(read(&mut items, 1).0, one_by_one[one_by_one.len() / 2..]);
    }
});
