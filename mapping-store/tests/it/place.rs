//! A place with all that a store needs, and the production server in it, started and stopped as often as a test likes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use client::http::{Bounds, HttpClient, TlsIdentity};
use http::{Response, StatusCode, Uri};
use mapping_store::config::{IssuerTable, Limits, StoreConfig};
use mapping_store::store::Clock;
use mapping_store::{Config, ConfigError, Listeners, Store};
use protocol::cpi::Cpi;
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::lookup::{Answer, Entry, LookupRequest};
use protocol::problem::{Problem, ProblemType};
use protocol::trust::{TrustAnchor, TrustAnchorTable};
use protocol::{Timestamp, media};
use service::{
    AdminConfig, CancellationToken, CertificatesConfig, ClientCertificates, ClientTlsConfig, ListenerConfig, Rate,
    TlsConfig,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::authority::Authority;
use crate::papers::{CARRIER, NOW, PROVER, Paper, carrier_key, prover_key};

pub(crate) const PROVIDER: &str = "dp.example";
pub(crate) const GATEWAY: &str = "gateway.example";
/// It publishes, and follows.
pub(crate) const PUBLISHER: &str = "a.example";
const CACHE: usize = 16 << 20;

/// Folders, authorities and a clock; what it holds outlives a restart of the server.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    seconds: Arc<AtomicU64>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::new(),
            seconds: Arc::new(AtomicU64::new(NOW.seconds())),
        };
        place.authority.certify(&["127.0.0.1"]).write(place.folder.path(), "server");
        place.authority.certify(&[PUBLISHER]).write(place.folder.path(), "client");
        std::fs::write(place.path("ca.pem"), place.authority.pem()).unwrap();
        place
    }

    /// A place whose clock stands at the system's time: for those that meet the binary, which has no other.
    pub(crate) fn at_present() -> Self {
        let place = Self::new();
        place.seconds.store(Timestamp::from(SystemTime::now()).seconds(), Ordering::SeqCst);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> Config {
        let anchor = TrustAnchor {
            prover: PROVER.to_owned(),
            keys: vec![prover_key().public()],
            methods: vec![Method::SmsOtp],
            max_credential_lifetime: DEFAULT_LIFETIME,
        };
        Config {
            listener: ListenerConfig {
                tls: Some(TlsConfig {
                    certificate: self.path("server.pem"),
                    key: self.path("server.key"),
                    client_ca: Some(self.path("ca.pem")),
                    client_certificates: ClientCertificates::Optional,
                    allow_tls12: false,
                }),
                ..ListenerConfig::loopback()
            },
            admin: Some(AdminConfig { address: SocketAddr::from(([127, 0, 0, 1], 0)), allow_remote: false }),
            store: StoreConfig {
                provider: PROVIDER.to_owned(),
                folder: self.path("database"),
                hash_key_file: self.path("hash.key"),
                receipt_key_file: self.path("receipt.key"),
                provers: vec![TrustAnchorTable::from(&anchor)],
                issuers: vec![IssuerTable {
                    name: CARRIER.to_owned(),
                    key: hex::encode(carrier_key().public().as_bytes()),
                    number_prefixes: vec!["+1415555".to_owned()],
                    mail_domains: vec!["example.com".to_owned()],
                }],
                cluster: None,
                cache_bytes: CACHE,
                max_answer_bytes: 900 * 1024,
            },
            gateways: CertificatesConfig { names: vec![GATEWAY.to_owned()], fingerprints: Vec::new() },
            followers: CertificatesConfig { names: vec![PUBLISHER.to_owned()], fingerprints: Vec::new() },
            limits: Limits { per_publisher: Rate::new(1_000_000, 1), total: Rate::new(1_000_000, 1) },
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.seconds);
        Arc::new(move || Timestamp::from_seconds(seconds.load(Ordering::SeqCst)))
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.config().store, self.clock()).unwrap()
    }

    /// An HTTPS client with a certificate of this name, or without any.
    pub(crate) fn client(&self, name: Option<&str>) -> HttpClient {
        let client = name.map(|name| {
            let certified = self.authority.certify(&[name]);
            (certified.certificate.into_bytes(), certified.key.into_bytes())
        });
        let identity = TlsIdentity { ca_pem: self.authority.pem().into_bytes(), client };
        HttpClient::new(&identity, Bounds::default()).unwrap()
    }

    /// TLS of a follower that trusts this place.
    pub(crate) fn follower_tls(&self) -> ClientTlsConfig {
        ClientTlsConfig {
            ca: Some(self.path("ca.pem")),
            certificate: Some(self.path("client.pem")),
            key: Some(self.path("client.key")),
        }
    }
}

/// The production server, under way.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Store,
    pub(crate) http: HttpClient,
    gateway: HttpClient,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), ConfigError>>,
}

impl Server {
    pub(crate) async fn start(place: &Place) -> Self {
        Self::start_with(place, place.config()).await
    }

    pub(crate) async fn start_with(place: &Place, config: Config) -> Self {
        config.check().unwrap();
        let store = Store::connect(&config.store, place.clock()).await.unwrap();
        let listeners: Listeners = config.bind().await.unwrap();
        let address = listeners.public.local_addr();
        let admin = listeners.admin.as_ref().unwrap().local_addr();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(mapping_store::run(store.clone(), config, listeners, shutdown.clone()));
        let (http, gateway) = (place.client(Some(PUBLISHER)), place.client(Some(GATEWAY)));
        Self { address, admin, store, http, gateway, shutdown, running }
    }

    pub(crate) fn base(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn uri(&self, path: &str) -> Uri {
        format!("{}{path}", self.base()).parse().unwrap()
    }

    pub(crate) async fn post(&self, path: &str, media_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        self.http.post(&self.uri(path), media_type, body.into()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        self.http.get(&self.uri(path), "*/*").await.unwrap()
    }

    pub(crate) async fn publish(&self, bytes: impl Into<Bytes>) -> Response<Bytes> {
        self.post("/v1/mappings", media::AUTHENTICATED_MAPPING, bytes).await
    }

    pub(crate) async fn publish_paper(&self, paper: &Paper) -> Bytes {
        let response = self.publish(paper.bytes()).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        response.into_body()
    }

    pub(crate) async fn remove(&self, bytes: impl Into<Bytes>) -> Response<Bytes> {
        self.post("/v1/removals", media::REMOVAL, bytes).await
    }

    /// Looks up as the gateway does.
    pub(crate) async fn lookup(&self, cpis: Vec<Cpi>) -> Vec<Entry> {
        self.ask(&LookupRequest::new(cpis, None).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: &LookupRequest) -> Vec<Entry> {
        let request = request.encode();
        let answer = self.gateway.post(&self.uri("/v1/lookup"), media::CBOR, request.into()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Answer::decode(answer.body()).unwrap().entries
    }

    pub(crate) async fn lookup_one(&self, cpi: &Cpi) -> Entry {
        self.lookup(vec![cpi.clone()]).await.pop().unwrap()
    }

    /// The value of a metric, summed over its labels. Other servers of this process count as well.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = crate::feed::plain_get(self.admin, "/metrics").await;
        let values: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Ends it, once what is under way is finished.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}

/// Asserts a refusal of this type, with its own status and media type.
#[track_caller]
pub(crate) fn refused(response: &Response<Bytes>, expected: ProblemType) -> Problem {
    let problem = Problem::from_json(response.body()).unwrap_or_else(|_| panic!("{:?}", response.body()));
    assert_eq!((problem.problem_type, response.status().as_u16()), (expected, expected.status()), "{problem}");
    assert_eq!(response.headers()["content-type"], media::PROBLEM);
    problem
}
