//! The example of RFC 9292, requests that would smuggle something in, and noise.

use proptest::prelude::*;

use super::*;

fn message(fields: &[(&[u8], &[u8])]) -> Message {
    let mut message =
        Message::request(b"POST".to_vec(), b"https".to_vec(), b"a.example".to_vec(), b"/v1/lookup".to_vec());
    fields.iter().for_each(|(name, value)| message.put_header(*name, *value));
    message.write_content(b"body");
    message
}

fn binary(message: &Message) -> Vec<u8> {
    let mut binary = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut binary).unwrap();
    binary
}

fn refused(fields: &[(&[u8], &[u8])]) -> BinaryHttpError {
    read_request(&binary(&message(fields))).unwrap_err()
}

/// The known-length request of RFC 9292 §5.1, byte for byte. It names its authority in Host alone.
#[test]
fn the_request_example_of_rfc_9292() {
    let bytes = hex::decode(concat!(
        "0003474554056874747073000a2f68656c6c6f2e747874406c0a757365722d61",
        "67656e74346375726c2f372e31362e33206c69626375726c2f372e31362e3320",
        "4f70656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f77",
        "77772e6578616d706c652e636f6d0f6163636570742d6c616e67756167650665",
        "6e2c206d690000",
    ))
    .unwrap();
    let request = read_request(&bytes).unwrap().request;
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&Method::GET, "https://www.example.com/hello.txt")
    );
    assert_eq!(request.headers()["user-agent"], "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3");
    assert_eq!(request.headers()["accept-language"], "en, mi");
    assert_eq!((request.headers().len(), request.body().len()), (2, 0));
}

#[test]
fn a_request_is_read_and_its_padding_counted() {
    let mut bytes = binary(&message(&[(b"content-type", b"application/cbor")]));
    bytes.extend([0; 100]);
    let opened = read_request(&bytes).unwrap();
    assert_eq!(
        (opened.padding, opened.request.method(), opened.request.body().as_ref()),
        (100, &Method::POST, &b"body"[..])
    );
    assert_eq!(opened.request.uri(), "https://a.example/v1/lookup");
    *bytes.last_mut().unwrap() = 1;
    assert_eq!(read_request(&bytes).unwrap_err(), BinaryHttpError::Padding);
}

/// Of a message of indeterminate length, only the ends of empty content and trailers may be missing.
#[test]
fn a_message_cut_short_is_refused() {
    let mut whole = Vec::new();
    message(&[(b"x", b"value")]).write_bhttp(Mode::IndeterminateLength, &mut whole).unwrap();
    let (last, content) = (whole.len() - 1, whole.len() - 7);
    assert_eq!(whole[content..], *b"\x04body\0\0");
    for length in [last - 1, last, last + 1] {
        assert_eq!(read_request(&whole[..length]).unwrap().request.body().as_ref(), b"body");
    }
    for length in 1..last - 1 {
        // Up to the content, it is a whole request without any.
        let expected = if length == content { Ok(0) } else { Err(BinaryHttpError::Framing) };
        assert_eq!(read_request(&whole[..length]).map(|opened| opened.request.body().len()), expected, "{length}");
    }
}

/// What the framing lets through and HTTP does not.
#[test]
fn injected_bytes_are_refused() {
    for value in [&b"a\r\nx: y"[..], b"a\nb", b"a\rb", b"a\0b", b"\x7f"] {
        assert_eq!(refused(&[(b"x", value)]), BinaryHttpError::Field, "{value:?}");
    }
    for name in [&b"x\r\ny"[..], b"X", b"x y", b":path"] {
        assert_eq!(refused(&[(name, b"v")]), BinaryHttpError::Field, "{name:?}");
    }
    assert_eq!(refused(&[(b"", b"v")]), BinaryHttpError::Framing);
    assert_eq!(refused(&[(b"expect", b"100-continue")]), BinaryHttpError::Expect);
}

#[test]
fn control_data_is_held_to_https_and_an_authority() {
    for (method, scheme, authority, path) in [
        ("GE T", "https", "a.example", "/"),
        ("GET", "http", "a.example", "/"),
        ("GET", "https", "", "/"),
        ("GET", "https", "user@a.example", "/"),
        ("GET", "https", "a.example\r\nx: y", "/"),
        ("GET", "https", "a.example", "x"),
        ("GET", "https", "a.example", "/\r\n"),
    ] {
        let message = Message::request(method.into(), scheme.into(), authority.into(), path.into());
        assert_eq!(
            read_request(&binary(&message)).unwrap_err(),
            BinaryHttpError::Control,
            "{method} {scheme} {authority} {path:?}"
        );
    }
}

#[test]
fn fields_of_one_hop_do_not_pass() {
    let fields: &[(&[u8], &[u8])] =
        &[(b"connection", b"close, x-mine"), (b"x-mine", b"1"), (b"te", b"trailers"), (b"x-other", b"2")];
    let opened = read_request(&binary(&message(fields))).unwrap();
    assert_eq!(opened.request.headers().len(), 1);
    let response = Response::builder().header("keep-alive", "1").header("x-other", "2").body(Bytes::new()).unwrap();
    let written = write_response(response, &[512], 0).unwrap();
    let read = Message::read_bhttp(&mut Cursor::new(&written)).unwrap();
    assert_eq!(read.header().fields().len(), 1);
}

#[test]
fn trailers_are_refused() {
    let mut message = message(&[]);
    message.put_trailer("x", "y");
    assert_eq!(read_request(&binary(&message)).unwrap_err(), BinaryHttpError::Extras);
}

#[test]
fn answers_show_in_buckets_only() {
    let size =
        |body: usize| write_response(Response::new(Bytes::from(vec![1; body])), &[512, 1024, 4096], 0).unwrap().len();
    assert_eq!(
        [size(0), size(400), size(600), size(2000), size(5000), size(9000)],
        [512, 512, 1024, 4096, 8192, 12288]
    );
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_request(&bytes).is_ok();
    }

    #[test]
    fn changed_messages_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = binary(&message(&[(b"content-type", b"application/cbor")]));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(opened) = read_request(&bytes) {
            prop_assert_eq!(opened.request.uri().scheme_str(), Some("https"));
        }
    }
}
