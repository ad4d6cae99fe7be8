//! Connections of HTTP/1.1 between requests: they are put to rest, and nothing is lost by it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{Bounds, CancellationToken, ClientCertificates, Drained, Listener, ListenerConfig, serve};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::bounds::{patient, start};
use crate::harness::{Authority, Content, in_time, whole, written_bit_by_bit};
use crate::server::{Server, ask, until_closed};

/// After so long a connection is at rest.
const REST_MS: u64 = 20;
/// Much longer, and longer than a head may take.
const LONG: Duration = Duration::from_millis(3000);
const HEAD_MS: u64 = 2000;

fn restless() -> Bounds {
    Bounds { header_timeout_ms: HEAD_MS, rest_after_ms: REST_MS, ..patient() }
}

/// It is kept for longer than a head may take: so it was not waiting for one.
async fn is_kept(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    for _ in 0..2 {
        assert!(ask(stream).await.is_some());
        tokio::time::sleep(LONG).await;
    }
    assert!(ask(stream).await.is_some());
}

#[tokio::test]
async fn a_kept_connection_is_there_for_the_next_request() {
    let server = start(restless()).await;
    is_kept(&mut TcpStream::connect(server.address).await.unwrap()).await;
}

#[tokio::test]
async fn a_kept_connection_with_tls_is_there_for_the_next_request() {
    let authority = Authority::new();
    let tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let config = ListenerConfig { tls: Some(tls), bounds: restless(), ..ListenerConfig::loopback() };
    let server = Server::start(&config).await;
    for alpn in [vec![b"http/1.1".to_vec()], Vec::new()] {
        let mut tls = authority.client_tls(None).load().unwrap();
        tls.alpn_protocols = alpn;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = rustls::pki_types::ServerName::from(server.address.ip());
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
        is_kept(&mut stream).await;
    }
}

#[tokio::test]
async fn one_that_is_silent_for_too_long_is_closed() {
    let server = start(Bounds { idle_timeout_ms: 10 * REST_MS, ..restless() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut stream).await.is_some());
    assert_eq!(until_closed(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_pauses_is_neither_lost_nor_given_more_time() {
    let server = start(Bounds { header_timeout_ms: 20_000, ..restless() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut stream).await.is_some());
    tokio::time::sleep(LONG / 10).await;
    for part in ["G", "ET / HT", "TP/1.1\r\nhost: a.exa"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(LONG / 10).await;
    }
    stream.write_all(b"mple\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut stream).await.ends_with("hello"));

    let server = start(restless()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut stream).await.is_some());
    tokio::time::sleep(LONG / 10).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.exa").await.unwrap();
    assert!(!until_closed(&mut stream).await.contains("hello"));
}

#[tokio::test]
async fn both_versions_of_http_are_told_apart_by_their_first_octets() {
    let server = start(restless()).await;
    for (parts, answer) in [
        (["P", "R", "I * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"], b"\0\0".as_slice()),
        (["P", "R", "OPFIND / HTTP/1.1\r\nhost: a\r\n\r\n"], b"HTTP/1.1 200"),
        (["", "P", "OST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"], b"HTTP/1.1 200"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for part in parts {
            stream.write_all(part.as_bytes()).await.unwrap();
            tokio::time::sleep(LONG / 30).await;
        }
        let mut found = vec![0; answer.len()];
        in_time(stream.read_exact(&mut found)).await.unwrap();
        assert_eq!(found, answer);
    }
}

#[tokio::test]
async fn at_shutdown_a_connection_at_rest_is_answered_if_it_asks_and_closed_if_not() {
    let server = start(restless()).await;
    let mut asking = TcpStream::connect(server.address).await.unwrap();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut asking).await.is_some() && ask(&mut silent).await.is_some());
    tokio::time::sleep(LONG / 10).await;
    server.shutdown.cancel();
    asking.try_write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert!(until_closed(&mut asking).await.ends_with("hello"));
    assert_eq!(until_closed(&mut silent).await, "");
    assert_eq!(server.drained().await, Drained { finished: 2, cut_off: 0 });
}

/// Answers `/early` without reading the body, `/slow` as slowly as the test wants, and `/large` with more than a socket takes; notes
/// each path.
struct Answering {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
    slow: Arc<Mutex<Option<mpsc::Sender<Bytes>>>>,
}

const LARGE: usize = 32 << 20;

impl Answering {
    async fn start() -> Self {
        let listener =
            Listener::bind(&ListenerConfig { bounds: restless(), ..ListenerConfig::loopback() }).await.unwrap();
        let server = Self { address: listener.local_addr(), paths: Arc::default(), slow: Arc::default() };
        let (noted, sender) = (Arc::clone(&server.paths), Arc::clone(&server.slow));
        let service = service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path().to_owned();
            let body: Content = match path.as_str() {
                "/slow" => {
                    let (writer, body) = written_bit_by_bit();
                    *sender.lock().unwrap() = Some(writer);
                    body
                }
                "/large" => whole(vec![7; LARGE]),
                _ => whole("hello"),
            };
            noted.lock().unwrap().push(path);
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        tokio::spawn(serve(listener, service, CancellationToken::new()));
        server
    }

    async fn connect(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn what_is_left_of_a_body_is_never_taken_for_a_request() {
    let server = Answering::start().await;
    let mut stream = server.connect("POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nbegins").await;
    let mut answer = vec![0; 12];
    in_time(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    for _ in 0..5 {
        tokio::time::sleep(LONG / 30).await;
        // Closed by then, as it should be.
        let _ = stream.write_all(b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n").await;
    }
    until_closed(&mut stream).await;
    assert_eq!(server.paths(), ["/early"]);
}

#[tokio::test]
async fn an_answer_that_is_not_read_for_a_while_comes_whole() {
    let server = Answering::start().await;
    let mut stream = server.connect("GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    tokio::time::sleep(LONG / 10).await;
    assert!(until_closed(&mut stream).await.ends_with(&"\u{7}".repeat(LARGE)));
}

#[tokio::test]
async fn an_answer_that_pauses_comes_whole() {
    let server = Answering::start().await;
    let mut stream = server.connect("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let writer = crate::harness::eventually(|| async { server.slow.lock().unwrap().take() }).await;
    for part in ["one", "two", "three"] {
        tokio::time::sleep(LONG / 30).await;
        writer.send(Bytes::from_static(part.as_bytes())).await.unwrap();
    }
    drop(writer);
    let mut answer = Vec::new();
    while !answer.ends_with(b"0\r\n\r\n") {
        assert!(in_time(stream.read_buf(&mut answer)).await.unwrap() > 0);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.ends_with("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"), "{answer}");
    stream.write_all(b"GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut stream).await.ends_with("hello"));
    assert_eq!(server.paths(), ["/slow", "/next"]);
}
