//! A displaced holder learns that it was displaced, and not by whom.

use http::StatusCode;
use protocol::conflict::{ConflictNotice, ConflictQuery};
use protocol::problem::ProblemType;
use protocol::{Signed, Unverified, media};

use crate::papers::{DAY, Paper, key, number, signed_removal};
use crate::place::{PROVIDER, Place, Server, refused};

fn query(place: &Place, n: u32, holder: u8) -> ConflictQuery {
    ConflictQuery {
        cpi: number(n),
        provider: PROVIDER.to_owned(),
        user_key: key(holder).public(),
        issued_at: place.now(),
    }
}

async fn ask(server: &Server, query: ConflictQuery, by: u8) -> http::Response<bytes::Bytes> {
    server.post("/v1/conflicts", media::CONFLICT_QUERY, Signed::sign(query, &key(by)).bytes().to_vec()).await
}

async fn notice(place: &Place, server: &Server, n: u32, holder: u8) -> (ConflictNotice, Vec<u8>) {
    let answer = ask(server, query(place, n, holder), holder).await;
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].as_bytes()),
        (StatusCode::OK, media::CONFLICT_NOTICE.as_bytes())
    );
    let notice = Unverified::<ConflictNotice>::parse(answer.body()).unwrap();
    let notice = notice.verify(server.store.receipt_key()).unwrap();
    (notice.document().clone(), notice.bytes().to_vec())
}

#[tokio::test]
async fn both_ways_of_displacement_look_the_same_and_outlive_a_restart() {
    let place = Place::new();
    let server = Server::start(&place).await;
    for n in [1, 2] {
        server.publish_paper(&Paper::of(n)).await;
        refused(&ask(&server, query(&place, n, 1), 1).await, ProblemType::NotFound);
    }
    place.advance(DAY);
    let displaced_at = place.now();
    let claimant = Paper { holder: 2, fresh: true, issued: displaced_at, ..Paper::of(1) };
    server.publish_paper(&claimant).await;
    assert_eq!(server.remove(signed_removal(&number(2), displaced_at)).await.status(), StatusCode::CREATED);
    place.advance(DAY);
    let (by_claim, bytes) = notice(&place, &server, 1, 1).await;
    let expected = ConflictNotice {
        provider: PROVIDER.to_owned(),
        cpi: number(1),
        holder: key(1).public().thumbprint(),
        displaced_at,
        issued_at: place.now(),
    };
    assert_eq!(by_claim, expected);
    for trace in [key(2).public().as_bytes(), key(2).public().thumbprint().as_bytes()] {
        assert!(!bytes.windows(32).any(|window| window == trace), "the notice names the claimant");
    }
    let (by_removal, other) = notice(&place, &server, 2, 1).await;
    assert_eq!(by_removal, ConflictNotice { cpi: number(2), ..expected.clone() });
    assert_eq!(bytes.len(), other.len());
    server.stop().await;
    let server = Server::start(&place).await;
    assert_eq!(notice(&place, &server, 1, 1).await.0, expected);
    server.stop().await;
}

#[tokio::test]
async fn only_the_displaced_key_gets_a_notice() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    place.advance(DAY);
    server.publish_paper(&Paper { holder: 2, fresh: true, issued: place.now(), ..Paper::of(1) }).await;
    refused(&ask(&server, query(&place, 1, 2), 2).await, ProblemType::NotFound);
    refused(&ask(&server, query(&place, 1, 1), 2).await, ProblemType::InvalidSignature);
    refused(&ask(&server, query(&place, 9, 1), 1).await, ProblemType::NotFound);
    let other = ConflictQuery { provider: "other.example".to_owned(), ..query(&place, 1, 1) };
    refused(&ask(&server, other, 1).await, ProblemType::Mismatch);
    let recorded = query(&place, 1, 1);
    place.advance(DAY);
    refused(&ask(&server, recorded.clone(), 1).await, ProblemType::Expired);
    let ahead = ConflictQuery { issued_at: place.now().plus(DAY), ..recorded };
    refused(&ask(&server, ahead, 1).await, ProblemType::NotYetValid);
    refused(&server.post("/v1/conflicts", media::CONFLICT_QUERY, "x").await, ProblemType::Malformed);
    refused(&server.post("/v1/conflicts", media::CONFLICT_NOTICE, "x").await, ProblemType::UnsupportedMediaType);
    refused(&server.post("/v1/conflicts", media::CONFLICT_QUERY, vec![0; 3000]).await, ProblemType::TooLarge);
    server.stop().await;
}
