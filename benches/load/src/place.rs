//! What servers need to run: certificates, keys, configurations, and a filled store.
//!
//! ```text
//! stores/COUNT/     as `make_mappings` and `mapping-store import` leave it, and `filled` once both are through
//! run/              certificates, keys, configurations and logs of the servers that run
//! ```
//!
//! The limits of all servers are so wide that nothing here meets them; everything else is as it is shipped.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use client::trust::{ProviderTrust, Trust};
use discovery::certificates::{Authority, Identity};
use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::trust::{TrustAnchor, TrustAnchors};
use service::ClientTlsConfig;

use crate::server::{Server, free_address};
use crate::{Result, ensure};

/// Where capsules are posted at a gateway, and where its keys are.
pub const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
/// What is asked for inside a capsule.
pub const LOOKUP_URL: &str = "https://provider.example/v1/lookup";
/// The seed of the key that signs the key configuration.
const SIGNING_SEED: [u8; 32] = [5; 32];
/// The seed of `make_mappings`' prover.
const PROVER_SEED: [u8; 32] = [9; 32];
/// The name in the relay's certificate.
const RELAY: &str = "relay.example";
/// Mappings hold for thirty days; a store as old as this is filled anew.
const STORE_LIFE: Duration = Duration::from_secs(20 * 24 * 3600);
const NO_LIMIT: &str = "{ count = 1000000000, seconds = 1 }";

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// HTTP/1.1 without TLS, on loopback; anybody may come in.
    Plain,
    /// TLS with HTTP/1.1 or HTTP/2. A gateway wants the relay's certificate.
    Tls,
}

/// A server and where it listens.
pub struct Running {
    /// The process.
    pub server: Server,
    /// Where it is asked.
    pub address: SocketAddr,
}

/// Folders, certificates and keys.
pub struct Place {
    binaries: PathBuf,
    folder: PathBuf,
    run: PathBuf,
    cache_bytes: usize,
    ca: PathBuf,
    server: Identity,
    relay: Identity,
}

impl Place {
    /// Lays out `folder` for the binaries in `binaries`; stores have a cache of so many bytes.
    ///
    /// # Errors
    ///
    /// If files cannot be written.
    pub fn lay(binaries: &Path, folder: &Path, cache_bytes: usize) -> Result<Self> {
        let run = folder.join("run");
        fs::create_dir_all(&run)?;
        let (folder, run) = (folder.canonicalize()?, run.canonicalize()?);
        let authority = Authority::create(&run.join("certificates"))?;
        service::secret_file::write(&run.join("signing.key"), hex(&SIGNING_SEED).as_bytes())?;
        Ok(Self {
            ca: authority.certificate().to_owned(),
            server: authority.issue("server", &["localhost", "127.0.0.1"])?,
            relay: authority.issue("relay-client", &[RELAY])?,
            binaries: binaries.to_owned(),
            folder,
            run,
            cache_bytes,
        })
    }

    /// The authority of all certificates (PEM).
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The server certificate, for the constant gateway.
    #[must_use]
    pub const fn server_identity(&self) -> &Identity {
        &self.server
    }

    /// TLS of a client, with the relay's certificate or with none.
    #[must_use]
    pub fn client_tls(&self, as_relay: bool) -> ClientTlsConfig {
        let (certificate, key) =
            if as_relay { (Some(self.relay.certificate.clone()), Some(self.relay.key.clone())) } else { (None, None) };
        ClientTlsConfig { ca: Some(self.ca.clone()), certificate, key }
    }

    /// Where configurations and logs of what runs are.
    #[must_use]
    pub fn run_folder(&self) -> &Path {
        &self.run
    }

    /// A store of so many mappings: its folder, filled now unless it was before.
    ///
    /// # Errors
    ///
    /// If `make_mappings` or `mapping-store import` fails.
    pub fn filled_store(&self, count: u64) -> Result<PathBuf> {
        let folder = self.folder.join("stores").join(count.to_string());
        let (mark, settings) = (folder.join("filled"), folder.join("store.toml"));
        let age = fs::metadata(&mark)
            .and_then(|mark| mark.modified())
            .ok()
            .and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age < STORE_LIFE) {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let run = |program: &str, arguments: &[&str]| -> Result<()> {
            let mut command = Command::new(self.binaries.join(program));
            let status =
                command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            ensure(status.map_err(|error| format!("{program}: {error}"))?.success(), format!("{program} failed"))
        };
        run("examples/make_mappings", &[&count.to_string(), text(&folder)?])?;
        run("mapping-store", &["--config", text(&settings)?, "import", text(&folder.join("mappings.cbor-seq"))?])?;
        fs::write(mark, "")?;
        Ok(folder)
    }

    /// Starts gateway and store in one process, on the store in `store`.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn provider(&self, store: &Path, door: Door, cores: &[usize]) -> Result<Running> {
        self.start_provider(Command::new(self.binaries.join("load-provider")), store, door, cores)
    }

    /// The same, without TLS, as an argument of another program.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn provider_under(&self, mut program: Command, store: &Path, cores: &[usize]) -> Result<Running> {
        program.arg(self.binaries.join("load-provider"));
        self.start_provider(program, store, Door::Plain, cores)
    }

    fn start_provider(&self, mut command: Command, store: &Path, door: Door, cores: &[usize]) -> Result<Running> {
        let (address, admin) = (free_address()?, free_address()?);
        let settings = self.run.join("gateway.toml");
        fs::write(&settings, self.gateway_settings(address, admin, door))?;
        let store = self.store_settings(store)?;
        command.arg("--config").arg(settings).arg("--store").arg(store);
        let server = Server::start("provider", &mut command, cores, &self.run, (admin, "/ready"))?;
        Ok(Running { server, address })
    }

    /// Starts the relay before the gateway at `gateway`.
    ///
    /// # Errors
    ///
    /// If it does not start, or cannot fetch keys there.
    pub fn relay(&self, gateway: SocketAddr, door: Door, cores: &[usize]) -> Result<Running> {
        self.start_relay(Command::new(self.binaries.join("relay")), gateway, door, cores)
    }

    /// The same, without TLS towards clients, as an argument of another program.
    ///
    /// # Errors
    ///
    /// If it does not start, or cannot fetch keys there.
    pub fn relay_under(&self, mut program: Command, gateway: SocketAddr, cores: &[usize]) -> Result<Running> {
        program.arg(self.binaries.join("relay"));
        self.start_relay(program, gateway, Door::Plain, cores)
    }

    fn start_relay(&self, mut command: Command, gateway: SocketAddr, door: Door, cores: &[usize]) -> Result<Running> {
        let (address, admin) = (free_address()?, free_address()?);
        let settings = self.run.join("relay.toml");
        fs::write(&settings, self.relay_settings(address, admin, gateway, door))?;
        command.arg("--config").arg(settings);
        let server = Server::start("relay", &mut command, cores, &self.run, (admin, "/ready"))?;
        Ok(Running { server, address })
    }

    /// Starts the comparison gateway.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn comparison(&self, cores: &[usize]) -> Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(self.binaries.join("load-comparison"));
        command.arg(address.to_string());
        let server = Server::start("comparison", &mut command, cores, &self.run, (address, GATEWAY_PATH))?;
        Ok(Running { server, address })
    }

    /// The settings of a filled store, with its cache.
    ///
    /// # Errors
    ///
    /// If they cannot be read or written.
    pub fn store_settings(&self, store: &Path) -> Result<PathBuf> {
        let (made, settings) = (fs::read_to_string(store.join("store.toml"))?, self.run.join("store.toml"));
        let head = "[store]\n";
        ensure(made.contains(head), "make_mappings writes no [store]")?;
        fs::write(&settings, made.replacen(head, &format!("{head}cache_bytes = {}\n", self.cache_bytes), 1))?;
        Ok(settings)
    }

    fn listener(&self, address: SocketAddr, door: Door, client_certificates: &str) -> String {
        let bounds = "[listener.bounds]\nmax_connections = 20000\nmax_connections_per_address = 20000\n\
                      max_streams_per_connection = 1024\nidle_timeout_ms = 600000\nheader_timeout_ms = 600000\n";
        let tls = match door {
            Door::Plain => String::new(),
            Door::Tls => {
                let Identity { certificate, key } = &self.server;
                let ca = if client_certificates == "none" {
                    String::new()
                } else {
                    format!("client_ca = '{}'\n", self.ca.display())
                };
                format!(
                    "[listener.tls]\ncertificate = '{}'\nkey = '{}'\nclient_certificates = '{client_certificates}'\n{ca}",
                    certificate.display(),
                    key.display()
                )
            }
        };
        format!("[listener]\naddress = '{address}'\n{bounds}{tls}")
    }

    fn gateway_settings(&self, address: SocketAddr, admin: SocketAddr, door: Door) -> String {
        let relays = match door {
            Door::Plain => "open = true".to_owned(),
            Door::Tls => format!("names = ['{RELAY}']"),
        };
        let (listener, run) = (self.listener(address, door, "required"), self.run.display());
        format!(
            "{listener}[admin]\naddress = '{admin}'\n[relays]\n{relays}\n\
             [keys]\nstate_file = '{run}/keys.json'\nprovider = 'provider.example'\nsigning_key_file = '{run}/signing.key'\n\
             [[allow]]\nauthority = 'provider.example'\nmethod = 'POST'\npath = '/v1/lookup'\n\
             [limits]\nper_relay = {NO_LIMIT}\ntotal = {NO_LIMIT}\n"
        )
    }

    fn relay_settings(&self, address: SocketAddr, admin: SocketAddr, gateway: SocketAddr, door: Door) -> String {
        let listener = self.listener(address, door, "none");
        let Identity { certificate, key } = &self.relay;
        format!(
            "{listener}[admin]\naddress = '{admin}'\n\
             [[route]]\npath = '/'\ngateway = 'https://{gateway}{GATEWAY_PATH}'\n\
             [route.tls]\nca = '{}'\ncertificate = '{}'\nkey = '{}'\n\
             [limits]\nper_address = {NO_LIMIT}\ntotal = {NO_LIMIT}\n",
            self.ca.display(),
            certificate.display(),
            key.display()
        )
    }
}

/// Whom a client believes here.
#[must_use]
pub fn trust() -> Trust {
    let signing = SigningKey::from_seed(&SIGNING_SEED).public();
    let anchor = TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![SigningKey::from_seed(&PROVER_SEED).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    };
    let provider =
        ProviderTrust { name: "provider.example".to_owned(), key_configuration_key: signing, receipt_key: signing };
    Trust { provider, provers: TrustAnchors::new(vec![anchor]) }
}

/// The nth number of `make_mappings`.
///
/// # Panics
///
/// Never below 800 million.
#[must_use]
pub fn number(n: u64) -> Cpi {
    Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + n)).expect("a canonical number")
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written here the servers can read.
    #[test]
    fn the_configurations_are_those_of_the_servers() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::lay(Path::new("/nowhere"), folder.path(), 1 << 20).unwrap();
        let address = free_address().unwrap();
        for door in [Door::Plain, Door::Tls] {
            let gateway: gateway::Config = toml::from_str(&place.gateway_settings(address, address, door)).unwrap();
            gateway.listener.check().unwrap();
            assert_eq!(gateway.relays.open, door == Door::Plain);
            let relay: relay::Config = toml::from_str(&place.relay_settings(address, address, address, door)).unwrap();
            relay.check().unwrap();
        }
        let made = "[listener]\naddress = '127.0.0.1:8444'\n[store]\nprovider = 'dp.example'\nfolder = 'd'\n\
                    hash_key_file = 'h'\nreceipt_key_file = 'r'\nprover = []\n";
        fs::write(folder.path().join("store.toml"), made).unwrap();
        let settings = place.store_settings(folder.path()).unwrap();
        let store: mapping_store::Config = service::load_config(&settings).unwrap();
        assert_eq!(store.store.cache_bytes, 1 << 20);
        assert!(trust().provers.iter().next().is_some());
        assert!(place.client_tls(true).load().is_ok() && place.client_tls(false).load().is_ok());
        assert!(place.filled_store(3).unwrap_err().to_string().contains("make_mappings"));
    }

    #[test]
    fn numbers_are_distinct_and_canonical() {
        assert_eq!(number(0).to_string(), "tel:+4915100000000");
        assert_ne!(number(1), number(2));
    }
}
