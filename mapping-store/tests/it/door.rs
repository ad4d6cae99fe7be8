//! At the door: every refusal with its own problem type.

use bytes::Bytes;
use http::{Response, StatusCode};
use mapping_store::Config;
use mapping_store::config::Limits;
use protocol::cbor::{self, Value};
use protocol::credential::{CpiCredential, Method};
use protocol::lookup::LookupRequest;
use protocol::mapping::Mapping;
use protocol::problem::ProblemType;
use protocol::removal::Removal;
use protocol::{Signed, authenticated, media};
use service::Rate;

use crate::papers::{DAY, NOW, Paper, carrier_key, join, key, number, prover_key, removal, signed_removal};
use crate::place::{Place, Server, refused};

/// Changes one document of a pair and leaves the rest, signatures included, as it is.
fn with_parts(pair: &[u8], change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> Vec<u8> {
    let Value::Array(items) = cbor::decode(pair, 4096).unwrap() else { panic!("a pair") };
    let [Value::Bytes(mut credential), Value::Bytes(mut mapping)] = <[Value; 2]>::try_from(items).unwrap() else {
        panic!("a pair of byte strings")
    };
    change(&mut credential, &mut mapping);
    cbor::encode(&Value::Array(vec![credential.into(), mapping.into()]))
}

/// Takes a COSE_Sign1 apart: protected header, payload, signature.
fn parts(document: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let Value::Tag(18, inner) = cbor::decode(document, 4096).unwrap() else { panic!("a COSE_Sign1") };
    let [protected, _, payload, signature] = <[Value; 4]>::try_from(inner.into_array().unwrap()).unwrap();
    (protected.into_bytes().unwrap(), payload.into_bytes().unwrap(), signature.into_bytes().unwrap())
}

fn sign1(protected: Vec<u8>, payload: Vec<u8>, signature: Vec<u8>) -> Vec<u8> {
    let items = vec![protected.into(), Value::Map(Vec::new()), payload.into(), signature.into()];
    cbor::encode(&Value::Tag(18, Box::new(Value::Array(items))))
}

/// A CBOR map with its entries in any order.
fn map(bytes: &[u8], change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
    let Value::Map(mut entries) = cbor::decode(bytes, 4096).unwrap() else { panic!("a map") };
    change(&mut entries);
    cbor::encode(&Value::Map(entries))
}

async fn open() -> (Place, Server) {
    let place = Place::new();
    let server = Server::start(&place).await;
    (place, server)
}

async fn publish(server: &Server, credential: CpiCredential, change: impl FnOnce(&mut Mapping)) -> Response<Bytes> {
    let credential = Signed::sign(credential, &prover_key());
    let mut mapping = Mapping { credential_hash: credential.hash(), ..Paper::of(1).mapping() };
    change(&mut mapping);
    server.publish(join(&credential, &Signed::sign(mapping, &key(1)))).await
}

#[tokio::test]
async fn malformed_documents() {
    let (_place, server) = open().await;
    let good = Paper::of(1).bytes();
    let mut trailing = good.clone();
    trailing.push(0);
    let mapping_as_credential = with_parts(&good, |credential, mapping| credential.clone_from(mapping));
    let reordered = with_parts(&good, |_, mapping| {
        let (protected, payload, signature) = parts(mapping);
        *mapping = sign1(protected, map(&payload, |claims| claims.reverse()), signature);
    });
    let repeated = with_parts(&good, |_, mapping| {
        let (protected, payload, signature) = parts(mapping);
        let twice = |claims: &mut Vec<(Value, Value)>| claims.insert(1, claims[0].clone());
        *mapping = sign1(protected, map(&payload, twice), signature);
    });
    let critical = |label: Value| {
        with_parts(&good, |_, mapping| {
            let (protected, payload, signature) = parts(mapping);
            let protected = map(&protected, |header| {
                header.insert(1, (Value::from(2), Value::Array(vec![label.clone()])));
                header.push((label, Value::from(1)));
            });
            *mapping = sign1(protected, payload, signature);
        })
    };
    let unknown_claim = with_parts(&good, |_, mapping| {
        let (protected, payload, signature) = parts(mapping);
        *mapping =
            sign1(protected, map(&payload, |claims| claims.push((Value::from(-70000), Value::from(1)))), signature);
    });
    let not_canonical = with_parts(&good, |_, mapping| {
        let (protected, payload, signature) = parts(mapping);
        let spaced = |claims: &mut Vec<(Value, Value)>| claims[0].1 = Value::from("tel:+1 415 555 0001");
        *mapping = sign1(protected, map(&payload, spaced), signature);
    });
    for (body, rule) in [
        (Vec::new(), "truncated"),
        (b"not CBOR".to_vec(), "CBOR"),
        (good[..good.len() - 1].to_vec(), "truncated"),
        (trailing, "trailing"),
        (cbor::encode(&Value::Array(vec![Value::Null])), "array of two"),
        (mapping_as_credential, "typ is not"),
        (reordered, "bytewise order"),
        (repeated, "repeated"),
        (critical(Value::from("unknown")), "critical"),
        (critical(Value::from(99)), "COSE_Sign1"),
        (unknown_claim, "unknown label"),
        (not_canonical, "canonical"),
    ] {
        let problem = refused(&server.publish(body).await, ProblemType::Malformed);
        let detail = problem.detail.unwrap();
        assert!(detail.contains(rule), "{rule}: {detail}");
        assert!(!detail.contains("555"), "a refusal repeats nothing: {detail}");
    }
    assert_eq!(server.store.check().await.unwrap().entries, 0);
    server.stop().await;
}

#[tokio::test]
async fn over_long_bodies_and_wrong_media_types() {
    let (_place, server) = open().await;
    let long = vec![0; authenticated::MAX_BYTES + 1];
    refused(&server.publish(long.clone()).await, ProblemType::TooLarge);
    refused(&server.remove(long).await, ProblemType::TooLarge);
    let good = Paper::of(1).bytes();
    for media_type in [media::CBOR, "text/plain", "application/mimi-authenticated-mapping+cbor; v=2"] {
        refused(&server.post("/v1/mappings", media_type, good.clone()).await, ProblemType::UnsupportedMediaType);
    }
    refused(&server.post("/v1/removals", media::CBOR, good.clone()).await, ProblemType::UnsupportedMediaType);
    refused(&server.post("/v1/nothing", media::CBOR, good).await, ProblemType::NotFound);
    refused(&server.get("/v1/mappings").await, ProblemType::MethodNotAllowed);
    server.stop().await;
}

#[tokio::test]
async fn provers_that_are_not_trusted() {
    let (_place, server) = open().await;
    let paper = Paper::of(1);
    let other_name = CpiCredential { prover: "other.example".to_owned(), ..paper.credential() };
    refused(&publish(&server, other_name, |_| {}).await, ProblemType::UntrustedProver);
    let by_email = protocol::cpi::Cpi::parse("mailto:bob@example.com").unwrap();
    let other_method = CpiCredential { cpi: by_email.clone(), method: Method::EmailOtp, ..paper.credential() };
    refused(&publish(&server, other_method, |mapping| mapping.cpi = by_email).await, ProblemType::UntrustedProver);
    let forged = Signed::sign(paper.credential(), &key(77));
    let mapping = Mapping { credential_hash: forged.hash(), ..paper.mapping() };
    refused(&server.publish(join(&forged, &Signed::sign(mapping, &key(1)))).await, ProblemType::UntrustedProver);
    server.stop().await;
}

#[tokio::test]
async fn signatures_that_do_not_hold() {
    let (_place, server) = open().await;
    let paper = Paper::of(1);
    for which in [0, 1] {
        let broken = with_parts(&paper.bytes(), |credential, mapping| {
            let document = if which == 0 { credential } else { mapping };
            *document.last_mut().unwrap() ^= 1;
        });
        refused(&server.publish(broken).await, ProblemType::InvalidSignature);
    }
    // An MSP that signs with a key of its own.
    let swapped = join(&paper.signed_credential(), &Signed::sign(paper.mapping(), &key(66)));
    refused(&server.publish(swapped).await, ProblemType::InvalidSignature);
    server.stop().await;
}

#[tokio::test]
async fn credentials_and_mappings_that_do_not_agree() {
    let (_place, server) = open().await;
    let paper = Paper::of(1);
    let other_cpi = publish(&server, paper.credential(), |mapping| mapping.cpi = number(2)).await;
    refused(&other_cpi, ProblemType::Mismatch);
    let other_msp = Paper { msp: Some("b.example"), ..Paper::of(1) }.mapping().reachability;
    refused(&publish(&server, paper.credential(), |m| m.reachability = other_msp).await, ProblemType::Mismatch);
    refused(&publish(&server, paper.credential(), |m| m.credential_hash = [0; 32]).await, ProblemType::Mismatch);
    server.stop().await;
}

#[tokio::test]
async fn times_that_do_not_hold() {
    let (place, server) = open().await;
    let paper = Paper::of(1);
    let future = Paper { issued: NOW.plus(DAY), ..Paper::of(1) };
    refused(&server.publish(future.bytes()).await, ProblemType::NotYetValid);
    let dated_ahead = publish(&server, paper.credential(), |m| m.issued_at = NOW.plus(DAY)).await;
    refused(&dated_ahead, ProblemType::NotYetValid);
    let outlives = publish(&server, paper.credential(), |m| m.expires_at = NOW.plus(46 * DAY)).await;
    refused(&outlives, ProblemType::LivesTooLong);
    let long = CpiCredential { expires_at: NOW.plus(46 * DAY), ..paper.credential() };
    refused(&publish(&server, long, |_| {}).await, ProblemType::LivesTooLong);
    place.advance(31 * DAY);
    refused(&server.publish(paper.bytes()).await, ProblemType::Expired);
    place.advance(20 * DAY);
    refused(&server.publish(Paper { lifetime: 45 * DAY, ..paper }.bytes()).await, ProblemType::Expired);
    server.stop().await;
}

#[tokio::test]
async fn the_rules_of_the_store() {
    let (place, server) = open().await;
    server.publish_paper(&Paper { seq: 5, tags: &["Default"], ..Paper::of(1) }).await;
    for seq in [0, 4, 5] {
        let stale = server.publish(Paper { seq, lifetime: DAY, ..Paper::of(1) }.bytes()).await;
        assert_eq!(refused(&stale, ProblemType::StaleSequence).current_seq, Some(5));
    }
    let second = Paper { msp: Some("b.example"), tags: &["Default"], ..Paper::of(1) };
    refused(&server.publish(second.bytes()).await, ProblemType::DefaultTaken);
    for holder in 1..=32 {
        server.publish_paper(&Paper { holder, ..Paper::of(2) }).await;
    }
    let surplus = Paper { holder: 33, ..Paper::of(2) };
    let live = refused(&server.publish(surplus.bytes()).await, ProblemType::TooManyMappings);
    for n in 1..=128 {
        let msp = Box::leak(format!("m{n}.example").into_boxed_str());
        server.publish_paper(&Paper { msp: Some(msp), ..Paper::withdrawal(3, 1) }).await;
    }
    let remembered = refused(&server.publish(Paper::of(3).bytes()).await, ProblemType::TooManyMappings);
    assert_ne!(live.detail, remembered.detail);
    place.advance(DAY);
    server.remove(signed_removal(&number(1), place.now())).await;
    refused(&server.publish(Paper { seq: 9, ..Paper::of(1) }.bytes()).await, ProblemType::Superseded);
    server.stop().await;
}

#[tokio::test]
async fn removals() {
    let (_place, server) = open().await;
    server.publish_paper(&Paper::of(1)).await;
    let sign = |removal: Removal, by: u8| Signed::sign(removal, &key(by)).bytes().to_vec();
    let later = |removal: Removal| Signed::sign(removal, &carrier_key()).bytes().to_vec();
    let of = |cpi| removal(&cpi, NOW);
    let foreign = protocol::cpi::Cpi::parse("tel:+442079460958").unwrap();
    let ahead = NOW.plus(DAY);
    for (body, expected) in [
        (b"\xa0".to_vec(), ProblemType::Malformed),
        (Paper::of(1).bytes(), ProblemType::Malformed),
        (sign(of(number(1)), 50), ProblemType::InvalidSignature),
        (later(of(foreign)), ProblemType::NotTheIssuer),
        (later(Removal { issuer: "other.example".to_owned(), ..of(number(1)) }), ProblemType::NotTheIssuer),
        (later(Removal { issued_before: ahead, ..of(number(1)) }), ProblemType::NotYetValid),
        (later(Removal { issued_at: ahead, ..of(number(1)) }), ProblemType::NotYetValid),
    ] {
        refused(&server.remove(body).await, expected);
    }
    assert_eq!(server.lookup_one(&number(1)).await.mappings.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn lookups_come_through_the_gateway_or_not_at_all() {
    let (place, server) = open().await;
    let question = LookupRequest::new(vec![number(1)], None).unwrap().encode();
    let ask = async |client: client::http::HttpClient, body: Vec<u8>| {
        client.post(&server.uri("/v1/lookup"), media::CBOR, body.into()).await.unwrap()
    };
    refused(&ask(place.client(None), question.clone()).await, ProblemType::NotThroughGateway);
    refused(&ask(place.client(Some("a.example")), question.clone()).await, ProblemType::NotThroughGateway);
    refused(&ask(place.client(Some("gateway.example.com")), question.clone()).await, ProblemType::NotThroughGateway);
    let gateway = place.client(Some("Gateway.Example"));
    assert_eq!(ask(gateway.clone(), question).await.status(), StatusCode::OK);
    for asked in [1, 2, 64] {
        let question = LookupRequest::new((0..asked).map(number).collect(), None).unwrap().encode();
        let answer = ask(gateway.clone(), question).await;
        assert_eq!(answer.headers()["mimi-lookup-cost"], asked.to_string());
    }
    let malformed = ask(gateway.clone(), b"\xa0".to_vec()).await;
    refused(&malformed, ProblemType::Malformed);
    assert!(!malformed.headers().contains_key("mimi-lookup-cost"));
    refused(&ask(gateway, vec![0; 40_000]).await, ProblemType::TooLarge);
    server.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_refused_and_may_be_asked_for_in_parts() {
    let place = Place::new();
    let mut config = place.config();
    config.store.max_answer_bytes = 2_000;
    let server = Server::start_with(&place, config).await;
    for n in 0..4 {
        server.publish_paper(&Paper::of(n)).await;
    }
    let question = LookupRequest::new((0..4).map(number).collect(), None).unwrap().encode();
    let gateway = place.client(Some(crate::place::GATEWAY));
    let answer = gateway.post(&server.uri("/v1/lookup"), media::CBOR, question.into()).await.unwrap();
    refused(&answer, ProblemType::AnswerTooLarge);
    assert_eq!(server.lookup(vec![number(0), number(1)]).await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn publishers_have_budgets_of_their_own_within_the_total() {
    let place = Place::new();
    let limits = Limits { per_publisher: Rate::new(2, 3600), total: Rate::new(5, 3600) };
    let server = Server::start_with(&place, Config { limits, ..place.config() }).await;
    let publish = async |client: &client::http::HttpClient, n| {
        let body = Paper::of(n).bytes().into();
        client.post(&server.uri("/v1/mappings"), media::AUTHENTICATED_MAPPING, body).await.unwrap()
    };
    let (one, other, nameless) = (place.client(Some("a.example")), place.client(Some("b.example")), place.client(None));
    for (client, numbers) in [(&one, [1, 2]), (&other, [3, 4])] {
        for n in numbers {
            assert_eq!(publish(client, n).await.status(), StatusCode::CREATED);
        }
        let limited = publish(client, 9).await;
        refused(&limited, ProblemType::RateLimited);
        let wait: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=1800).contains(&wait), "{wait}");
    }
    assert_eq!(publish(&nameless, 5).await.status(), StatusCode::CREATED);
    refused(&publish(&nameless, 6).await, ProblemType::RateLimited);
    assert_eq!(server.store.check().await.unwrap().entries, 5);
    server.stop().await;
}
