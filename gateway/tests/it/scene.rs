//! A gateway in front of a target in the same process, and clients that seal their requests.

use std::io::Cursor;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bhttp::{Message, Mode};
use bytes::Bytes;
use gateway::config::{AeadName, AllowedTarget, Config, Exchange, KemName, KeysConfig, Limits, RelaysConfig};
use gateway::keys::system_clock;
use gateway::{Cost, KeyRing, Target, TargetError};
use http::{Request, Response, StatusCode};
use ohttp::{ClientRequest, ClientResponse};
use service::{CancellationToken, ClientCertificates, ListenerConfig};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::harness::{Authority, Client, Content, Identity, in_time, whole};

pub(crate) const PATH: &str = "/.well-known/ohttp-gateway";
pub(crate) const CAPSULE: &str = "message/ohttp-req";
pub(crate) const SEALED: &str = "message/ohttp-res";
pub(crate) const PLAIN: &str = "application/ohttp-keys";
pub(crate) const SIGNED: &str = "application/mimi-ohttp-keys+cwt";
pub(crate) const BUCKETS: [usize; 3] = [512, 1024, 4096];
/// Nonce and tag of a sealed response (RFC 9458 §4.4, AES-128-GCM).
pub(crate) const SEAL_BYTES: usize = 16 + 16;

type Answer = dyn Fn(&Request<Bytes>) -> Result<Response<Bytes>, TargetError> + Send + Sync;

/// A target in the same process that records what it is asked.
#[derive(Clone)]
pub(crate) struct StubTarget {
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
    answer: Arc<Mutex<Box<Answer>>>,
}

impl StubTarget {
    pub(crate) fn new() -> Self {
        let answer: Box<Answer> = Box::new(|request| Ok(Response::new(request.body().clone())));
        Self { asked: Arc::default(), answer: Arc::new(Mutex::new(answer)) }
    }

    pub(crate) fn answers(
        &self,
        answer: impl Fn(&Request<Bytes>) -> Result<Response<Bytes>, TargetError> + Send + Sync + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// Every request costs so much.
    pub(crate) fn costs(&self, cost: u32) {
        let cost = Cost(NonZeroU32::new(cost).unwrap());
        self.answers(move |_| Ok(Response::builder().extension(cost).body(Bytes::new()).unwrap()));
    }

    pub(crate) fn asked(&self) -> Vec<Request<Bytes>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Target for StubTarget {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TargetError> {
        self.asked.lock().unwrap().push(request.clone());
        let answer = self.answer.lock().unwrap();
        answer(&request)
    }
}

pub(crate) struct Scene {
    pub(crate) authority: Authority,
    pub(crate) target: StubTarget,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) config: Config,
    pub(crate) client: Client,
    folder: TempDir,
    running: Running,
}

/// A gateway at work.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: &Config, keys: Arc<KeyRing>, target: impl Target) -> Self {
        let listeners = config.bind().await.unwrap();
        let (address, shutdown) = (listeners.public.local_addr(), CancellationToken::new());
        let (config, token) = (config.clone(), shutdown.clone());
        let task = tokio::spawn(async move { gateway::run(config, keys, listeners, target, token).await.unwrap() });
        Self { address, shutdown, task }
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        in_time(self.task).await.unwrap();
    }
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// Starts with settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config, &Authority)) -> Self {
        let target = StubTarget::new();
        Self::before(target.clone(), target, change).await
    }

    /// Starts in front of a target over HTTP, which the settings have to name.
    pub(crate) async fn before_http(change: impl FnOnce(&mut Config, &Authority)) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let mut config = config(&authority, folder.path());
        change(&mut config, &authority);
        let http = gateway::HttpTarget::new(config.http_target().unwrap()).unwrap();
        Self::run(authority, folder, config, StubTarget::new(), http).await
    }

    async fn before(stub: StubTarget, target: impl Target, change: impl FnOnce(&mut Config, &Authority)) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let mut config = config(&authority, folder.path());
        change(&mut config, &authority);
        Self::run(authority, folder, config, stub, target).await
    }

    async fn run(authority: Authority, folder: TempDir, config: Config, stub: StubTarget, target: impl Target) -> Self {
        let keys = Arc::new(KeyRing::open(&config.keys, system_clock()).unwrap());
        let running = Running::start(&config, Arc::clone(&keys), target).await;
        let relay = authority.issue("relay", &["relay.example"]);
        let client = Client::http2(&authority.client_tls(Some(&relay)));
        Self { authority, target: stub, keys, config, client, folder, running }
    }

    /// Stops the gateway and starts it again from its files.
    pub(crate) async fn restart(mut self) -> Self {
        self.running.stop().await;
        self.keys = Arc::new(KeyRing::open(&self.config.keys, system_clock()).unwrap());
        self.running = Running::start(&self.config, Arc::clone(&self.keys), self.target.clone()).await;
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.running.address)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn client_as(&self, identity: Option<&Identity>) -> Client {
        Client::http2(&self.authority.client_tls(identity))
    }

    pub(crate) async fn fetch_keys(&self, accept: &str) -> Response<Bytes> {
        let request = Request::get(self.url(PATH)).header("accept", accept).body(whole("")).unwrap();
        self.client.send(request).await.unwrap()
    }

    /// The keys in their plain form.
    pub(crate) async fn plain_keys(&self) -> Bytes {
        self.fetch_keys(PLAIN).await.into_body()
    }

    pub(crate) fn request(&self, media_type: &str, body: Content) -> Request<Content> {
        Request::post(self.url(PATH)).header("content-type", media_type).body(body).unwrap()
    }

    /// Posts a capsule as it is.
    pub(crate) async fn post(&self, capsule: impl Into<Bytes>) -> Response<Bytes> {
        self.client.send(self.request(CAPSULE, whole(capsule))).await.unwrap()
    }

    /// Seals this content, posts it, and opens the answer, which must come inside a capsule.
    pub(crate) async fn ask_binary(&self, content: &[u8]) -> Opened {
        let (capsule, opener) = seal(&self.plain_keys().await, content);
        Opened::new(&self.post(capsule).await, opener)
    }

    pub(crate) async fn ask(&self, message: &Message) -> Opened {
        self.ask_binary(&binary(message)).await
    }

    /// Asks the target to look something up.
    pub(crate) async fn look_up(&self, body: &[u8]) -> Opened {
        self.ask(&lookup(body)).await
    }
}

/// What came out of a sealed answer.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) message: Message,
    /// With its padding.
    pub(crate) binary_bytes: usize,
    pub(crate) sealed_bytes: usize,
}

impl Opened {
    pub(crate) fn new(outer: &Response<Bytes>, opener: ClientResponse) -> Self {
        assert_eq!(outer.status(), StatusCode::OK, "{:?}", outer.body());
        assert_eq!(outer.headers()["content-type"], SEALED);
        assert_eq!(outer.headers()["cache-control"], "no-store");
        let binary = opener.decapsulate(outer.body()).unwrap();
        let mut cursor = Cursor::new(&binary);
        let message = Message::read_bhttp(&mut cursor).unwrap();
        let end = usize::try_from(cursor.position()).unwrap();
        assert!(binary[end..].iter().all(|byte| *byte == 0));
        Self { message, binary_bytes: binary.len(), sealed_bytes: outer.body().len() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.message.control().status().unwrap().code()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.message.header().get(name.as_bytes()).map(|value| std::str::from_utf8(value).unwrap())
    }

    pub(crate) fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status(), status);
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        assert_type(self.message.content(), &format!("urn:mimi-discovery:error:{name}"));
        assert!(BUCKETS.contains(&self.binary_bytes));
    }
}

/// Asserts that this is a problem of the gateway in the clear.
pub(crate) fn assert_problem(response: &Response<Bytes>, status: u16, name: &str) {
    assert_eq!(response.status().as_u16(), status, "{:?}", response.body());
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_type(response.body(), &format!("urn:mimi-discovery:error:{name}"));
}

pub(crate) fn assert_type(problem: &[u8], uri: &str) {
    let problem: serde_json::Value = serde_json::from_slice(problem).unwrap();
    assert_eq!(problem["type"], uri);
}

pub(crate) fn lookup(body: &[u8]) -> Message {
    let mut message =
        Message::request(b"POST".to_vec(), b"https".to_vec(), b"store.example".to_vec(), b"/v1/lookup".to_vec());
    message.put_header("content-type", "application/cbor");
    message.write_content(body);
    message
}

pub(crate) fn binary(message: &Message) -> Vec<u8> {
    let mut binary = Vec::new();
    message.write_bhttp(Mode::KnownLength, &mut binary).unwrap();
    binary
}

pub(crate) fn seal(keys: &[u8], content: &[u8]) -> (Vec<u8>, ClientResponse) {
    ClientRequest::from_encoded_config_list(keys).unwrap().encapsulate(content).unwrap()
}

pub(crate) fn config(authority: &Authority, folder: &Path) -> Config {
    let tls = authority.server_tls(&authority.issue_server("gateway"), ClientCertificates::Required);
    let allowed = |method: &str, path: &str| AllowedTarget {
        authority: "store.example".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
    };
    Config {
        listener: ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() },
        admin: None,
        relays: RelaysConfig { names: vec!["relay.example".to_owned()], ..RelaysConfig::default() },
        keys: KeysConfig {
            state_file: folder.join("keys.json"),
            shared: false,
            provider: "provider.example".to_owned(),
            signing_key_file: folder.join("signing.key"),
            rotation_seconds: 7 * 24 * 3600,
            cache_seconds: 24 * 3600,
            kems: vec![KemName::X25519],
            aeads: vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305],
        },
        allowed: vec![
            allowed("POST", "/v1/lookup"),
            allowed("GET", "/.well-known/mimi-protocol-directory"),
            allowed("POST", "/v1/identifierQuery/{domain}"),
        ],
        target: None,
        limits: Limits::default(),
        exchange: Exchange { padded_response_bytes: BUCKETS.to_vec(), ..Exchange::default() },
    }
}
