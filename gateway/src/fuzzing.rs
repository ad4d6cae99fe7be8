//! The parsers behind the gateway's door, for the fuzz targets in `fuzz/`: only with the feature `fuzzing`, which no
//! other crate enables.

use bytes::Bytes;
use http::Request;

use crate::KeyRing;

/// Opens a capsule: its content, if there is a key for it and it is sealed to that.
#[must_use]
pub fn open_capsule(keys: &KeyRing, capsule: &[u8]) -> Option<Vec<u8>> {
    keys.decapsulate(capsule).ok().map(|(content, _)| content)
}

/// Reads the content of a capsule: the request, if it is one that HTTP allows.
#[must_use]
pub fn read_binary_http(content: &[u8]) -> Option<Request<Bytes>> {
    crate::binary_http::read_request(content).ok().map(|opened| opened.request)
}
