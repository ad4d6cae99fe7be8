//! The content of a capsule, of any bytes: a request that HTTP allows, or refused; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let Some(request) = gateway::fuzzing::read_binary_http(content) else { return };
    assert_eq!(request.uri().scheme_str(), Some("https"));
    assert!(request.uri().authority().is_some_and(|authority| !authority.as_str().contains('@')));
    for name in ["connection", "host", "te", "transfer-encoding", "upgrade", "expect", "proxy-authorization"] {
        assert!(!request.headers().contains_key(name), "{name} passed");
    }
    for value in request.headers().values() {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    assert!(request.body().len() <= content.len());
});
