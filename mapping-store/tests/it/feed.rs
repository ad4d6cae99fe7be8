//! The change feed: order, bounds, waiting; and what the admin endpoint shows.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Response, StatusCode};
use protocol::cbor::{self, Value};
use protocol::problem::ProblemType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::papers::{DAY, Paper, number, signed_removal};
use crate::place::{Place, Server, refused};

/// A plain HTTP/1.1 request, for the admin listener.
pub(crate) async fn plain_get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// `[shard, number, kind, document]` of each entry.
pub(crate) fn entries(response: &Response<Bytes>) -> Vec<(u64, u64, u64, Vec<u8>)> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/cbor-seq");
    let (mut rest, mut entries) = (&response.body()[..], Vec::new());
    while !rest.is_empty() {
        let (item, after) = cbor::split_first(rest, 8192).unwrap();
        let Value::Array(items) = cbor::decode(item, 8192).unwrap() else { panic!("an array") };
        let [shard, number, kind, document] = <[Value; 4]>::try_from(items).unwrap();
        let unsigned = |value: Value| u64::try_from(value.as_integer().unwrap()).unwrap();
        entries.push((unsigned(shard), unsigned(number), unsigned(kind), document.into_bytes().unwrap()));
        rest = after;
    }
    entries
}

#[tokio::test]
async fn the_feed_has_everything_in_order() {
    let place = Place::new();
    let server = Server::start(&place).await;
    assert_eq!(entries(&server.get("/v1/changes").await), []);
    let mut expected = Vec::new();
    for n in 0..5 {
        server.publish_paper(&Paper::of(n)).await;
        expected.push((0, u64::from(n) + 1, 0, Paper::of(n).bytes()));
    }
    place.advance(DAY);
    let removal = signed_removal(&number(2), place.now());
    server.remove(removal.clone()).await;
    expected.push((0, 6, 1, removal));
    let all = server.get("/v1/changes").await;
    assert_eq!(all.headers()["mimi-log-head"], "6");
    assert_eq!(entries(&all), expected);
    assert_eq!(entries(&server.get("/v1/changes?shard=0&after=4").await), expected[4..]);
    assert_eq!(entries(&server.get("/v1/changes?after=6").await), []);
    refused(&server.get("/v1/changes?shard=1").await, ProblemType::NotFound);
    for query in ["after=x", "wait=31", "from=1", "after=1&after=2"] {
        refused(&server.get(&format!("/v1/changes?{query}")).await, ProblemType::Malformed);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_may_wait_for_what_comes_next() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    let waiting = {
        let (http, uri) = (server.http.clone(), server.uri("/v1/changes?after=1&wait=30"));
        tokio::spawn(async move { http.get(&uri, "*/*").await.unwrap() })
    };
    server.publish_paper(&Paper::of(2)).await;
    assert_eq!(entries(&waiting.await.unwrap()), [(0, 2, 0, Paper::of(2).bytes())]);
    server.stop().await;
}

/// A drain does not wait for readers that wait for news.
#[tokio::test]
async fn a_waiting_reader_is_sent_away_at_shutdown() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let waiting = {
        let (http, uri) = (server.http.clone(), server.uri("/v1/changes?wait=30"));
        tokio::spawn(async move { http.get(&uri, "*/*").await })
    };
    // Another request on the same connection: the one that waits has been sent before it.
    server.get("/v1/changes").await;
    server.stop().await;
    if let Ok(answer) = waiting.await.unwrap() {
        assert_eq!(entries(&answer), []);
    }
}

#[tokio::test]
async fn the_provider_describes_itself() {
    let place = Place::new();
    let server = Server::start(&place).await;
    let description = server.get("/.well-known/mimi-discovery-provider").await;
    let description: serde_json::Value = serde_json::from_slice(description.body()).unwrap();
    assert_eq!(description["provider"], crate::place::PROVIDER);
    assert_eq!(description["receipt_key"], hex::encode(server.store.receipt_key().as_bytes()));
    assert_eq!(description["log_shards"], 1);
    server.stop().await;
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    server.lookup_one(&number(1)).await;
    server.publish(b"x".to_vec()).await;
    for name in [
        "mapping_store_publications_total",
        "mapping_store_lookups_total",
        "mapping_store_sync_seconds_count",
        "mapping_store_group_publications_count",
        "mapping_store_log_head",
        "mapping_store_live_mappings",
        "mapping_store_tombstones",
        "mapping_store_engine_memory_bytes",
    ] {
        assert!(server.metric(name).await.is_some(), "{name}");
    }
    let text = plain_get(server.admin, "/metrics").await;
    for outcome in ["new", "malformed"] {
        assert!(text.contains(&format!("mapping_store_publications_total{{outcome=\"{outcome}\"}}")), "{outcome}");
    }
    server.stop().await;
}

/// The feed holds every identifier: neither a stranger nor an MSP reads it.
#[tokio::test]
async fn the_feed_is_for_followers_alone() {
    let place = Place::new();
    let server = Server::start(&place).await;
    server.publish_paper(&Paper::of(1)).await;
    for name in [None, Some("b.example"), Some("gateway.example")] {
        let answer = place.client(name).get(&server.uri("/v1/changes"), "*/*").await.unwrap();
        refused(&answer, ProblemType::NotAFollower);
    }
    assert_eq!(entries(&server.get("/v1/changes").await).len(), 1);
    server.stop().await;
}
