//! A signed key configuration of any bytes: refused, or the provider's own, byte for byte; never a panic.
#![no_main]

use std::sync::LazyLock;

use documents::key::{PublicKey, SigningKey};
use documents::key_configuration::KeyConfiguration;
use documents::time::Timestamp;
use libfuzzer_sys::fuzz_target;

/// The key of the seeds in `corpus/signed_keys`.
static PROVIDER: LazyLock<PublicKey> = LazyLock::new(|| SigningKey::from_seed(&[3; 32]).public());

fuzz_target!(|document: &[u8]| {
    if let Ok(signed) = KeyConfiguration::verify(document, &PROVIDER, Timestamp::from_seconds(1_800_000_000)) {
        assert_eq!(signed.bytes(), document);
    }
});
