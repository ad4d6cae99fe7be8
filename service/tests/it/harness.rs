//! Certificates as files, an HTTP client, bodies and waiting: shared by the integration tests of `service`, `relay` and `gateway`.

#![allow(dead_code, reason = "each of the three test binaries uses a part of it")]

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use service::{ClientCertificates, ClientTlsConfig, TlsConfig};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

use crate::authority;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
pub(crate) type Content = BoxBody<Bytes, BoxError>;

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Fails the test if `future` does not end.
pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("this should have ended long ago")
}

/// Tries again and again until there is something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(mut attempt: impl FnMut() -> F) -> T {
    in_time(async {
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}

/// A loopback address (and port 0) that no other test of this process uses: a server can go and come back at its port.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    SocketAddr::from(([127, 77, 0, NEXT.fetch_add(1, Ordering::SeqCst)], 0))
}

/// A certificate authority whose files go with it.
pub(crate) struct Authority {
    folder: TempDir,
    inner: authority::Authority,
}

/// A certificate and its key, as files.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let (folder, inner) = (tempfile::tempdir().unwrap(), authority::Authority::new());
        std::fs::write(folder.path().join("ca.pem"), inner.pem()).unwrap();
        Self { folder, inner }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.inner.certificate().der()
    }

    /// A certificate for both ends of a connection.
    pub(crate) fn issue(&self, label: &str, names: &[&str]) -> Identity {
        let certified = self.inner.certify(names);
        let (certificate, key) = certified.write(self.folder.path(), label);
        Identity { certificate, key, der: certified.parsed.der().clone() }
    }

    /// A certificate for a server on loopback.
    pub(crate) fn issue_server(&self, label: &str) -> Identity {
        self.issue(label, &["127.0.0.1"])
    }

    /// TLS of a server that asks its clients for certificates of this authority, or not.
    pub(crate) fn server_tls(&self, identity: &Identity, client_certificates: ClientCertificates) -> TlsConfig {
        TlsConfig {
            certificate: identity.certificate.clone(),
            key: identity.key.clone(),
            client_ca: (client_certificates != ClientCertificates::None).then(|| self.file()),
            client_certificates,
            allow_tls12: false,
        }
    }

    /// TLS of a client that trusts this authority.
    pub(crate) fn client_tls(&self, identity: Option<&Identity>) -> ClientTlsConfig {
        ClientTlsConfig {
            ca: Some(self.file()),
            certificate: identity.map(|identity| identity.certificate.clone()),
            key: identity.map(|identity| identity.key.clone()),
        }
    }
}

/// An HTTP client with a pool of its own.
#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpsConnector<HttpConnector>, Content>);

impl Client {
    /// HTTP/2 with TLS.
    pub(crate) fn http2(tls: &ClientTlsConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.load().unwrap());
        Self::new(tls.https_only().enable_http2().wrap_connector(tcp))
    }

    /// HTTP/2 with TLS, by a client that takes the heads of answers and nothing of their bodies.
    pub(crate) fn http2_that_reads_nothing(tls: &ClientTlsConfig) -> Self {
        Self::http2_with_window(tls, 0)
    }

    /// HTTP/2 with TLS, by a client that lets so many octets of an answer come before it has read them.
    pub(crate) fn http2_with_window(tls: &ClientTlsConfig, octets: u32) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.load().unwrap());
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.http2_initial_stream_window_size(octets);
        Self(builder.build(tls.https_only().enable_http2().wrap_connector(tcp)))
    }

    /// HTTP/1.1, with TLS or without.
    pub(crate) fn http1(tls: &ClientTlsConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.load().unwrap());
        Self::new(tls.https_or_http().enable_http1().wrap_connector(tcp))
    }

    fn new(connector: HttpsConnector<HttpConnector>) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self(client)
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn begin(&self, request: Request<Content>) -> Result<Response<Incoming>, legacy::Error> {
        in_time(self.0.request(request)).await
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Content>) -> Result<Response<Bytes>, BoxError> {
        let (head, body) = self.begin(request).await?.into_parts();
        let body = in_time(body.collect()).await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    pub(crate) async fn fetch(&self, uri: &str) -> Result<Response<Bytes>, BoxError> {
        self.send(Request::get(uri).body(whole("")).unwrap()).await
    }
}

pub(crate) fn whole(bytes: impl Into<Bytes>) -> Content {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body of undeclared length, written bit by bit. It ends when the sender is dropped.
pub(crate) fn written_bit_by_bit() -> (mpsc::Sender<Bytes>, Content) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, FromChannel(receiver).map_err(|never| match never {}).boxed())
}

/// A body without end.
pub(crate) fn endless() -> Content {
    Endless.map_err(|never| match never {}).boxed()
}

struct FromChannel(mpsc::Receiver<Bytes>);

impl Body for FromChannel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 1024])))))
    }
}

/// Where a request waits in the server until the test lets it go on.
pub(crate) struct Gate {
    arrived: Semaphore,
    released: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { arrived: Semaphore::new(0), released: Semaphore::new(0) }
    }

    /// In the server: says that it is here and waits.
    pub(crate) async fn pass(&self) {
        self.arrived.add_permits(1);
        self.released.acquire().await.unwrap().forget();
    }

    /// In the test: waits for one that is here.
    pub(crate) async fn arrival(&self) {
        in_time(self.arrived.acquire()).await.unwrap().forget();
    }

    /// In the test: lets one go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}
