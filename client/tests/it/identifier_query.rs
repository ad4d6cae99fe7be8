//! The MIMI protocol's own query: inside a capsule like a lookup, answered without proof.

use std::collections::BTreeSet;
use std::time::Duration;

use client::http::{Bounds, HttpClient, TlsIdentity};
use client::retry::Retry;
use client::{Fault, msp};
use http::StatusCode;
use protocol::lookup::{CompactAnswer, CompactEntry, Outcome};
use protocol::mimi_query::{Directory, IdentifierRequest, IdentifierResponse, QueryElement, Refusal, ResponseCode};
use protocol::mimi_uri::{MimiUri, Msp, Psi};

use crate::fixtures::{cpi, number};
use crate::server::{Manner, Server};

fn a_example() -> Msp {
    Msp::from_domain("a.example").unwrap()
}

fn by_number() -> IdentifierRequest {
    IdentifierRequest::new(vec![QueryElement::of_cpi(&cpi())]).unwrap()
}

#[tokio::test]
async fn a_query_travels_like_a_lookup() {
    let server = Server::start().await;
    let client = server.client();
    client.lookup(&[cpi()], |_| ()).await.unwrap();

    let alice = Psi::parse("mimi://a.example/u/alice").unwrap();
    server.always(Manner::Body(IdentifierResponse::found(&alice).encode()));
    let response = client.identifier_query(&a_example(), &by_number()).await.unwrap();
    assert_eq!((response.code(), response.uris()), (ResponseCode::Success, &[alice.to_string()][..]));

    let queried = server.queried().remove(0);
    assert_eq!((queried.authority.as_str(), queried.domain.as_str()), ("provider.example", "a.example"));
    assert_eq!(queried.media_type, b"application/octet-stream");
    assert_eq!(queried.body, by_number().encode());
    assert_eq!(queried.capsule_bytes, server.asked()[0].capsule_bytes, "a relay cannot tell it from a lookup");
}

#[tokio::test]
async fn every_code_arrives() {
    let server = Server::start().await;
    let handle = MimiUri::parse("mimi://a.example/u/alice").unwrap();
    let elements = vec![QueryElement::of_cpi(&cpi()), QueryElement::of_handle(&handle)];
    let request = IdentifierRequest::new(elements).unwrap();
    for refusal in [Refusal::NotFound, Refusal::Ambiguous, Refusal::Forbidden, Refusal::UnsupportedField] {
        server.always(Manner::Body(IdentifierResponse::refused(refusal).encode()));
        let response = server.client().identifier_query(&a_example(), &request).await.unwrap();
        assert_eq!((response.code(), response.uris().len()), (refusal.into(), 0));
    }
}

#[tokio::test]
async fn faults_have_their_owner() {
    let server = Server::start().await;
    for (manner, fault, passing) in [
        (Manner::Body(b"\x00\x00\x00\x00".to_vec()), Fault::Store, false),
        (Manner::Body(Vec::new()), Fault::Store, false),
        (Manner::Store(StatusCode::SERVICE_UNAVAILABLE, Some("1")), Fault::Store, true),
        (Manner::Gateway(StatusCode::FORBIDDEN, None), Fault::Gateway, false),
    ] {
        server.always(manner);
        let error = server.client().identifier_query(&a_example(), &by_number()).await.unwrap_err();
        assert_eq!((error.fault, error.is_passing()), (fault, passing), "{error}");
        assert!(!error.to_string().contains("1415"), "no identifier in an error");
    }
}

#[tokio::test]
async fn a_passing_fault_is_tried_again_if_wished() {
    let server = Server::start().await;
    server.then([Manner::Store(StatusCode::SERVICE_UNAVAILABLE, Some("0"))]);
    server.always(Manner::Body(IdentifierResponse::refused(Refusal::NotFound).encode()));
    let retry = Retry { first_pause: Duration::from_millis(1), ..Retry::default() };
    let client = server.builder().retry(retry).build().unwrap();
    let response = client.identifier_query(&a_example(), &by_number()).await.unwrap();
    assert_eq!((response.code(), server.capsules()), (ResponseCode::NotFound, 2));
}

#[tokio::test]
async fn the_directory_names_the_url() {
    let server = Server::start().await;
    let http = HttpClient::new(&TlsIdentity { ca_pem: server.ca_pem().to_vec(), client: None }, Bounds::default());
    let http = http.unwrap();
    let base = server.serve_directory(&Directory::at("elsewhere.example").to_json());
    let directory = msp::directory(&http, &base).await.unwrap();
    let url = directory.identifier_query(&a_example()).parse().unwrap();

    server.always(Manner::Body(IdentifierResponse::refused(Refusal::NotFound).encode()));
    server.client().identifier_query_at(&url, &by_number()).await.unwrap();
    let queried = server.queried().remove(0);
    assert_eq!((queried.authority.as_str(), queried.domain.as_str()), ("elsewhere.example", "a.example"));

    server.serve_directory("{}");
    assert_eq!(msp::directory(&http, &base).await.unwrap_err().fault, Fault::Store);
}

/// The other question whose answer proves nothing: the compact form of a lookup.
#[tokio::test]
async fn a_compact_lookup_looks_like_a_lookup() {
    let server = Server::start().await;
    let book: Vec<_> = (0..20).map(number).collect();
    server.client().lookup(&book, |_| ()).await.unwrap();

    let none = CompactEntry { outcome: Outcome::NeverMapped, msps: BTreeSet::new() };
    let found = CompactEntry { outcome: Outcome::OneMapping, msps: BTreeSet::from([a_example()]) };
    let mut entries = vec![none; 20];
    entries[7] = found.clone();
    server.always(Manner::Body(CompactAnswer { entries }.encode()));
    let claimed = server.client().claimed(&book).await.unwrap();
    assert!(claimed.iter().map(|claimed| &claimed.cpi).eq(&book));
    assert_eq!((claimed[7].outcome, &claimed[7].msps), (found.outcome, &found.msps));
    assert!(claimed[6].msps.is_empty());
    assert_eq!(server.asked()[0].capsule_bytes, server.asked()[1].capsule_bytes);

    // An answer with documents is none.
    server.always(Manner::Well);
    assert_eq!(server.client().claimed(&book).await.unwrap_err().fault, Fault::Store);
    assert_eq!(server.client().claimed(&[]).await.unwrap_err().fault, Fault::Caller);
}
