//! The examples of RFC 9458, Appendix A, RFC 9292, §5, and RFC 9180, Appendix A.1.1, byte for byte.
//!
//! The gateway keeps the seed that a key is derived from (RFC 9180 §7.1.3) and RFC 9458 gives the derived key alone, so its
//! capsule is opened here with the HPKE library, and the gateway's keys are held to RFC 9180. The clients in
//! `tests/interop` reproduce Appendix A in both directions before they talk to the gateway.

use std::io::Cursor;
use std::os::unix::fs::OpenOptionsExt as _;

use bhttp::{Message, Mode, StatusCode};
use bytes::Bytes;
use gateway::config::{AeadName, AllowedTarget};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, OpModeR};
use http::{Method, Request, Response};
use ohttp::KeyConfig;
use serde_json::Value;
use sha2::Sha256;

use crate::scene::{BUCKETS, Scene, seal};

/// RFC 9292, Figure 8: a request of known length.
const KNOWN_REQUEST: &str = concat!(
    "0003474554056874747073000a2f68656c6c6f2e747874406c0a757365722d61",
    "67656e74346375726c2f372e31362e33206c69626375726c2f372e31362e3320",
    "4f70656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f77",
    "77772e6578616d706c652e636f6d0f6163636570742d6c616e67756167650665",
    "6e2c206d690000",
);
/// RFC 9292, Figure 9: the same request of indeterminate length, with ten bytes of padding.
const INDETERMINATE_REQUEST: &str = concat!(
    "0203474554056874747073000a2f68656c6c6f2e7478740a757365722d616765",
    "6e74346375726c2f372e31362e33206c69626375726c2f372e31362e33204f70",
    "656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f777777",
    "2e6578616d706c652e636f6d0f6163636570742d6c616e677561676506656e2c",
    "206d6900000000000000000000000000",
);
/// RFC 9292, Figure 11: a response of indeterminate length with two interim answers.
const INTERIM_RESPONSE: &str = concat!(
    "0340660772756e6e696e670a22736c65657020313522004067046c696e6b233c",
    "2f7374796c652e6373733e3b2072656c3d7072656c6f61643b2061733d737479",
    "6c65046c696e6b243c2f7363726970742e6a733e3b2072656c3d7072656c6f61",
    "643b2061733d7363726970740040c804646174651d4d6f6e2c203237204a756c",
    "20323030392031323a32383a353320474d540673657276657206417061636865",
    "0d6c6173742d6d6f6469666965641d5765642c203232204a756c203230303920",
    "31393a31353a353620474d5404657461671422333461613338372d642d313536",
    "3865623030220d6163636570742d72616e6765730562797465730e636f6e7465",
    "6e742d6c656e67746802353104766172790f4163636570742d456e636f64696e",
    "670c636f6e74656e742d747970650a746578742f706c61696e003348656c6c6f",
    "20576f726c6421204d7920636f6e74656e7420696e636c756465732061207472",
    "61696c696e672043524c462e0d0a0000",
);
/// RFC 9292, Figure 13: a response of known length with a trailer.
const TRAILER_RESPONSE: &str =
    concat!("0140c8001d5468697320636f6e74656e7420636f6e7461696e732043524c462e", "0d0a0d07747261696c65720474657874",);
const CRLF_CONTENT: &[u8] = b"This content contains CRLF.\r\n";

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap()
}

/// A vector of RFC 9458, Appendix A.
fn given(name: &str) -> Vec<u8> {
    let vectors: Value = serde_json::from_str(include_str!("../interop/appendix_a.json")).unwrap();
    bytes(vectors[name].as_str().unwrap())
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn read(message: &[u8]) -> Message {
    Message::read_bhttp(&mut Cursor::new(message)).unwrap()
}

fn written(message: &Message, mode: Mode) -> Vec<u8> {
    let mut written = Vec::new();
    message.write_bhttp(mode, &mut written).unwrap();
    written
}

/// A gateway that lets this through.
async fn allowing(authority: &str, method: &str, path: &str) -> Scene {
    let allowed = AllowedTarget { authority: authority.to_owned(), method: method.to_owned(), path: path.to_owned() };
    Scene::with(|config, _| config.allowed = vec![allowed]).await
}

/// What comes out of the capsule in which this content is answered.
async fn answer_to(scene: &Scene, content: &[u8]) -> Vec<u8> {
    let (capsule, opener) = seal(&scene.plain_keys().await, content);
    let answer = scene.post(capsule).await;
    assert_eq!(answer.status(), 200);
    opener.decapsulate(answer.body()).unwrap()
}

fn assert_padded(binary: &[u8], expected: &[u8]) {
    assert!(BUCKETS.contains(&binary.len()));
    let (message, padding) = binary.split_at(expected.len());
    assert_eq!(message, expected);
    assert!(padding.iter().all(|byte| *byte == 0));
}

#[test]
fn rfc_9458_key_configuration() {
    let configuration = given("key_configuration");
    let list = [&[0, 45], &configuration[..]].concat();
    let read = KeyConfig::decode_list(&list).unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].encode().unwrap(), configuration);
}

#[test]
fn rfc_9458_capsule_and_the_secrets_of_its_answer() {
    let capsule = given("encapsulated_request");
    let (header, rest) = capsule.split_at(7);
    let (enc, sealed) = rest.split_at(32);
    let info = [b"message/bhttp request\0", header].concat();
    assert_eq!((info.as_slice(), enc), (&given("info")[..], &given("ephemeral_public_key")[..]));
    let key = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(&given("secret_key")).unwrap();
    let encapped = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(enc).unwrap();
    let mut context =
        hpke::setup_receiver::<AesGcm128, HkdfSha256, X25519HkdfSha256>(&OpModeR::Base, &key, &encapped, &info)
            .unwrap();
    assert_eq!(context.open(sealed, b"").unwrap(), given("request"));
    let mut secret = [0; 16];
    context.export(b"message/bhttp response", &mut secret).unwrap();
    assert_eq!(secret.as_slice(), given("secret"));
    let prk = hmac(&[enc, &given("response_nonce")].concat(), &[&secret]);
    assert_eq!(prk, given("pseudorandom_key"));
    assert_eq!(hmac(&prk, &[b"key", &[1]])[..16], given("aead_key"));
    assert_eq!(hmac(&prk, &[b"nonce", &[1]])[..12], given("aead_nonce"));
}

/// The messages of Appendix A, through the gateway: what the capsule says, and the answer that it gets.
#[tokio::test]
async fn rfc_9458_messages() {
    let scene = allowing("example.com", "GET", "/").await;
    scene.target.answers(|_| Ok(Response::new(Bytes::new())));
    let answer = answer_to(&scene, &given("request")).await;
    assert_padded(&answer, &given("response"));
    let asked = scene.target.asked();
    assert_eq!((asked[0].method(), asked[0].uri().to_string().as_str()), (&Method::GET, "https://example.com/"));
    assert!(asked[0].headers().is_empty() && asked[0].body().is_empty());
}

/// The key that the gateway derives from a seed, as it publishes it.
#[tokio::test]
async fn rfc_9180_derived_key() {
    const SEED: &str = "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037";
    const PUBLIC_KEY: &str = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
    let scene = Scene::with(|config, _| {
        config.keys.aeads = vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305];
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let state = format!(r#"[{{"id":1,"kem":"x25519","seed":"{SEED}","made_at":{now},"retires_at":null}}]"#);
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&config.keys.state_file).unwrap();
        std::io::Write::write_all(&mut file, state.as_bytes()).unwrap();
    })
    .await;
    let expected = format!("002d010020{PUBLIC_KEY}00080001000100010003");
    assert_eq!(hex::encode(scene.plain_keys().await), expected);
}

#[tokio::test]
async fn rfc_9292_requests() {
    let scene = allowing("www.example.com", "GET", "/hello.txt").await;
    let (known, indeterminate) = (bytes(KNOWN_REQUEST), bytes(INDETERMINATE_REQUEST));
    // Padding, and the ends of empty content and trailers, may be left away (RFC 9292 §3.8, §5.1); nothing else may.
    let known = [&known[..], &known[..known.len() - 1], &known[..known.len() - 2]];
    let indeterminate = [0, 5, 10, 11, 12].map(|cut| &indeterminate[..indeterminate.len() - cut]);
    let same = |request: &Request<Bytes>| format!("{request:?}");
    for content in known.into_iter().chain(indeterminate) {
        let answer = read(&answer_to(&scene, content).await);
        assert_eq!(answer.control().status().unwrap().code(), 200, "{}", hex::encode(content));
    }
    let header = bytes(INDETERMINATE_REQUEST);
    for length in 1..header.len() - 13 {
        let answer = read(&answer_to(&scene, &header[..length]).await);
        assert_eq!(answer.control().status().unwrap().code(), 400, "{length}");
    }
    let asked = scene.target.asked();
    assert_eq!(asked.len(), 8);
    let first = &asked[0];
    assert_eq!((first.method(), first.uri().to_string().as_str()), (&Method::GET, "https://www.example.com/hello.txt"));
    assert_eq!(first.headers()["user-agent"], "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3");
    assert_eq!((&first.headers()["accept-language"], first.headers().len()), (&"en, mi".parse().unwrap(), 2));
    assert!(asked.iter().all(|request| same(request) == same(first)));
}

#[test]
fn rfc_9292_requests_as_they_are_written() {
    let mut message = Message::request(b"GET".into(), b"https".into(), b"".into(), b"/hello.txt".into());
    message.put_header("user-agent", "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3");
    message.put_header("host", "www.example.com");
    message.put_header("accept-language", "en, mi");
    assert_eq!(hex::encode(written(&message, Mode::KnownLength)), KNOWN_REQUEST);
    let padded = [written(&message, Mode::IndeterminateLength), vec![0; 10]].concat();
    assert_eq!(hex::encode(padded), INDETERMINATE_REQUEST);
}

/// A client may meet these; the gateway itself writes neither interim answers nor trailers.
#[test]
fn rfc_9292_responses() {
    let interim = read(&bytes(INTERIM_RESPONSE));
    let statuses: Vec<u16> = interim.informational().iter().map(|answer| answer.status().code()).collect();
    assert_eq!(statuses, [102, 103]);
    assert_eq!(interim.control().status().unwrap().code(), 200);
    assert_eq!(interim.header().get(b"etag"), Some(&b"\"34aa387-d-1568eb00\""[..]));
    assert_eq!(interim.content(), b"Hello World! My content includes a trailing CRLF.\r\n");
    assert_eq!(hex::encode(written(&interim, Mode::IndeterminateLength)), INTERIM_RESPONSE);

    let mut message = Message::response(StatusCode::OK);
    message.write_content(CRLF_CONTENT);
    message.put_trailer("trailer", "text");
    assert_eq!(hex::encode(written(&message, Mode::KnownLength)), TRAILER_RESPONSE);
    let trailer = read(&bytes(TRAILER_RESPONSE));
    assert_eq!((trailer.content(), trailer.trailer().get(b"trailer")), (CRLF_CONTENT, Some(&b"text"[..])));
}

/// The response of Figure 13 as the gateway writes it: without its trailer.
#[tokio::test]
async fn rfc_9292_response_of_the_gateway() {
    let scene = Scene::start().await;
    scene.target.answers(|_| Ok(Response::new(Bytes::from_static(CRLF_CONTENT))));
    let answer = answer_to(&scene, &crate::scene::binary(&crate::scene::lookup(b""))).await;
    let with_trailer = bytes(TRAILER_RESPONSE);
    let trailer = b"\x0d\x07trailer\x04text";
    assert_padded(&answer, with_trailer.strip_suffix(trailer).unwrap());
}
