//! What a lying or broken store answers, inside a capsule that is in order.

use client::Fault;
use client::lookup::Refused;
use http::StatusCode;
use protocol::lookup::Outcome;
use protocol::mapping::State;

use crate::fixtures::{HOLDER, cpi, document, number, signed};
use crate::server::{Manner, Server};

#[tokio::test]
async fn what_is_published_is_found_and_agreed_upon() {
    let server = Server::start().await;
    let documents = vec![document("mimi://a.example", &["Default"]), document("mimi://b.example", &["Business"])];
    server.publish(cpi(), documents);
    let found = server.client().lookup(&[cpi(), number(1)], |_| ()).await.unwrap();
    assert_eq!((found[0].outcome, found[0].mappings.len()), (Outcome::SeveralProviders, 2));
    assert_eq!((found[1].outcome, found[1].mappings.len()), (Outcome::NeverMapped, 0));
    assert!(found.iter().all(client::Found::agrees));
}

#[tokio::test]
async fn documents_that_do_not_belong_there_do_not_count() {
    let server = Server::start().await;
    let of = |seq, state| signed(&cpi(), HOLDER, "mimi://a.example", &[], seq, state);
    for (documents, mappings, refused) in [
        (vec![signed(&number(1), HOLDER, "mimi://a.example", &[], 1, State::Live)], 0, Refused::OtherCpi),
        (vec![of(1, State::Withdrawn)], 0, Refused::Withdrawn),
        (vec![of(1, State::Live), of(2, State::Live)], 1, Refused::Replaced),
        (vec![of(2, State::Live), of(1, State::Live)], 1, Refused::Replaced),
    ] {
        server.always(Manner::Documents(Outcome::OneMapping, documents));
        let found = server.client().lookup(&[cpi()], |_| ()).await.unwrap().remove(0);
        assert_eq!((found.mappings.len(), found.refused.as_slice()), (mappings, &[refused][..]));
        assert!(found.mappings.iter().all(|mapping| mapping.mapping().seq == 2));
        assert!(!found.agrees());
    }
}

#[tokio::test]
async fn an_answer_for_another_number_of_identifiers_is_refused() {
    let server = Server::start().await;
    for manner in [Manner::OneTooMany, Manner::NoAnswer] {
        server.always(manner);
        let error = server.client().lookup(&[cpi()], |_| ()).await.unwrap_err();
        assert_eq!((error.fault, error.is_passing()), (Fault::Store, false));
        assert!(!error.to_string().contains("1415"), "no identifier in an error");
    }
}

#[tokio::test]
async fn errors_of_the_store_arrive_through_the_capsule() {
    let server = Server::start().await;
    server.always(Manner::Store(StatusCode::SERVICE_UNAVAILABLE, Some("7")));
    let error = server.client().lookup(&[cpi()], |_| ()).await.unwrap_err();
    assert_eq!((error.fault, error.retry_after.map(|after| after.as_secs())), (Fault::Store, Some(7)));
}
