//! What `/v1/changes` answers, of any bytes: entries one after the other, each written again as it came, up to the first that is
//! none; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::authenticated::UnverifiedMapping;
use protocol::change::{Kind, LogEntry};
use protocol::removal::Removal;
use protocol::{Document as _, Unverified};

fuzz_target!(|body: &[u8]| {
    let mut rest = body;
    while let Ok((entry, after)) = LogEntry::split_first(rest) {
        let item = &rest[..rest.len() - after.len()];
        assert!(!item.is_empty());
        assert_eq!(LogEntry::parse(item).as_ref(), Ok(&entry));
        match entry.kind {
            Kind::Mapping => drop(UnverifiedMapping::parse(&entry.document)),
            Kind::Removal => {
                if Unverified::<Removal>::parse(&entry.document).is_ok() {
                    assert!(entry.document.len() <= Removal::MAX_BYTES);
                }
            }
        }
        assert_eq!(entry.encode(), item);
        rest = after;
    }
});
