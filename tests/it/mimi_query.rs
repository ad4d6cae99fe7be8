//! The MIMI protocol's own query through relay and gateway, and its directory for MSPs.

use client::enrollment::Wish;
use client::msp;
use protocol::cpi::Cpi;
use protocol::mapping::Reachability;
use protocol::mimi_query::{IdentifierRequest, QueryElement, ResponseCode};
use protocol::mimi_uri::{Msp, Psi};

use crate::scene::{Scene, key, wish};

const NUMBER: &str = "tel:+14155550132";

/// What MSPs read in the directory leads to what the gateway lets through, and nobody is named who has not been proven.
#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_is_asked_for_at_one_provider() {
    let scene = Scene::start().await;
    let (cpi, key, desk) = (Cpi::parse(NUMBER).unwrap(), key(), scene.desk("a.example"));
    let enrolled = desk.enroll(&cpi, &key, &scene.codes()).await.unwrap();
    let alice = Psi::parse("mimi://a.example/u/alice").unwrap();
    let reachability = Reachability::At { msp: Msp::from_domain("a.example").unwrap(), psi: Some(alice.clone()) };
    desk.publish(&enrolled, Wish { reachability, ..wish("a.example", 1) }, &key).await.unwrap();

    let question = IdentifierRequest::new(vec![QueryElement::of_cpi(&cpi)]).unwrap();
    let (at_a, at_b) = (Msp::from_domain("a.example").unwrap(), Msp::from_domain("b.example").unwrap());
    let found = scene.asker().identifier_query(&at_a, &question).await.unwrap();
    assert_eq!((found.code(), found.uris()), (ResponseCode::Success, &[alice.to_string()][..]));
    let elsewhere = scene.asker().identifier_query(&at_b, &question).await.unwrap();
    assert_eq!((elsewhere.code(), elsewhere.uris().len()), (ResponseCode::NotFound, 0));

    let directory = msp::directory(&scene.http(None), &scene.description().store_url).await.unwrap();
    let url = directory.identifier_query(&at_a).parse().unwrap();
    let found = scene.asker().identifier_query_at(&url, &question).await.unwrap();
    assert_eq!(found.code(), ResponseCode::Success);
}
