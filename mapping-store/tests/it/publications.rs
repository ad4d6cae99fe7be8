//! Publish, replace, withdraw, remove, look up; and all of it again after a restart.

use http::StatusCode;
use protocol::lookup::{LookupRequest, Outcome};
use protocol::mimi_uri::Msp;
use protocol::receipt::Receipt;
use protocol::{Unverified, media};
use sha2::{Digest as _, Sha256};

use crate::papers::{DAY, NOW, Paper, number, signed_removal};
use crate::place::{PROVIDER, Place, Server};

#[tokio::test]
async fn a_mapping_is_published_found_replaced_and_withdrawn() {
    let place = Place::new();
    let server = Server::start(&place).await;
    assert_eq!(server.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    let first = Paper::of(1);
    server.publish_paper(&first).await;
    let found = server.lookup_one(&number(1)).await;
    assert_eq!((found.outcome, found.mappings), (Outcome::OneMapping, vec![first.bytes()]), "byte for byte");
    let second = Paper { seq: 2, tags: &["Default"], ..first };
    server.publish_paper(&second).await;
    assert_eq!(server.lookup_one(&number(1)).await.mappings, [second.bytes()]);
    server.publish_paper(&Paper::withdrawal(1, 3)).await;
    let gone = server.lookup_one(&number(1)).await;
    assert_eq!((gone.outcome, gone.mappings.len()), (Outcome::NeverMapped, 0));
    server.stop().await;
}

#[tokio::test]
async fn the_five_outcomes_are_told_apart_in_one_lookup() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper { msp: None, ..Paper::of(1) }).await;
    server.publish_paper(&Paper::of(2)).await;
    server.publish_paper(&Paper::of(3)).await;
    server.publish_paper(&Paper { msp: Some("b.example"), ..Paper::of(3) }).await;
    server.publish_paper(&Paper::of(4)).await;
    server.publish_paper(&Paper { holder: 2, ..Paper::of(4) }).await;
    let found = server.lookup((0..5).map(number).collect()).await;
    let outcomes: Vec<_> = found.iter().map(|entry| (entry.outcome.code(), entry.mappings.len())).collect();
    assert_eq!(outcomes, [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)]);
    server.stop().await;
}

#[tokio::test]
async fn a_lookup_for_one_provider_has_its_mappings_and_the_outcome_of_all() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    let wanted = Paper { msp: Some("b.example"), ..Paper::of(1) };
    server.publish_paper(&wanted).await;
    let ask = async |msp: &str| {
        let msp = Msp::from_domain(msp).unwrap();
        server.ask(&LookupRequest::new(vec![number(1)], Some(msp)).unwrap()).await.pop().unwrap()
    };
    let found = ask("b.example").await;
    assert_eq!((found.outcome, found.mappings), (Outcome::SeveralProviders, vec![wanted.bytes()]));
    let none = ask("c.example").await;
    assert_eq!((none.outcome, none.mappings.len()), (Outcome::SeveralProviders, 0));
    server.stop().await;
}

#[tokio::test]
async fn a_receipt_verifies_and_is_the_same_for_the_same_publication() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let paper = Paper::of(1);
    let response = server.publish(paper.bytes()).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["content-type"], media::RECEIPT);
    let receipt = Unverified::<Receipt>::parse(response.body()).unwrap().verify(server.store.receipt_key()).unwrap();
    let hash: [u8; 32] = Sha256::digest(paper.bytes()).into();
    let claims = receipt.document();
    assert_eq!((claims.provider.as_str(), claims.published_hash), (PROVIDER, hash));
    assert_eq!((claims.position.shard, claims.position.number, claims.issued_at), (0, 1, NOW));
    place.advance(DAY);
    let again = server.publish(paper.bytes()).await;
    assert_eq!((again.status(), again.body()), (StatusCode::OK, response.body()));
    server.stop().await;
    let server = Server::start(&place).await;
    let again = server.publish(paper.bytes()).await;
    assert_eq!((again.status(), again.body()), (StatusCode::OK, response.body()));
    server.stop().await;
}

#[tokio::test]
async fn the_issuer_removes_what_was_proven_before() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    server.publish_paper(&Paper { holder: 2, ..Paper::of(1) }).await;
    place.advance(DAY);
    let removal = signed_removal(&number(1), place.now());
    let removed = server.remove(removal.clone()).await;
    assert_eq!(removed.status(), StatusCode::CREATED);
    assert_eq!(server.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    let again = server.remove(removal).await;
    assert_eq!((again.status(), again.body()), (StatusCode::OK, removed.body()));
    server.publish_paper(&Paper { issued: place.now(), ..Paper::of(1) }).await;
    assert_eq!(server.lookup_one(&number(1)).await.outcome, Outcome::OneMapping);
    server.stop().await;
}

#[tokio::test]
async fn a_fresh_claim_ends_the_service_of_earlier_ones() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    place.advance(DAY);
    let fresh = Paper { holder: 2, fresh: true, issued: place.now(), ..Paper::of(1) };
    server.publish_paper(&fresh).await;
    assert_eq!(server.lookup_one(&number(1)).await.mappings, [fresh.bytes()]);
    server.stop().await;
}

#[tokio::test]
async fn expiry_acts_on_the_very_next_lookup_and_the_sweep_clears_up() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper { lifetime: DAY, ..Paper::of(1) }).await;
    place.advance(DAY);
    assert_eq!(server.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    assert_eq!(server.store.check().await.unwrap().live, 1);
    assert_eq!(server.store.sweep(100).await.unwrap(), 1);
    let checked = server.store.check().await.unwrap();
    assert_eq!((checked.live, checked.tombstones), (0, 1));
    place.advance(60 * DAY);
    assert_eq!(server.store.sweep(100).await.unwrap(), 1);
    let checked = server.store.check().await.unwrap();
    assert_eq!((checked.records, checked.entries), (0, 1), "the log keeps what was published");
    server.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let papers: Vec<_> = (0..50).map(Paper::of).collect();
    let mut receipts = Vec::new();
    for paper in &papers {
        receipts.push(server.publish_paper(paper).await);
    }
    server.publish_paper(&Paper::withdrawal(0, 2)).await;
    server.remove(signed_removal(&number(1), NOW.plus(DAY / 400))).await;
    let before = server.lookup((0..50).map(number).collect()).await;
    let log = server.get("/v1/changes").await.into_body();
    server.stop().await;
    let server = Server::start(&place).await;
    assert_eq!(server.lookup((0..50).map(number).collect()).await, before);
    assert_eq!(server.get("/v1/changes").await.into_body(), log);
    for (paper, receipt) in papers.iter().zip(receipts) {
        assert_eq!(server.publish(paper.bytes()).await.into_body(), receipt);
    }
    assert_eq!(server.store.check().await.unwrap().entries, 52);
    server.stop().await;
}
