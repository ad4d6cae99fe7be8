//! What a hostile or broken peer cannot do.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use service::{Bounds, ClientCertificates, ListenerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Authority, Client, eventually, in_time, whole};
use crate::server::{LONG_BYTES, Server, ask, until_closed};

/// Long enough that a test in which it mattered would fail by its deadline.
const FOREVER_MS: u64 = 24 * 3600 * 1000;
const SHORT_MS: u64 = 100;

pub(crate) fn patient() -> Bounds {
    Bounds {
        tls_handshake_timeout_ms: FOREVER_MS,
        header_timeout_ms: FOREVER_MS,
        idle_timeout_ms: FOREVER_MS,
        drain_timeout_ms: FOREVER_MS,
        ..Bounds::default()
    }
}

pub(crate) async fn start(bounds: Bounds) -> Server {
    Server::start(&ListenerConfig { bounds, ..ListenerConfig::loopback() }).await
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let server = start(Bounds { header_timeout_ms: SHORT_MS, ..patient() }).await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.exam").await.unwrap();
    assert!(!until_closed(&mut stream).await.contains("hello"));
    assert!(ask(&mut connect(&server).await).await.is_some());
}

#[tokio::test]
async fn a_silent_tls_handshake_is_cut_off() {
    let authority = Authority::new();
    let tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let bounds = Bounds { tls_handshake_timeout_ms: SHORT_MS, ..patient() };
    let server = Server::start(&ListenerConfig { tls: Some(tls), bounds, ..ListenerConfig::loopback() }).await;
    assert_eq!(until_closed(&mut connect(&server).await).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let server = start(Bounds { idle_timeout_ms: SHORT_MS, ..patient() }).await;
    let client = Client::http1(&Authority::new().client_tls(None));
    let url = server.url("/wait");
    let busy = tokio::spawn(async move { client.fetch(&url).await.unwrap() });
    server.gate.arrival().await;
    // Closed for being idle, so the busy one has been at it for longer than that.
    assert_eq!(until_closed(&mut connect(&server).await).await, "");
    let mut used = connect(&server).await;
    assert!(ask(&mut used).await.is_some());
    assert_eq!(until_closed(&mut used).await, "");
    server.gate.release();
    assert_eq!(busy.await.unwrap().body(), "hello");
}

#[tokio::test]
async fn an_answer_over_http_2_goes_on_as_long_as_it_is_taken_and_no_longer() {
    let authority = Authority::new();
    let tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let bounds = Bounds { idle_timeout_ms: 10 * SHORT_MS, drain_timeout_ms: SHORT_MS, ..patient() };
    let server = Server::start(&ListenerConfig { tls: Some(tls), bounds, ..ListenerConfig::loopback() }).await;
    let trust = authority.client_tls(None);
    let answer_to = async |client: Client| {
        let request = Request::get(server.url("/long")).body(whole("")).unwrap();
        client.begin(request).await.unwrap().into_body()
    };
    let mut slow = answer_to(Client::http2_with_window(&trust, 16 * 1024)).await;
    let mut taken = 0;
    while let Some(frame) = in_time(slow.frame()).await {
        taken += frame.unwrap().into_data().unwrap().len();
        // Forty times at least: all of it takes four times as long as a connection may be idle.
        tokio::time::sleep(Duration::from_millis(SHORT_MS)).await;
    }
    assert_eq!(taken, LONG_BYTES);
    let unread = answer_to(Client::http2_that_reads_nothing(&trust)).await;
    assert!(in_time(unread.collect()).await.is_err());
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let server = start(Bounds { max_connections_per_address: 2, ..patient() }).await;
    let (mut first, mut second) = (connect(&server).await, connect(&server).await);
    assert!(ask(&mut first).await.is_some() && ask(&mut second).await.is_some());
    assert_eq!(ask(&mut connect(&server).await).await, None);
    drop(first);
    eventually(|| async { ask(&mut connect(&server).await).await }).await;
    assert!(ask(&mut second).await.is_some());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let server = start(Bounds { max_connections: 1, ..patient() }).await;
    let mut first = connect(&server).await;
    assert!(ask(&mut first).await.is_some());
    let mut second = connect(&server).await;
    let waiting = tokio::spawn(async move { ask(&mut second).await });
    assert!(ask(&mut first).await.is_some());
    assert!(!waiting.is_finished());
    drop(first);
    assert!(waiting.await.unwrap().is_some());
}

#[tokio::test]
async fn a_head_has_a_size_and_a_number_of_fields() {
    let server = start(Bounds { max_header_bytes: 8192, max_headers: 10, ..patient() }).await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(10_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: a\r\n".repeat(11));
    for head in [long, many] {
        let mut stream = connect(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut stream = connect(&server).await;
    stream.write_all(format!("GET / HTTP/1.1\r\n{}\r\n", "x: a\r\n".repeat(10)).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(until_closed(&mut stream).await.contains("hello"));
}
