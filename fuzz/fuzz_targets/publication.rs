//! The body of `POST /v1/mappings`, of any bytes: refused, or an authenticated mapping that is served as it came; one that verifies
//! has a compact form, which stands for the same octets. The same bytes as a compact mapping: refused, or a mapping that verifies
//! only if its compact form is those bytes. Never a panic.
#![no_main]

use std::time::Duration;

use fuzz::{CPI, TRUST};
use libfuzzer_sys::fuzz_target;
use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fuzz_target!(|body: &[u8]| {
    let now = NOW.plus(Duration::from_secs(60));
    if let Ok(unverified) = UnverifiedMapping::parse(body) {
        let cpi = unverified.unverified_cpi().clone();
        assert_eq!(Cpi::parse(cpi.as_str()).as_ref(), Ok(&cpi));
        assert!(unverified.unverified_mapping().tags.iter().all(|tag| tag.len() <= 32));
        if let Ok(verified) = unverified.verify(&TRUST, now) {
            assert_eq!(verified.bytes(), body);
            let again = UnverifiedMapping::from_compact(&verified.to_compact(), &cpi).expect("its own compact form");
            assert_eq!(again.verify(&TRUST, now).expect("it verifies").bytes(), body);
        }
    }
    if let Ok(unverified) = UnverifiedMapping::from_compact(body, &CPI)
        && let Ok(verified) = unverified.verify(&TRUST, now)
    {
        assert_eq!(verified.to_compact(), body);
    }
});
