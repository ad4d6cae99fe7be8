//! A stranger between two parties: it ends TLS, sees and keeps everything, may lie, and passes on.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use client::http::HttpClient;
use discovery::certificates::Identity;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use service::{CancellationToken, ClientCertificates, Listener, ListenerConfig, Peer, TlsConfig, serve};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto};

use crate::scene::Scene;

/// What it does to what passes.
#[derive(Clone, Default)]
pub(crate) enum Lie {
    #[default]
    None,
    /// A flipped bit in every capsule.
    Question,
    /// A flipped bit in every answer.
    Answer,
    /// The answer to the first capsule, whatever is asked.
    OldAnswer,
    /// Every capsule is sent twice; the second answer is passed on.
    Twice,
    /// Keys of its own choice.
    Keys(Bytes),
}

/// A request as it came, and what was answered.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) peer: SocketAddr,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) status: StatusCode,
    pub(crate) answer: Bytes,
}

impl Seen {
    /// All of it that is text outside of bodies.
    pub(crate) fn outside(&self) -> String {
        let Self { peer, method, uri, headers, status, .. } = self;
        format!("{peer} {method} {uri} {headers:?} {status}").to_ascii_lowercase()
    }

    /// Whether these octets are anywhere in the bodies.
    pub(crate) fn has(&self, octets: &[u8]) -> bool {
        [&self.body, &self.answer].iter().any(|body| body.windows(octets.len()).any(|window| window == octets))
    }
}

#[derive(Default)]
struct State {
    lie: Lie,
    seen: Vec<Seen>,
}

/// The stranger.
pub(crate) struct Between {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Between {
    /// In front of `upstream`, a URL without path, which it reaches as `client`.
    pub(crate) async fn start(scene: &Scene, upstream: &str, client: Option<Identity>) -> Self {
        let identity = scene.identity("localhost");
        let tls = TlsConfig {
            certificate: identity.certificate,
            key: identity.key,
            client_ca: Some(scene.description().ca_cert.clone()),
            client_certificates: ClientCertificates::Optional,
            allow_tls12: false,
        };
        let listener = Listener::bind(&ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() }).await.unwrap();
        let port = listener.local_addr().port();
        let state = Arc::<Mutex<State>>::default();
        let pair = client.map(|Identity { certificate, key }| (std::fs::read(certificate), std::fs::read(key)));
        let http = scene.http(pair.map(|(certificate, key)| (certificate.unwrap(), key.unwrap())));
        let (upstream, of_service) = (upstream.to_owned(), Arc::clone(&state));
        let service = service_fn(move |request: Request<Incoming>| {
            let (http, upstream, state) = (http.clone(), upstream.clone(), Arc::clone(&of_service));
            async move { Ok::<_, Infallible>(pass(request, &http, &upstream, &state).await) }
        });
        tokio::spawn(serve(listener, service, CancellationToken::new()));
        Self { port, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn lie(&self, lie: Lie) {
        self.state.lock().unwrap().lie = lie;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
}

async fn pass(
    request: Request<Incoming>,
    http: &HttpClient,
    upstream: &str,
    state: &Mutex<State>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (lie, first) = {
        let state = state.lock().unwrap();
        let first = state.seen.iter().find(|seen| seen.method == Method::POST).map(|seen| seen.answer.clone());
        (state.lie.clone(), first)
    };
    let uri: Uri = format!("{upstream}{}", head.uri.path()).parse().unwrap();
    let text = |name: header::HeaderName| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let answer = if head.method == Method::GET {
        http.get(&uri, &text(header::ACCEPT).unwrap_or_else(|| "*/*".to_owned())).await.unwrap()
    } else {
        let media_type = text(header::CONTENT_TYPE).unwrap();
        let sent = if matches!(lie, Lie::Question) { flipped(&body) } else { body.clone() };
        let answer = http.post(&uri, &media_type, sent.clone()).await.unwrap();
        if matches!(lie, Lie::Twice) { http.post(&uri, &media_type, sent).await.unwrap() } else { answer }
    };
    let (answered, mut content) = answer.into_parts();
    match lie {
        Lie::Answer if head.method == Method::POST => content = flipped(&content),
        Lie::OldAnswer if head.method == Method::POST => content = first.unwrap_or(content),
        Lie::Keys(keys) if head.method == Method::GET => content = keys,
        _ => {}
    }
    let mut response = Response::new(Full::new(content.clone()));
    *response.status_mut() = answered.status;
    for name in [header::CONTENT_TYPE, header::CACHE_CONTROL, header::ETAG] {
        response.headers_mut().extend(answered.headers.get(&name).map(|value| (name, value.clone())));
    }
    state.lock().unwrap().seen.push(Seen {
        peer: head.extensions.get::<Peer>().unwrap().address,
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
        status: answered.status,
        answer: content,
    });
    response
}

fn flipped(octets: &Bytes) -> Bytes {
    let mut octets = octets.to_vec();
    // In the ciphertext, past the header and the encapsulated key.
    *octets.last_mut().unwrap() ^= 1;
    octets.into()
}

/// A `POST` over HTTP/1.1 from an address of its own to `to`, which shows a certificate for `name`.
pub(crate) async fn post_from(
    from: IpAddr,
    to: SocketAddr,
    name: &str,
    ca_pem: &[u8],
    request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    exchange(shake_hands(socket, to, name, ca_pem).await.unwrap(), request).await
}

/// One request of HTTP/1.1 on a connection of its own.
pub(crate) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    Response::from_parts(head, body)
}

/// Why a client does not shake hands with a server.
pub(crate) async fn refusal(to: SocketAddr, name: &str, ca_pem: &[u8]) -> rustls::Error {
    let refused = shake_hands(TcpSocket::new_v4().unwrap(), to, name, ca_pem).await.unwrap_err();
    *refused.into_inner().unwrap().downcast().unwrap()
}

/// A connection to a server of this authority.
pub(crate) async fn shake_hands(
    socket: TcpSocket,
    to: SocketAddr,
    name: &str,
    ca_pem: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem).unwrap()).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let stream = socket.connect(to).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config).connect(name, stream).await
}
