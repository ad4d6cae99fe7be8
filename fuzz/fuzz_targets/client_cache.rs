//! A client's saved cache, of any bytes: refused, or a cache that is the same when it is saved and read again, and yields nothing that
//! does not verify; never a panic.
#![no_main]

use client::cache::{Cache, Freshness};
use fuzz::{CPI, TRUST};
use libfuzzer_sys::fuzz_target;
use protocol::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_060);

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut cache) = Cache::from_bytes(bytes, Freshness::default()) else { return };
    let saved = cache.to_bytes();
    assert!(Cache::from_bytes(&saved, Freshness::default()).is_ok_and(|again| again == cache));
    if let Some(found) = cache.find(&CPI, &TRUST, NOW) {
        assert!(found.mappings.iter().all(|mapping| mapping.mapping().cpi == *CPI));
    }
    let _ = cache.due(std::slice::from_ref(&CPI), NOW);
    let _ = cache.choice(&CPI, Some("Business"));
    cache.retain(std::slice::from_ref(&CPI));
    assert!(cache.len() <= 1);
    cache.expire();
});
