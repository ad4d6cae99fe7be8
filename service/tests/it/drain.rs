//! Shutdown: what is under way finishes, or is cut off in the end.

use service::{Bounds, ClientCertificates, Drained, ListenerConfig};
use tokio::net::TcpStream;

use crate::harness::{Authority, Client, eventually};
use crate::server::{Server, ask, until_closed};

/// A server, and clients of both versions of HTTP.
async fn scene(drain_timeout_ms: u64) -> (Server, [Client; 2]) {
    let authority = Authority::new();
    let tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let bounds = Bounds { drain_timeout_ms, ..Bounds::default() };
    let server = Server::start(&ListenerConfig { tls: Some(tls), bounds, ..ListenerConfig::loopback() }).await;
    let trust = authority.client_tls(None);
    (server, [Client::http1(&trust), Client::http2(&trust)])
}

/// Nothing comes in any more.
async fn refuses(server: &Server) {
    eventually(|| async { TcpStream::connect(server.address).await.is_err().then_some(()) }).await;
}

#[tokio::test]
async fn a_request_under_way_finishes() {
    let (server, clients) = scene(3_600_000).await;
    let url = server.url("/wait");
    let requests = clients.map(|client| {
        let url = url.clone();
        tokio::spawn(async move { client.fetch(&url).await.unwrap() })
    });
    for _ in 0..2 {
        server.gate.arrival().await;
    }
    server.shutdown.cancel();
    refuses(&server).await;
    for _ in 0..2 {
        server.gate.release();
    }
    for request in requests {
        assert_eq!(request.await.unwrap().body(), "hello");
    }
    assert_eq!(server.drained().await, Drained { finished: 2, cut_off: 0 });
}

#[tokio::test]
async fn a_stuck_request_is_cut_off() {
    let (server, clients) = scene(100).await;
    let url = server.url("/stuck");
    let requests = clients.map(|client| {
        let url = url.clone();
        tokio::spawn(async move { client.fetch(&url).await.is_err() })
    });
    for _ in 0..2 {
        server.gate.arrival().await;
    }
    server.shutdown.cancel();
    assert_eq!(server.drained().await, Drained { finished: 0, cut_off: 2 });
    for request in requests {
        assert!(request.await.unwrap());
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_drain_up() {
    let bounds = Bounds { drain_timeout_ms: 3_600_000, ..Bounds::default() };
    let server = Server::start(&ListenerConfig { bounds, ..ListenerConfig::loopback() }).await;
    let mut used = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut used).await.is_some());
    server.shutdown.cancel();
    assert_eq!(until_closed(&mut used).await, "");
    assert_eq!(server.drained().await, Drained { finished: 1, cut_off: 0 });
}

/// HTTP/1.1 has no way to say that a request will not be answered: whoever sent one as the service began to stop gets its answer.
#[tokio::test]
async fn requests_on_their_way_are_answered() {
    let bounds = Bounds { drain_timeout_ms: 3_600_000, ..Bounds::default() };
    let server = Server::start(&ListenerConfig { bounds, ..ListenerConfig::loopback() }).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        assert!(ask(&mut connection).await.is_some());
        connections.push(connection);
    }
    // Nothing else runs in between.
    server.shutdown.cancel();
    for connection in &connections {
        connection.try_write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    }
    for connection in &mut connections {
        let answer = until_closed(connection).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(server.drained().await, Drained { finished: 20, cut_off: 0 });
}
