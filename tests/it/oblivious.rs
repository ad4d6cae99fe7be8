//! The oblivious front end of the whole stack: what outsiders see, and what they get for broken capsules.

use bytes::Bytes;
use http::{StatusCode, Uri};
use protocol::lookup::Outcome;

use crate::scene::{Scene, asker, key};

const NUMBER: &str = "tel:+14155550132";
const OHTTP_REQUEST: &str = "message/ohttp-req";

fn problem_type(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap();
    problem["type"].as_str().unwrap().to_owned()
}

/// A standard client: the `ohttp` and `bhttp` crates, and `stack.json`, and nothing of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_standard_client_can_ask() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let (http, stack) = (scene.http(None), scene.description());
    let keys = http.get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    assert_eq!(keys.headers()["content-type"], "application/ohttp-keys");
    let request = ohttp::ClientRequest::from_encoded_config_list(keys.body()).unwrap();
    let url: Uri = stack.lookup_url.parse().unwrap();
    let part = |text: &str| text.as_bytes().to_vec();
    let (scheme, authority) = (part(url.scheme_str().unwrap()), part(url.authority().unwrap().as_str()));
    let mut message = bhttp::Message::request(part("POST"), scheme, authority, part(url.path()));
    message.put_header("content-type", "application/cbor");
    let cpi = protocol::cpi::Cpi::parse(NUMBER).unwrap();
    message.write_content(protocol::lookup::LookupRequest::new(vec![cpi], None).unwrap().encode());
    let mut plain = Vec::new();
    message.write_bhttp(bhttp::Mode::KnownLength, &mut plain).unwrap();
    let (capsule, opener) = request.encapsulate(&plain).unwrap();
    let answer = http.post(&stack.relay_url.parse().unwrap(), OHTTP_REQUEST, capsule.into()).await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"message/ohttp-res".parse().unwrap())
    );
    let plain = opener.decapsulate(answer.body()).unwrap();
    let message = bhttp::Message::read_bhttp(&mut std::io::Cursor::new(plain)).unwrap();
    assert_eq!(message.control().status().unwrap().code(), 200);
    let answer = protocol::lookup::Answer::decode(message.content()).unwrap();
    assert_eq!(answer.entries[0].outcome, Outcome::OneMapping);
}

/// A capsule cut short anywhere is refused in the clear, by the gateway, as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_capsule_is_refused() {
    let scene = Scene::start().await;
    let (http, stack) = (scene.http(None), scene.description());
    let keys = http.get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let request = ohttp::ClientRequest::from_encoded_config_list(keys.body()).unwrap();
    let (capsule, _) = request.encapsulate(b"whatever").unwrap();
    let relay: Uri = stack.relay_url.parse().unwrap();
    for length in [0, 1, 6, 7, 38, 39, capsule.len() - 1] {
        let answer = http.post(&relay, OHTTP_REQUEST, Bytes::copy_from_slice(&capsule[..length])).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{length} octets");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

/// A key that the gateway does not have is named as such (RFC 9458 §5.3), and our client then fetches the new one by itself.
#[tokio::test(flavor = "multi_thread")]
async fn clients_live_through_a_rotation() {
    let scene = Scene::start().await;
    scene.publish("a.example", NUMBER, &key()).await;
    let asker = asker(scene.description());
    let cpi = [protocol::cpi::Cpi::parse(NUMBER).unwrap()];
    assert_eq!(asker.lookup(&cpi, |_| ()).await.unwrap()[0].outcome, Outcome::OneMapping);
    for _ in 0..3 {
        scene.stack.keys().rotate().unwrap();
        assert_eq!(asker.lookup(&cpi, |_| ()).await.unwrap()[0].outcome, Outcome::OneMapping);
    }
    let unknown = [&[0xee, 0, 0x20, 0, 1, 0, 1][..], &[7; 64]].concat();
    let relay: Uri = scene.description().relay_url.parse().unwrap();
    let answer = scene.http(None).post(&relay, OHTTP_REQUEST, unknown.into()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem_type(answer.body()), "https://iana.org/assignments/http-problem-types#ohttp-key");
}

/// D14, R6: questions and answers have the same sizes, whether nobody was found, or one on three providers, or everybody.
#[tokio::test(flavor = "multi_thread")]
async fn d14_sizes_do_not_tell_what_was_found() {
    let scene = Scene::start().await;
    let holder = key();
    let found: Vec<String> = (0..64).map(|n| format!("mailto:somebody{n:02}@example.org")).collect();
    let nobody: Vec<String> = (0..64).map(|n| format!("mailto:nobody{n:02}@example.com")).collect();
    for cpi in &found {
        scene.publish("a.example", cpi, &holder).await;
    }
    for msp in ["b.example", "c.example"] {
        scene.publish(msp, &found[0], &holder).await;
    }
    let (http, stack) = (scene.http(None), scene.description());
    let keys = http.get(&stack.keys_url.parse().unwrap(), "application/ohttp-keys").await.unwrap();
    let configuration = client::oblivious::select(keys.body()).unwrap();
    let sizes = async |cpis: &[String]| {
        let cpis: Vec<_> = cpis.iter().map(|cpi| protocol::cpi::Cpi::parse(cpi).unwrap()).collect();
        let at_least = client::lookup::padded_bytes(cpis.len());
        let question = protocol::lookup::LookupRequest::new(cpis, None).unwrap();
        let request = http::Request::post(&stack.lookup_url)
            .header("content-type", "application/cbor")
            .body(Bytes::from(question.encode()))
            .unwrap();
        let (capsule, opener) = client::oblivious::encapsulate(&request, at_least, &configuration).unwrap();
        let asked = capsule.len();
        let answer = http.post(&stack.relay_url.parse().unwrap(), OHTTP_REQUEST, capsule.into()).await.unwrap();
        let (sealed, opened) = (answer.body().len(), opener.open(answer.body()).unwrap());
        assert_eq!(opened.status(), StatusCode::OK);
        (asked, sealed)
    };
    for asked in [1, 8, 64] {
        assert_eq!(sizes(&found[..asked]).await, sizes(&nobody[..asked]).await, "{asked} asked for");
    }
    assert_ne!(sizes(&found[..1]).await, sizes(&found).await);
}

/// The gateway takes capsules from the relay alone; the store answers lookups for the gateway alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_back_doors_are_closed() {
    let scene = Scene::start().await;
    let (http, stack) = (scene.http(None), scene.description());
    let gateway = http.post(&stack.gateway_url.parse().unwrap(), OHTTP_REQUEST, Bytes::from_static(b"x")).await;
    assert_eq!(gateway.unwrap_err().fault, client::Fault::Network, "no handshake without a certificate");
    let msp = Some((std::fs::read(&stack.msp_cert).unwrap(), std::fs::read(&stack.msp_key).unwrap()));
    let as_msp = scene.http(msp);
    let gateway = as_msp.post(&stack.gateway_url.parse().unwrap(), OHTTP_REQUEST, Bytes::from_static(b"x")).await;
    assert_eq!(gateway.unwrap().status(), StatusCode::FORBIDDEN, "an MSP is no relay");
    let lookup = format!("{}/v1/lookup", stack.store_url).parse().unwrap();
    let store = as_msp.post(&lookup, "application/cbor", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(store.status(), StatusCode::FORBIDDEN, "an MSP is no gateway");
    assert!(problem_type(store.body()).ends_with("not-through-gateway"));
}
