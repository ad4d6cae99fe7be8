//! The real binary, as a process of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::http::HttpClient;

use crate::papers::{CARRIER, carrier_key, prover_key};
use crate::place::{GATEWAY, PUBLISHER, Place};

const DEADLINE: Duration = Duration::from_secs(60);
/// Of the loopback network; nobody else in this test has it.
const HOST: &str = "127.91.0.1";

/// A place for the binary: its configuration and its addresses.
pub(crate) struct Binary {
    address: SocketAddr,
    admin: SocketAddr,
    config: PathBuf,
}

/// A running one; killed with its guard.
pub(crate) struct Process(Child);

impl Binary {
    pub(crate) fn new(place: &Place) -> Self {
        Self::of(place, "database", "")
    }

    /// One of several of a place, which share its keys and have folders of their own; `more` are further lines of `[store]`.
    pub(crate) fn of(place: &Place, name: &str, more: &str) -> Self {
        // Free a moment ago, and nobody else binds there.
        let bound = [(); 2].map(|()| TcpListener::bind((HOST, 0)).unwrap());
        let [address, admin] = bound.map(|listener| listener.local_addr().unwrap());
        place.authority.certify(&[HOST]).write(place.folder.path(), "server");
        let folder = place.folder.path().display();
        let text = format!(
            "[listener]\n\
             address = '{address}'\n\
             [listener.tls]\n\
             certificate = '{folder}/server.pem'\n\
             key = '{folder}/server.key'\n\
             client_ca = '{folder}/ca.pem'\n\
             client_certificates = 'optional'\n\
             [admin]\n\
             address = '{admin}'\n\
             [store]\n\
             provider = 'dp.example'\n\
             folder = '{folder}/{name}'\n\
             hash_key_file = '{folder}/hash.key'\n\
             receipt_key_file = '{folder}/receipt.key'\n\
             cache_bytes = 16777216\n\
             {more}\
             [[store.prover]]\n\
             name = 'prover.example'\n\
             keys = ['{prover}']\n\
             methods = ['sms-otp']\n\
             [[store.issuer]]\n\
             name = '{CARRIER}'\n\
             key = '{carrier}'\n\
             number_prefixes = ['+1415555']\n\
             [gateways]\n\
             names = ['{GATEWAY}']\n\
             [followers]\n\
             names = ['{PUBLISHER}']\n\
             [limits]\n\
             per_publisher = {{ count = 1000000, seconds = 1 }}\n\
             total = {{ count = 1000000, seconds = 1 }}\n",
            prover = hex::encode(prover_key().public().as_bytes()),
            carrier = hex::encode(carrier_key().public().as_bytes()),
        );
        let config = place.path(&format!("{name}.toml"));
        std::fs::write(&config, text).unwrap();
        Self { address, admin, config }
    }

    pub(crate) fn base(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn config(&self) -> mapping_store::Config {
        service::load_config(&self.config).unwrap()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapping-store"));
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.arg("--config").arg(&self.config).args(arguments).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().unwrap())
    }

    /// What it logs.
    pub(crate) fn log(&self) -> PathBuf {
        self.config.with_extension("log")
    }
}

impl Binary {
    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mapping-store"));
        command.arg("--config").arg(&self.config).args(arguments).output().unwrap()
    }
}

impl Process {
    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the server answers.
pub(crate) async fn wait_until_serving(http: &HttpClient, base: &str) {
    let uri: http::Uri = format!("{base}/.well-known/mimi-discovery-provider").parse().unwrap();
    let serving = async {
        while http.get(&uri, "*/*").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, serving).await.unwrap();
}
