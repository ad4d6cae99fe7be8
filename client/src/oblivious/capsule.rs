//! One request as a capsule, and the one opener of its answer.
//!
//! A request is written as known-length binary HTTP (RFC 9292), padded with zeros to a bucket, and encapsulated
//! (RFC 9458 §4.3). The [`Opener`] is consumed by opening the answer.

use std::io::Cursor;

use bhttp::{Message, Mode};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::sealing::{self, AnswerOpener};

/// The sizes, in bytes, that a request is padded to. A longer one is padded to a multiple of the last.
pub const PADDED_REQUEST_BYTES: [usize; 4] = [1024, 4096, 16 * 1024, 32 * 1024];

/// Why a request was not encapsulated, or an answer not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapsuleError {
    /// The request's target must be an absolute `https` URL.
    #[error("the request target must be an absolute https URL")]
    Target,
    /// The key configuration is not usable.
    #[error("the gateway's key is not usable")]
    Key,
    /// The answer was not sealed for this request.
    #[error("the answer does not open")]
    Sealed,
    /// The answer inside is not a binary HTTP response.
    #[error("the answer inside the capsule is no binary HTTP response")]
    BinaryHttp,
}

/// Opens the answer to one capsule.
pub struct Opener(AnswerOpener);

/// Encapsulates `request`, padded to `at_least` bytes or more, to the key of `configuration` (one configuration with one suite, as [`super::select`] yields).
///
/// # Errors
///
/// [`CapsuleError::Target`] or [`CapsuleError::Key`].
pub fn encapsulate(
    request: &Request<Bytes>,
    at_least: usize,
    configuration: &[u8],
) -> Result<(Vec<u8>, Opener), CapsuleError> {
    let binary = to_binary_http(request, at_least)?;
    let (capsule, opener) = sealing::seal(configuration, &binary).ok_or(CapsuleError::Key)?;
    Ok((capsule, Opener(opener)))
}

impl Opener {
    /// Opens the answer.
    ///
    /// # Errors
    ///
    /// [`CapsuleError::Sealed`] or [`CapsuleError::BinaryHttp`].
    pub fn open(self, answer: &[u8]) -> Result<Response<Bytes>, CapsuleError> {
        let binary = self.0.open(answer).ok_or(CapsuleError::Sealed)?;
        from_binary_http(&binary)
    }
}

fn to_binary_http(request: &Request<Bytes>, at_least: usize) -> Result<Vec<u8>, CapsuleError> {
    let uri = request.uri();
    let authority = uri.authority().ok_or(CapsuleError::Target)?;
    if uri.scheme_str() != Some("https") {
        return Err(CapsuleError::Target);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut message =
        Message::request(request.method().as_str().into(), b"https".into(), authority.as_str().into(), path.into());
    for (name, value) in request.headers() {
        message.put_header(name.as_str(), value.as_bytes());
    }
    message.write_content(request.body());
    let mut binary = Vec::with_capacity(PADDED_REQUEST_BYTES[0]);
    message.write_bhttp(Mode::KnownLength, &mut binary).map_err(|_| CapsuleError::Target)?;
    let [.., largest] = PADDED_REQUEST_BYTES;
    let length = binary.len().max(at_least);
    let bucket = PADDED_REQUEST_BYTES.into_iter().find(|bucket| length <= *bucket);
    binary.resize(bucket.unwrap_or_else(|| length.next_multiple_of(largest)), 0);
    Ok(binary)
}

fn from_binary_http(binary: &[u8]) -> Result<Response<Bytes>, CapsuleError> {
    let message = Message::read_bhttp(&mut Cursor::new(binary)).map_err(|_| CapsuleError::BinaryHttp)?;
    let status = message.control().status().ok_or(CapsuleError::BinaryHttp)?;
    let mut response = Response::new(Bytes::copy_from_slice(message.content()));
    *response.status_mut() = StatusCode::from_u16(status.code()).map_err(|_| CapsuleError::BinaryHttp)?;
    for field in message.header().iter() {
        let name = HeaderName::from_bytes(field.name()).map_err(|_| CapsuleError::BinaryHttp)?;
        let value = HeaderValue::from_bytes(field.value()).map_err(|_| CapsuleError::BinaryHttp)?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use ohttp::hpke::{Aead, Kdf, Kem};
    use ohttp::{KeyConfig, Server, SymmetricSuite};

    use super::*;

    fn server() -> (Server, Vec<u8>) {
        let suites = vec![SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm)];
        let config = KeyConfig::new(7, Kem::X25519Sha256, suites).unwrap();
        let encoded = config.encode().unwrap();
        (Server::new(config).unwrap(), encoded)
    }

    fn request(body: usize) -> Request<Bytes> {
        Request::post("https://provider.example/v1/lookup")
            .header("content-type", "application/cbor")
            .body(Bytes::from(vec![5; body]))
            .unwrap()
    }

    #[test]
    fn a_request_arrives_and_its_answer_comes_back() {
        let (server, key) = server();
        let (capsule, opener) = encapsulate(&request(10), 0, &key).unwrap();
        let (binary, sealer) = server.decapsulate(&capsule).unwrap();
        let message = Message::read_bhttp(&mut Cursor::new(&binary)).unwrap();
        assert_eq!(message.control().path(), Some(&b"/v1/lookup"[..]));
        assert_eq!(message.content(), [5; 10]);
        let mut answer = Message::response(bhttp::StatusCode::try_from(404_u16).unwrap());
        answer.put_header("content-type", "text/plain");
        answer.write_content(b"no");
        let mut binary = Vec::new();
        answer.write_bhttp(Mode::KnownLength, &mut binary).unwrap();
        let response = opener.open(&sealer.encapsulate(&binary).unwrap()).unwrap();
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::NOT_FOUND, &b"no"[..]));
    }

    #[test]
    fn sizes_show_in_buckets_only() {
        let (_, key) = server();
        let size = |body| encapsulate(&request(body), 0, &key).unwrap().0.len();
        assert_eq!(size(0), size(900));
        assert_eq!(size(1100), size(3000));
        assert_eq!(size(33_000), size(60_000));
        let padded = |at_least| encapsulate(&request(10), at_least, &key).unwrap().0.len();
        assert_eq!((padded(1024), padded(4096)), (size(10), size(1100)));
        assert!(size(0) < size(1100) && size(1100) < size(5000) && size(5000) < size(20_000));
    }

    #[test]
    fn only_absolute_https_targets() {
        let (_, key) = server();
        for uri in ["/v1/lookup", "http://provider.example/v1/lookup"] {
            let request = Request::post(uri).body(Bytes::new()).unwrap();
            assert_eq!(encapsulate(&request, 0, &key).err(), Some(CapsuleError::Target));
        }
    }

    #[test]
    fn a_tampered_answer_does_not_open() {
        let (server, key) = server();
        let (capsule, opener) = encapsulate(&request(10), 0, &key).unwrap();
        let (_, sealer) = server.decapsulate(&capsule).unwrap();
        let mut sealed = sealer.encapsulate(b"anything").unwrap();
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(opener.open(&sealed).err(), Some(CapsuleError::Sealed));
    }
}
