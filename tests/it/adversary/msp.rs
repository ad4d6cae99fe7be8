//! A lying MSP: it carries everything between its users, the prover and the store. That it can put no key of its own into the
//! handshake is shown beside it: `enrollment::r01_…` here, `requirements::r01_…` at the prover.

use client::Fault;
use client::enrollment::Wish;
use client::msp::StoreConnection;
use discovery::enroll::now;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::lookup::Outcome;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::receipt::{Position, Receipt};
use protocol::{Signed, SigningKey};

use crate::scene::{Scene, key, wish};

const NUMBER: &str = "tel:+14155550132";

fn store(scene: &Scene) -> StoreConnection {
    let receipt_key = scene.desk("a.example").trust().provider.receipt_key;
    StoreConnection::new(scene.http(None), &scene.description().store_url, receipt_key)
}

/// Prevented: documents that the user has replaced or withdrawn are published again, and nothing comes of it.
#[tokio::test(flavor = "multi_thread")]
async fn old_documents_bring_nothing_back() {
    let scene = Scene::start().await;
    let (desk, ann) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &ann, &scene.codes()).await.unwrap();
    let (first, _) = desk.publish(&enrolled, wish("a.example", 1), &ann).await.unwrap();
    let tags = Tags::new(["Business"]).unwrap();
    let (second, _) = desk.publish(&enrolled, Wish { tags, ..wish("a.example", 2) }, &ann).await.unwrap();
    store(&scene).publish(&first).await.unwrap();
    assert_eq!(
        scene.look_up(NUMBER).await.mappings[0].bytes(),
        second,
        "the same octets have their receipt, and no more"
    );
    desk.publish(&enrolled, Wish { state: State::Withdrawn, ..wish("a.example", 3) }, &ann).await.unwrap();
    for old in [&first, &second] {
        store(&scene).publish(old).await.unwrap();
        assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::NeverMapped);
    }
    // One that was signed and never published, as it would be if the MSP kept it back.
    let kept_back = enrolled.map(wish("a.example", 2), &ann, now()).unwrap();
    let problem = store(&scene).publish(&kept_back).await.unwrap_err().problem.unwrap();
    assert_eq!((problem.problem_type, problem.current_seq), (ProblemType::StaleSequence, Some(3)));
}

/// Prevented: with the user's credential, but without the user's key, the MSP maps the user neither to itself nor elsewhere, and
/// does not withdraw what the user has.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_alone_maps_and_withdraws_nothing() {
    let scene = Scene::start().await;
    let ann = key();
    let enrolled = scene.publish("a.example", NUMBER, &ann).await;
    let honest = scene.look_up(NUMBER).await;
    let msps = key();
    let claims = honest.mappings[0].mapping().clone();
    let elsewhere = Reachability::At { msp: Msp::from_domain("b.example").unwrap(), psi: None };
    for (state, reachability) in [
        (State::Withdrawn, claims.reachability.clone()),
        (State::Live, elsewhere),
        (State::Live, Reachability::Nowhere),
    ] {
        let mapping = protocol::mapping::Mapping { seq: 2, state, reachability, ..claims.clone() };
        let forged = VerifiedMapping::encode(enrolled.credential(), &Signed::sign(mapping, &msps));
        let problem = store(&scene).publish(&forged).await.unwrap_err().problem.unwrap();
        assert_eq!(problem.problem_type, ProblemType::InvalidSignature);
    }
    assert_eq!(scene.look_up(NUMBER).await.mappings, honest.mappings);
}

/// Detected by the receipt: a publication that the MSP keeps back, or says it has made.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_was_not_made_has_no_receipt() {
    let scene = Scene::start().await;
    let (desk, ann) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &ann, &scene.codes()).await.unwrap();
    let (_, other) = desk.publish(&enrolled, wish("a.example", 1), &ann).await.unwrap();
    let receipt_key = desk.trust().provider.receipt_key;
    let to_publish = || enrolled.sign(wish("a.example", 2), &ann, now()).unwrap();
    let made_up = |by: &SigningKey| {
        let published_hash = to_publish().hash();
        let position = Position { shard: 0, number: 2 };
        let receipt = Receipt { provider: "provider.example".to_owned(), published_hash, position, issued_at: now() };
        Signed::sign(receipt, by).bytes().to_vec()
    };
    for receipt in [other.bytes().to_vec(), made_up(&key()), made_up(&ann), Vec::new()] {
        let error = to_publish().published(&receipt, &receipt_key).unwrap_err();
        assert_eq!(error.fault, Fault::Store);
    }
    assert_eq!(scene.look_up(NUMBER).await.mappings[0].mapping().seq, 1, "it was not made");
    // And a lookup of oneself, through a relay that the MSP does not run, shows what stands.
    let made = to_publish();
    let receipt = store(&scene).publish(made.bytes()).await.unwrap();
    let bytes = made.bytes().to_vec();
    made.published(receipt.bytes(), &receipt_key).unwrap();
    assert_eq!(scene.look_up(NUMBER).await.mappings[0].bytes(), bytes);
}

/// Prevented: an MSP reads no change feed and looks nobody up but through a relay, like everybody.
#[tokio::test(flavor = "multi_thread")]
async fn an_msps_certificate_opens_no_other_door() {
    let scene = Scene::start().await;
    let stack = scene.description();
    let own = (std::fs::read(&stack.msp_cert).unwrap(), std::fs::read(&stack.msp_key).unwrap());
    let http = scene.http(Some(own));
    let feed = http.get(&format!("{}/v1/changes", stack.store_url).parse().unwrap(), "*/*").await.unwrap();
    assert_eq!(feed.status(), http::StatusCode::FORBIDDEN);
    let lookup = format!("{}/v1/lookup", stack.store_url).parse().unwrap();
    let question = protocol::lookup::LookupRequest::new(vec![Cpi::parse(NUMBER).unwrap()], None).unwrap();
    let answer = http.post(&lookup, "application/cbor", question.encode().into()).await.unwrap();
    assert_eq!(answer.status(), http::StatusCode::FORBIDDEN);
}
