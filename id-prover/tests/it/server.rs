//! A place with all that a prover needs, and the production server in it, started and stopped as often as a test likes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use client::http::{Bounds, HttpClient, TlsIdentity};
use client::msp::ProverConnection;
use id_prover::keys::Token;
use id_prover::keys::files::SigningFiles;
use id_prover::{Clock, Config, RunError, run_with_token};
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{PublicKey, Timestamp};
use service::CancellationToken;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::authority::Authority;

pub(crate) const PROVER: &str = "prover.example";
pub(crate) const MSP: &str = "a.example";

/// Folders, authorities and a clock; what it holds outlives a restart of the server.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) server_authority: Authority,
    pub(crate) client_authority: Authority,
    seconds: Arc<AtomicU64>,
}

/// A message as the file courier left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) enrollment: String,
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        crate::logs::capture();
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            server_authority: Authority::new(),
            client_authority: Authority::new(),
            seconds: Arc::new(AtomicU64::new(1_800_000_000)),
        };
        place.server_authority.server("127.0.0.1").write(place.folder.path(), "server");
        std::fs::write(place.path("client-ca.pem"), place.client_authority.pem()).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration with these courier tables, and further tables if wished.
    pub(crate) fn config(&self, tables: &str) -> Config {
        let text = format!(
            "name = '{PROVER}'\n\
             state_folder = '{folder}/state'\n\
             cache_bytes = 1048576\n\
             [listener]\n\
             address = '127.0.0.1:0'\n\
             [listener.tls]\n\
             certificate = '{folder}/server.pem'\n\
             key = '{folder}/server.key'\n\
             client_ca = '{folder}/client-ca.pem'\n\
             client_certificates = 'required'\n\
             {tables}",
            folder = self.folder.path().display()
        );
        toml::from_str(&text).unwrap()
    }

    /// The configuration with file couriers for telephone and email, and further tables if wished.
    pub(crate) fn file_config(&self, tables: &str) -> Config {
        let courier = format!("{{ kind = 'file', outbox = '{}' }}", self.path("outbox").display());
        self.config(&format!("[courier]\nsms = {courier}\nemail = {courier}\n{tables}"))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.seconds);
        Arc::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst)))
    }

    /// All messages, the oldest first.
    pub(crate) fn letters(&self) -> Vec<Letter> {
        let Ok(outbox) = std::fs::read_dir(self.path("outbox")) else { return Vec::new() };
        let mut files: Vec<_> = outbox.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| Letter::parse(&std::fs::read_to_string(file).unwrap())).collect()
    }

    /// Sets the clock.
    pub(crate) fn set(&self, time: Timestamp) {
        self.seconds.store(time.seconds(), Ordering::SeqCst);
    }

    /// The code of the latest message.
    pub(crate) fn code(&self) -> String {
        self.letters().pop().unwrap().code
    }

    /// What a client believes who trusts this place's prover.
    pub(crate) fn trust(&self) -> TrustAnchors {
        self.trust_in(id_prover::keys::public_signing_key(&self.path("state")).unwrap())
    }

    /// As [`Self::trust`], with this key.
    pub(crate) fn trust_in(&self, key: PublicKey) -> TrustAnchors {
        TrustAnchors::new(vec![TrustAnchor {
            prover: PROVER.to_owned(),
            keys: vec![key],
            methods: vec![Method::SmsOtp, Method::EmailOtp],
            max_credential_lifetime: DEFAULT_LIFETIME,
        }])
    }

    /// An HTTPS client with a certificate of this domain, or without any.
    pub(crate) fn http(&self, domain: Option<&str>) -> HttpClient {
        self.http_certified_by(&self.client_authority, domain)
    }

    pub(crate) fn http_certified_by(&self, authority: &Authority, domain: Option<&str>) -> HttpClient {
        let client = domain.map(|domain| {
            let certified = authority.client(domain);
            (certified.certificate.into_bytes(), certified.key.into_bytes())
        });
        let identity = TlsIdentity { ca_pem: self.server_authority.pem().into_bytes(), client };
        HttpClient::new(&identity, Bounds::default()).unwrap()
    }
}

impl Letter {
    fn parse(content: &str) -> Self {
        let (head, text) = content.split_once("\n\n").unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        let (to, enrollment, code) = (header("To: "), header("Enrollment: "), header("Code: "));
        Self { to, enrollment, code, text: text.to_owned() }
    }
}

/// The production server, under way.
pub(crate) struct Server {
    address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    reloads: mpsc::Sender<Config>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Server {
    pub(crate) async fn start(place: &Place, config: Config) -> Self {
        let token = SigningFiles::new(&config.state_folder);
        Self::start_with_token(place, config, Arc::new(token)).await
    }

    /// Starts with the signing keys of this token.
    pub(crate) async fn start_with_token(place: &Place, config: Config, token: Arc<dyn Token>) -> Self {
        config.check().unwrap();
        let listeners = config.bind().await.unwrap();
        let address = listeners.public.local_addr();
        let admin = listeners.admin.as_ref().map(|listener| listener.local_addr());
        let shutdown = CancellationToken::new();
        let (reloads, receiver) = mpsc::channel(1);
        let running = tokio::spawn(run_with_token(config, listeners, place.clock(), token, receiver, shutdown.clone()));
        Self { address, admin, reloads, shutdown, running }
    }

    /// Starts with file couriers and the default settings.
    pub(crate) async fn start_simply(place: &Place) -> Self {
        Self::start(place, place.file_config("")).await
    }

    pub(crate) fn base(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The connection of an MSP that has this certificate.
    pub(crate) fn connection(&self, http: HttpClient) -> ProverConnection {
        ProverConnection::new(http, &self.base())
    }

    /// The connection of the MSP `a.example`.
    pub(crate) fn msp(&self, place: &Place) -> ProverConnection {
        self.connection(place.http(Some(MSP)))
    }

    /// Has it take up a configuration, and returns once it has: there is one place, so that when the second has left it, the
    /// first is done with.
    pub(crate) async fn reload(&self, config: Config) {
        self.reloads.send(config.clone()).await.unwrap();
        self.reloads.send(config).await.unwrap();
        drop(self.reloads.reserve().await.unwrap());
    }

    /// How it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), RunError> {
        self.running.await.unwrap()
    }

    /// Ends it, once what is under way is finished.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }
}
