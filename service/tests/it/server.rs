//! The server under test: `/` greets, `/long` answers at length, `/wait` waits at a gate, `/stuck` never answers.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;

use service::{CancellationToken, Drained, Listener, ListenerConfig, Peer, TlsReloader, serve};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use crate::harness::{Gate, in_time};

/// The length of what `/long` answers.
pub(crate) const LONG_BYTES: usize = 640 * 1024;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tls: Option<TlsReloader>,
    pub(crate) shutdown: CancellationToken,
    serving: JoinHandle<Drained>,
}

impl Server {
    pub(crate) async fn start(config: &ListenerConfig) -> Self {
        let listener = Listener::bind(config).await.unwrap();
        let (address, tls) = (listener.local_addr(), listener.tls_reloader());
        let (gate, shutdown) = (Arc::new(Gate::new()), CancellationToken::new());
        let at = Arc::clone(&gate);
        let service = service_fn(move |request: Request<Incoming>| {
            let gate = Arc::clone(&at);
            async move {
                match request.uri().path() {
                    "/wait" => gate.pass().await,
                    "/stuck" => {
                        gate.pass().await;
                        pending().await
                    }
                    _ => {}
                }
                Ok::<_, Infallible>(greeting(&request))
            }
        });
        let serving = tokio::spawn(serve(listener, service, shutdown.clone()));
        Self { address, gate, tls, shutdown, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Waits for the end of the drain.
    pub(crate) async fn drained(self) -> Drained {
        in_time(self.serving).await.unwrap()
    }
}

/// `hello`, or at length, and in `x-peer` the names in the client's certificate.
fn greeting(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let peer = request.extensions().get::<Peer>().unwrap();
    assert!(peer.address.ip().is_loopback());
    let names = peer.certificate.as_ref().map_or("none".to_owned(), |certificate| certificate.dns_names().join(","));
    let version = format!("{:?}", request.version());
    let content = if request.uri().path() == "/long" { vec![7; LONG_BYTES].into() } else { "hello".into() };
    Response::builder().header("x-peer", names).header("x-version", version).body(Full::new(content)).unwrap()
}

/// Asks on an open HTTP/1.1 connection and keeps it open; `None` if the server closes it instead of greeting.
pub(crate) async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        if in_time(stream.read_buf(&mut answer)).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8(answer).unwrap())
}

/// What comes until the server closes the connection.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset closes as well.
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}
