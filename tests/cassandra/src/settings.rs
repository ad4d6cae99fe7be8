//! A node's files: `cassandra.yaml`, `logback.xml`.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::Place;

/// What differs from a plain cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether clients log in; the role `cassandra` has the password `cassandra`.
    pub passwords: bool,
    /// TLS to clients, which is then the only way in.
    pub tls: Option<Tls>,
    /// Whether nodes reach each other through proxies, so that they can be parted: [`crate::Cluster::part`].
    pub links: bool,
    /// Compiled as far as Java can, with a heap of 1 GiB: for figures. Else a node is to start soon.
    pub in_earnest: bool,
}

/// The nodes' certificates and the authority of their clients'.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For each node the chain and private key, both in PEM, in one file.
    pub identities: Vec<PathBuf>,
    /// The authorities of clients' certificates in PEM; with them, clients must have one.
    pub client_ca: Option<PathBuf>,
}

/// Where a node is and who the others are.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) place: Place,
    pub(crate) index: usize,
    pub(crate) options: Options,
}

const LOGBACK: &str = r#"<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"#;

impl Settings {
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.place.addresses[self.index]
    }

    /// By which the other nodes know it.
    pub(crate) fn known_as(&self) -> Ipv4Addr {
        self.peers()[self.index]
    }

    fn peers(&self) -> &[Ipv4Addr] {
        if self.options.links { &self.place.known_as } else { &self.place.addresses }
    }

    pub(crate) fn client_address(&self) -> (Ipv4Addr, u16) {
        (self.address(), self.place.port)
    }

    pub(crate) fn yaml(&self) -> PathBuf {
        self.folder.join("cassandra.yaml")
    }

    pub(crate) fn logback(&self) -> PathBuf {
        self.folder.join("logback.xml")
    }

    /// Writes the node's files.
    pub(crate) fn write(&self) {
        std::fs::create_dir_all(&self.folder).expect("a folder can be made");
        std::fs::write(self.yaml(), self.contents()).expect("a file can be written");
        std::fs::write(self.logback(), LOGBACK).expect("a file can be written");
    }

    /// Thresholds and timeouts are Cassandra's own.
    fn contents(&self) -> String {
        let address = self.address();
        let seeds: Vec<_> = self.peers().iter().map(Ipv4Addr::to_string).collect();
        let folder = self.folder.display();
        let mut yaml = format!(
            "cluster_name: fixture
initial_token: '{}'
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
commitlog_sync: batch
commitlog_segment_size: 8MiB
memtable_heap_space: 64MiB
listen_address: {address}
broadcast_address: {}
rpc_address: {address}
native_transport_port: {}
storage_port: {}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: '{}'
data_file_directories: ['{folder}/data']
commitlog_directory: '{folder}/commitlog'
saved_caches_directory: '{folder}/caches'
hints_directory: '{folder}/hints'
cdc_raw_directory: '{folder}/cdc'
",
            self.token(),
            self.known_as(),
            self.place.port,
            self.place.storage_port,
            seeds.join(","),
        );
        if self.options.passwords {
            yaml += "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n";
        }
        if let Some(tls) = &self.options.tls {
            yaml += &client_encryption(tls, &tls.identities[self.index]);
        }
        yaml
    }

    /// The first of this node's equal share of all tokens.
    fn token(&self) -> i128 {
        let (index, count) = (self.index as i128, self.place.addresses.len() as i128);
        -(1 << 63) + (index + 1) * (1 << 64) / (count + 1)
    }
}

fn client_encryption(tls: &Tls, identity: &Path) -> String {
    let pem = |key: &str, path: &Path| format!("    {key}: '{}'\n", path.display());
    let mut yaml = "client_encryption_options:\n  enabled: true\n  optional: false\n".to_owned();
    let _ = writeln!(yaml, "  require_client_auth: {}", tls.client_ca.is_some());
    yaml += "  ssl_context_factory:\n    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n";
    yaml += "  store_type: PEM\n";
    yaml += &pem("keystore", identity)[2..];
    if let Some(ca) = &tls.client_ca {
        yaml += &pem("truststore", ca)[2..];
    }
    yaml
}
