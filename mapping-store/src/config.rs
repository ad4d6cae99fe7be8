//! The store's configuration: `docs/samples/mapping-store.toml` shows every setting.

use std::fs;
use std::io;
use std::path::PathBuf;

use protocol::MAX_NAME_BYTES;
use protocol::cpi::{Cpi, CpiError};
use protocol::trust::{TrustAnchor, TrustAnchorError, TrustAnchorTable, TrustAnchors, parse_key};
use serde::{Deserialize, Deserializer};
use service::{AdminConfig, CertificatesConfig, ListenError, ListenerConfig, Listeners, Rate, TlsError};

use crate::issuers::{Issuer, Issuers};
use crate::storage::ClusterConfig;

/// Settings of a mapping store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where publishers, followers and gateways come in.
    pub listener: ListenerConfig,
    /// Health, readiness and metrics; off without it.
    #[serde(default)]
    pub admin: Option<AdminConfig>,
    /// The store itself.
    pub store: StoreConfig,
    /// Which gateways may look up over HTTP. None for a store that a gateway embeds.
    #[serde(default)]
    pub gateways: CertificatesConfig,
    /// Which followers may read the change feed, which holds every document. None by default.
    #[serde(default)]
    pub followers: CertificatesConfig,
    /// Limits on publications.
    #[serde(default)]
    pub limits: Limits,
}

/// The store itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// The provider's name, as in its receipts: 1 to 253 bytes.
    pub provider: String,
    /// The folder of the database. Not looked at with a cluster.
    #[serde(default)]
    pub folder: PathBuf,
    /// A cluster to keep the database in, instead of the folder. Any number of stores may share it, with the same `hash_key_file` and
    /// `receipt_key_file`.
    #[serde(default, deserialize_with = "in_own_keyspace")]
    pub cluster: Option<ClusterConfig>,
    /// The key of the hashes under which CPIs are kept: 64 hexadecimal digits, mode 0600, created with a new database. While it
    /// is changed, the new key, and the old one on the next line. `env:NAME` takes it from a variable. Keep it away from the
    /// database and its backups.
    pub hash_key_file: PathBuf,
    /// The key that signs receipts: likewise.
    pub receipt_key_file: PathBuf,
    /// The trusted ID Provers.
    #[serde(rename = "prover")]
    pub provers: Vec<TrustAnchorTable>,
    /// Issuers of CPIs, who may remove what they have taken back.
    #[serde(rename = "issuer", default)]
    pub issuers: Vec<IssuerTable>,
    /// Memory for records, blocks, indexes, filters and write buffers of the embedded database.
    #[serde(default = "default_cache")]
    pub cache_bytes: usize,
    /// The longest answer to a lookup; a longer one is refused, and the client asks for less at once.
    #[serde(default = "default_answer")]
    pub max_answer_bytes: usize,
}

/// An issuer of CPIs: a carrier, a mail domain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerTable {
    /// Its name, as in the `iss` of its removals.
    pub name: String,
    /// Its key: 64 hexadecimal digits.
    pub key: String,
    /// The number ranges it rules, as prefixes: `+14155`.
    #[serde(default)]
    pub number_prefixes: Vec<String>,
    /// The mail domains it rules, in A-labels.
    #[serde(default)]
    pub mail_domains: Vec<String>,
}

/// Limits on publications and on reading the change feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For each publisher: its certificate, or its address if it has none.
    pub per_publisher: Rate,
    /// In total.
    pub total: Rate,
}

impl Default for Limits {
    /// 1,000 a second for each publisher, 10,000 in total.
    fn default() -> Self {
        Self { per_publisher: Rate::new(1_000, 1), total: Rate::new(10_000, 1) }
    }
}

/// The keyspace, unless the settings name another.
const KEYSPACE: &str = "mapping_store";

fn in_own_keyspace<'de, D: Deserializer<'de>>(cluster: D) -> Result<Option<ClusterConfig>, D::Error> {
    let cluster = Option::<ClusterConfig>::deserialize(cluster)?;
    Ok(cluster.map(|cluster| cluster.or_keyspace(KEYSPACE)))
}

const fn default_cache() -> usize {
    256 * 1024 * 1024
}

const fn default_answer() -> usize {
    900 * 1024
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The provider's name: no client would take what is signed with another one.
    #[error("store: provider must be 1 to {MAX_NAME_BYTES} bytes, without control characters")]
    Provider,
    /// Nowhere to keep anything.
    #[error("store: folder is needed, or [store.cluster]")]
    NoFolder,
    /// A setting of the cluster.
    #[error("store: {0}")]
    Cluster(cluster::Error),
    /// TLS to the cluster.
    #[error("store: settings of the cluster: tls: {0}")]
    ClusterTls(TlsError),
    /// The password for the cluster.
    #[error("store: settings of the cluster: password_file: cannot read {path}: {reason}")]
    ClusterPassword {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// No prover: nothing could ever be published.
    #[error("store: at least one [[store.prover]] is needed")]
    NoProver,
    /// A prover.
    #[error("store: prover {name}: {reason}")]
    Prover {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: TrustAnchorError,
    },
    /// An issuer's key.
    #[error("store: issuer {name}: {reason}")]
    Issuer {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: TrustAnchorError,
    },
    /// An issuer's range.
    #[error("store: issuer {name}: a number prefix is + and digits; a mail domain is in lower-case A-labels")]
    IssuerRange {
        /// Its name.
        name: String,
    },
    /// A fingerprint is not 64 hexadecimal digits.
    #[error("gateways, followers: a fingerprint is 64 hexadecimal digits")]
    Fingerprint,
    /// Gateways are named, but the listener asks for no certificates.
    #[error("gateways, followers: named certificates need a listener with client_ca and client_certificates")]
    NoClientCertificates,
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Config {
    /// Checks all settings and reads the files that they name, but for the store's two keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.listener.check()?;
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        self.store.check()?;
        let mut named = false;
        for certificates in [&self.gateways, &self.followers] {
            certificates.read().ok_or(ConfigError::Fingerprint)?;
            named |= !certificates.is_empty();
        }
        if named && self.listener.tls.as_ref().is_none_or(|tls| tls.client_ca.is_none()) {
            return Err(ConfigError::NoClientCertificates);
        }
        Ok(())
    }

    /// Binds the listeners.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Listen`].
    pub async fn bind(&self) -> Result<Listeners, ConfigError> {
        Ok(Listeners::bind(&self.listener, self.admin.as_ref()).await?)
    }
}

impl StoreConfig {
    /// Checks the settings, and reads the files that a connection to a cluster needs.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let is_short = (1..=MAX_NAME_BYTES).contains(&self.provider.len());
        if !is_short || self.provider.chars().any(char::is_control) {
            return Err(ConfigError::Provider);
        }
        self.trust()?;
        self.issuers()?;
        match &self.cluster {
            Some(cluster) => check_cluster(cluster),
            None if self.folder.as_os_str().is_empty() => Err(ConfigError::NoFolder),
            None => Ok(()),
        }
    }

    pub(crate) fn trust(&self) -> Result<TrustAnchors, ConfigError> {
        if self.provers.is_empty() {
            return Err(ConfigError::NoProver);
        }
        let anchor = |table: &TrustAnchorTable| {
            let wrong = |reason| ConfigError::Prover { name: table.name.clone(), reason };
            TrustAnchor::try_from(table.clone()).map_err(wrong)
        };
        Ok(TrustAnchors::new(self.provers.iter().map(anchor).collect::<Result<_, _>>()?))
    }

    pub(crate) fn issuers(&self) -> Result<Issuers, ConfigError> {
        self.issuers.iter().map(IssuerTable::read).collect::<Result<_, _>>().map(Issuers::new)
    }
}

fn check_cluster(cluster: &ClusterConfig) -> Result<(), ConfigError> {
    cluster.check().map_err(ConfigError::Cluster)?;
    if let Some(path) = &cluster.password_file {
        let unreadable = |reason| ConfigError::ClusterPassword { path: path.clone(), reason };
        fs::read_to_string(path).map_err(unreadable)?;
    }
    cluster.tls.as_ref().map_or(Ok(()), |tls| tls.load().map(drop).map_err(ConfigError::ClusterTls))
}

impl IssuerTable {
    fn read(&self) -> Result<Issuer, ConfigError> {
        let key = parse_key(&self.key).map_err(|reason| ConfigError::Issuer { name: self.name.clone(), reason })?;
        let digits = |prefix: &String| {
            prefix.strip_prefix('+').is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        };
        let domain = |domain: &String| Cpi::parse(&format!("mailto:x@{domain}")).map_err(|_: CpiError| ()).is_ok();
        if !self.number_prefixes.iter().all(digits) || !self.mail_domains.iter().all(domain) {
            return Err(ConfigError::IssuerRange { name: self.name.clone() });
        }
        Ok(Issuer {
            name: self.name.clone(),
            key,
            number_prefixes: self.number_prefixes.clone(),
            mail_domains: self.mail_domains.clone(),
        })
    }
}
