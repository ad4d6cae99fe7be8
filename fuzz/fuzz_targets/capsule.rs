//! A capsule of any bytes: it opens, or is refused; never a panic. What opens goes on to the binary HTTP reader.
#![no_main]

use std::sync::LazyLock;

use documents::time::Timestamp;
use gateway::KeyRing;
use gateway::config::{AeadName, KemName, KeysConfig};
use libfuzzer_sys::fuzz_target;

/// One key for each KEM, under the identifiers 1 and 2, always the same: the seeds in `corpus/capsule` are sealed to it.
const STATE: &str = r#"[
    {"id":1,"kem":"x25519","seed":"0101010101010101010101010101010101010101010101010101010101010101","made_at":1800000000,"retires_at":null},
    {"id":2,"kem":"x-wing","seed":"0202020202020202020202020202020202020202020202020202020202020202","made_at":1800000000,"retires_at":null}
]"#;

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    use std::os::unix::fs::OpenOptionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state_file = folder.path().join("keys.json");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&state_file).expect("a file");
    std::io::Write::write_all(&mut file, STATE.as_bytes()).expect("a file to write to");
    let config = KeysConfig {
        state_file,
        shared: false,
        provider: "provider.example".to_owned(),
        signing_key_file: folder.path().join("signing.key"),
        rotation_seconds: 7 * 24 * 3600,
        cache_seconds: 24 * 3600,
        kems: vec![KemName::X25519, KemName::XWing],
        aeads: vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305],
    };
    let clock = std::sync::Arc::new(|| Timestamp::from_seconds(1_800_000_000));
    KeyRing::open(&config, clock).expect("the state is well-formed")
});

fuzz_target!(|capsule: &[u8]| {
    if let Some(content) = gateway::fuzzing::open_capsule(&KEYS, capsule) {
        let _ = gateway::fuzzing::read_binary_http(&content);
    }
});
