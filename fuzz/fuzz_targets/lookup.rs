//! What is in the capsule of a lookup, of any bytes: a request, an answer, a compact answer; each refused, or written again as it
//! came; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::authenticated::UnverifiedMapping;
use protocol::lookup::{Answer, CompactAnswer, LookupRequest};

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = LookupRequest::decode(body) {
        assert!((1..=64).contains(&request.cpis().len()));
        assert_eq!(request.encode(), body);
    }
    if let Ok(answer) = Answer::decode(body) {
        assert_eq!(answer.encode(), body);
        for document in answer.entries.iter().flat_map(|entry| &entry.mappings) {
            let _ = UnverifiedMapping::parse(document);
        }
        if let Ok(compact) = answer.to_compact() {
            assert_eq!(CompactAnswer::decode(&compact.encode()).as_ref(), Ok(&compact));
        }
    }
    if let Ok(compact) = CompactAnswer::decode(body) {
        assert_eq!(compact.encode(), body);
    }
});
