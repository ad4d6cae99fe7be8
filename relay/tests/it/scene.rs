//! A relay in front of a stub gateway that demands a client certificate, records all it receives, and answers as told.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use relay::config::{Config, Exchange, Limits, RouteConfig};
use service::{
    CancellationToken, ClientCertificates, ClientTlsConfig, Listener, ListenerConfig, Peer, Rate, TlsConfig, serve,
};
use tokio::task::JoinHandle;

use crate::harness::{Authority, Client, Content, endless, eventually, in_time, own_address, whole};

pub(crate) const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
pub(crate) const CAPSULE: &str = "message/ohttp-req";
pub(crate) const PLAIN: &str = "application/ohttp-keys";
pub(crate) const SIGNED: &str = "application/mimi-ohttp-keys+cwt";

/// A request as the gateway received it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// `None` if it was cut off.
    pub(crate) body: Option<Bytes>,
    /// The names in the relay's certificate.
    pub(crate) relay: Vec<String>,
}

/// How the stub answers capsules.
pub(crate) enum Conduct {
    Answer(Response<Bytes>),
    /// It sends back what it receives, as it comes.
    Echo,
    /// It reads the capsule and never answers.
    Silent,
    /// It answers without end.
    Endless,
    /// It answers with this body.
    Streamed(Option<Content>),
}

/// How the stub serves its keys.
#[derive(Clone)]
pub(crate) struct ServedKeys {
    pub(crate) plain: Option<&'static str>,
    pub(crate) signed: Option<&'static str>,
    /// What is answered where there are none.
    pub(crate) otherwise: StatusCode,
    pub(crate) cache_control: &'static str,
    /// Of the signed form, if it has another.
    pub(crate) signed_cache_control: Option<&'static str>,
    pub(crate) silent: bool,
}

struct Inner {
    received: Mutex<Vec<Received>>,
    conduct: Mutex<Conduct>,
    keys: Mutex<ServedKeys>,
}

/// A gateway that holds no keys.
pub(crate) struct Stub {
    inner: Arc<Inner>,
    tls: TlsConfig,
    pub(crate) address: SocketAddr,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Stub {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let keys = ServedKeys {
            plain: Some("plain keys"),
            signed: Some("signed keys"),
            otherwise: StatusCode::NOT_ACCEPTABLE,
            cache_control: "public, max-age=3600",
            signed_cache_control: None,
            silent: false,
        };
        let inner = Inner {
            received: Mutex::default(),
            conduct: Mutex::new(Conduct::Answer(answer(200, "message/ohttp-res", "sealed"))),
            keys: Mutex::new(keys),
        };
        let address = own_address();
        let identity = authority.issue("gateway", &[&address.ip().to_string()]);
        let tls = authority.server_tls(&identity, ClientCertificates::Required);
        let mut stub = Self { inner: Arc::new(inner), tls, address, running: None };
        stub.up().await;
        stub
    }

    /// Starts it, where it was.
    pub(crate) async fn up(&mut self) {
        let config =
            ListenerConfig { address: self.address, tls: Some(self.tls.clone()), ..ListenerConfig::loopback() };
        let listener = Listener::bind(&config).await.unwrap();
        self.address = listener.local_addr();
        let inner = Arc::clone(&self.inner);
        let service = service_fn(move |request: Request<Incoming>| {
            let inner = Arc::clone(&inner);
            async move { Ok::<_, Infallible>(inner.answer(request).await) }
        });
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        self.running = Some((
            shutdown,
            tokio::spawn(async move {
                serve(listener, service, token).await;
            }),
        ));
    }

    /// Stops it.
    pub(crate) async fn down(&mut self) {
        let (shutdown, running) = self.running.take().unwrap();
        shutdown.cancel();
        in_time(running).await.unwrap();
    }

    pub(crate) fn conduct(&self, conduct: Conduct) {
        *self.inner.conduct.lock().unwrap() = conduct;
    }

    pub(crate) fn keys(&self, change: impl FnOnce(&mut ServedKeys)) {
        change(&mut self.inner.keys.lock().unwrap());
    }

    /// All it received with this method.
    pub(crate) fn received(&self, method: Method) -> Vec<Received> {
        self.inner.received.lock().unwrap().iter().filter(|received| received.method == method).cloned().collect()
    }

    /// The one capsule that it received.
    pub(crate) fn capsule(&self) -> Received {
        let mut capsules = self.received(Method::POST);
        assert_eq!(capsules.len(), 1);
        capsules.remove(0)
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response<Content> {
        let (head, body) = request.into_parts();
        let relay = head.extensions.get::<Peer>().and_then(|peer| peer.certificate.as_ref()).unwrap();
        let mut received = Received {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            body: None,
            relay: relay.dns_names().to_vec(),
        };
        if head.method == Method::POST && matches!(*self.conduct.lock().unwrap(), Conduct::Echo) {
            self.received.lock().unwrap().push(received);
            return Response::new(body.map_err(Into::into).boxed());
        }
        received.body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
        self.received.lock().unwrap().push(received);
        if head.method == Method::GET {
            return self.served_keys(&head.headers).await;
        }
        let response = match &mut *self.conduct.lock().unwrap() {
            Conduct::Answer(response) => Some(response.clone().map(whole)),
            Conduct::Endless => Some(Response::new(endless())),
            Conduct::Streamed(body) => Some(Response::new(body.take().unwrap())),
            Conduct::Silent | Conduct::Echo => None,
        };
        match response {
            Some(response) => response,
            None => pending().await,
        }
    }

    async fn served_keys(&self, headers: &HeaderMap) -> Response<Content> {
        let keys = self.keys.lock().unwrap().clone();
        if keys.silent {
            return pending().await;
        }
        let (media_type, bytes, cache_control) = if headers["accept"] == SIGNED {
            (SIGNED, keys.signed, keys.signed_cache_control.unwrap_or(keys.cache_control))
        } else {
            (PLAIN, keys.plain, keys.cache_control)
        };
        match bytes {
            Some(bytes) => Response::builder()
                .header("content-type", media_type)
                .header("cache-control", cache_control)
                .header("set-cookie", "client=1")
                .body(whole(bytes))
                .unwrap(),
            None => Response::builder().status(keys.otherwise).body(whole("")).unwrap(),
        }
    }
}

/// The gateway, the relay, and what clients need.
pub(crate) struct Scene {
    pub(crate) authority: Authority,
    pub(crate) stub: Stub,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts with settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::prepared(|_| {}, change).await
    }

    /// Starts with the gateway's keys and the relay's settings changed.
    pub(crate) async fn prepared(keys: impl FnOnce(&mut ServedKeys), change: impl FnOnce(&mut Config)) -> Self {
        let authority = Authority::new();
        let stub = Stub::start(&authority).await;
        stub.keys(keys);
        let mut config = config(&authority, stub.address);
        change(&mut config);
        let listeners = config.bind().await.unwrap();
        let (address, shutdown) = (listeners.public.local_addr(), CancellationToken::new());
        let token = shutdown.clone();
        let running = tokio::spawn(async move { relay::run(config, listeners, token).await.unwrap() });
        Self { authority, stub, address, shutdown, running }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::http2(&self.authority.client_tls(None))
    }

    pub(crate) fn client_http1(&self) -> Client {
        Client::http1(&self.authority.client_tls(None))
    }

    /// A capsule on its way.
    pub(crate) fn capsule(&self, body: impl Into<Content>) -> Request<Content> {
        Request::post(self.url("/provider")).header("content-type", CAPSULE).body(body.into()).unwrap()
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Response<Bytes> {
        self.client().send(self.capsule(whole(body))).await.unwrap()
    }

    /// Asks for the keys.
    pub(crate) async fn keys(&self, accept: &str) -> Response<Bytes> {
        let request = Request::get(self.url("/provider/.well-known/ohttp-gateway")).header("accept", accept);
        self.client().send(request.body(whole("")).unwrap()).await.unwrap()
    }

    /// Waits until the relay has the keys.
    pub(crate) async fn has_keys(&self) {
        eventually(|| async { (self.keys(PLAIN).await.status() == StatusCode::OK).then_some(()) }).await;
    }

    /// Stops the relay and waits for its end.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        in_time(self.running).await.unwrap();
    }
}

pub(crate) fn config(authority: &Authority, gateway: SocketAddr) -> Config {
    let tls = authority.server_tls(&authority.issue_server("relay-server"), ClientCertificates::None);
    let identity = authority.issue("relay-client", &["relay.example"]);
    let plenty = Rate::new(1_000_000, 1);
    Config {
        listener: ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() },
        admin: None,
        routes: vec![route("/provider", gateway, authority.client_tls(Some(&identity)))],
        limits: Limits { per_address: plenty, total: plenty, ..Limits::default() },
        exchange: Exchange::default(),
    }
}

pub(crate) fn route(path: &str, gateway: SocketAddr, tls: ClientTlsConfig) -> RouteConfig {
    RouteConfig { path: path.to_owned(), gateway: format!("https://{gateway}{GATEWAY_PATH}"), tls }
}

pub(crate) fn answer(status: u16, media_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().status(status).header("content-type", media_type).body(body.into()).unwrap()
}

/// Asserts that this is the relay's own problem of this name.
pub(crate) fn assert_problem(response: &Response<Bytes>, status: u16, name: &str) {
    let body = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(response.status().as_u16(), status, "{body}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(body.contains(&format!(r#""type":"urn:mimi-discovery:error:{name}""#)), "{body}");
    assert!(body.contains(&format!(r#""status":{status}"#)), "{body}");
}
