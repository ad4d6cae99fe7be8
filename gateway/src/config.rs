//! The gateway's configuration: `docs/samples/gateway.toml` shows every setting.

use std::path::PathBuf;
use std::time::Duration;

use documents::MAX_NAME_BYTES;
pub use encapsulation::{AeadName, KemName};
use serde::Deserialize;
use service::{AdminConfig, Certificates, ClientTlsConfig, ListenError, ListenerConfig, Listeners, Rate, TlsError};

use crate::keys::KeyError;

/// The longest that the circuit to a target may stay open, in seconds.
pub const MAX_OPEN_SECONDS: u64 = 3600;

/// Settings of a gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where relays come in.
    pub listener: ListenerConfig,
    /// Health, readiness and metrics; off without it.
    #[serde(default)]
    pub admin: Option<AdminConfig>,
    /// Which relays may bring capsules.
    pub relays: RelaysConfig,
    /// The gateway's HPKE keys.
    pub keys: KeysConfig,
    /// What a capsule may ask for.
    #[serde(rename = "allow")]
    pub allowed: Vec<AllowedTarget>,
    /// Where requests go: for the `gateway` binary. A composer gives a target of its own instead.
    #[serde(default)]
    pub target: Option<HttpTargetConfig>,
    /// Limits on capsules.
    #[serde(default)]
    pub limits: Limits,
    /// Bounds on one exchange.
    #[serde(default)]
    pub exchange: Exchange,
}

/// Which relays may bring capsules: those whose verified certificate is named, or anybody if `open` is set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelaysConfig {
    /// DNS names in relay certificates.
    pub names: Vec<String>,
    /// SHA-256 fingerprints of relay certificates, in hexadecimal.
    pub fingerprints: Vec<String>,
    /// Whether anybody may.
    pub open: bool,
}

/// The gateway's HPKE keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// The file that holds them, mode 0600.
    pub state_file: PathBuf,
    /// Whether several gateways behind one name have the same keys: each with a copy of one file, made by `gateway --make-shared-keys`.
    #[serde(default)]
    pub shared: bool,
    /// The provider's name in the signed key configuration, 1 to 253 bytes.
    pub provider: String,
    /// The key that signs the key configuration: 64 hexadecimal digits, mode 0600; created if missing.
    pub signing_key_file: PathBuf,
    /// How old a key becomes before the next one takes over.
    #[serde(default = "default_rotation")]
    pub rotation_seconds: u64,
    /// How long a served key configuration may be cached; a replaced key is honoured that much longer.
    #[serde(default = "default_cache")]
    pub cache_seconds: u64,
    /// The KEMs to offer, each with a key of its own, the preferred one first.
    #[serde(default = "default_kems")]
    pub kems: Vec<KemName>,
    /// The AEADs to offer with each KEM, the preferred one first.
    #[serde(default = "default_aeads")]
    pub aeads: Vec<AeadName>,
}

/// One thing a capsule may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedTarget {
    /// The authority of the request, in lower case.
    pub authority: String,
    /// The method.
    pub method: String,
    /// The path, without query. A segment in braces, `{domain}`, stands for any one segment of letters, digits and `-._~:`
    /// that is not `.` or `..`.
    pub path: String,
}

/// A target over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTargetConfig {
    /// Scheme and authority, `https://store.internal:8443`; the path comes from the capsule.
    pub url: String,
    /// TLS, with the gateway's client certificate.
    pub tls: ClientTlsConfig,
    /// From the request to the end of the answer.
    #[serde(default = "default_target_timeout")]
    pub timeout_ms: u64,
    /// The longest answer.
    #[serde(default = "default_target_bytes")]
    pub max_response_bytes: usize,
    /// So many failures in a row open the circuit.
    #[serde(default = "default_failures")]
    pub failures_to_open: u32,
    /// How long the circuit stays open, 1 second to an hour.
    #[serde(default = "default_open")]
    pub open_seconds: u64,
}

/// Limits on capsules.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For each relay, counted in what a request costs, if its target says so: a lookup costs one for each identifier.
    pub per_relay: Rate,
    /// In total.
    pub total: Rate,
}

impl Default for Limits {
    /// 50,000 a second for each relay, 100,000 in total.
    fn default() -> Self {
        Self { per_relay: Rate::new(50_000, 1), total: Rate::new(100_000, 1) }
    }
}

/// Bounds on one exchange.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// The longest capsule.
    pub max_request_bytes: usize,
    /// From the head of the request to the end of its capsule.
    pub body_timeout_ms: u64,
    /// Answers are padded to the first of these sizes that they fit in, and to multiples of the last beyond.
    pub padded_response_bytes: Vec<usize>,
    /// Before that, answers are padded to so many times the length of what was in their capsule, so that a relay, which sees
    /// both sizes, does not learn whether anything was found; up to the last of the sizes above. 0 for none of it.
    pub response_per_request: usize,
}

impl Default for Exchange {
    /// 64 KiB, 15 s, powers of two from 512 bytes to 1 MiB, four times the request.
    fn default() -> Self {
        Self {
            max_request_bytes: 64 * 1024,
            body_timeout_ms: 15_000,
            padded_response_bytes: (9..=20).map(|power| 1 << power).collect(),
            response_per_request: 4,
        }
    }
}

impl Exchange {
    pub(crate) const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }
}

fn default_rotation() -> u64 {
    7 * 24 * 3600
}

fn default_cache() -> u64 {
    24 * 3600
}

fn default_kems() -> Vec<KemName> {
    vec![KemName::X25519]
}

fn default_aeads() -> Vec<AeadName> {
    vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305]
}

fn default_target_timeout() -> u64 {
    5_000
}

fn default_target_bytes() -> usize {
    1024 * 1024
}

fn default_failures() -> u32 {
    5
}

fn default_open() -> u64 {
    5
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody may bring capsules.
    #[error("relays: name certificates (names, fingerprints), or set open = true to take capsules from anybody")]
    NoRelays,
    /// Certificates are named, but the listener does not ask for any.
    #[error(
        "relays: named certificates need a listener with client_ca, and client_certificates = \"required\" or \"optional\""
    )]
    NoClientCertificates,
    /// A fingerprint is not 64 hexadecimal digits.
    #[error("relays: a fingerprint is 64 hexadecimal digits")]
    Fingerprint,
    /// Nothing may be asked for.
    #[error("at least one [[allow]] is needed: a gateway without an allow-list is an open proxy")]
    NoAllowed,
    /// An allowed target is malformed.
    #[error(
        "allow: the authority is in lower case, the method in upper case, and the path starts with / and has no query, and braces around whole segments"
    )]
    Allowed,
    /// The provider's name.
    #[error("keys: provider must be 1 to {MAX_NAME_BYTES} bytes")]
    Provider,
    /// No KEM or AEAD, or one twice.
    #[error("keys: kems and aeads must each name at least one, none twice")]
    Suites,
    /// Times that do not fit together.
    #[error("keys: cache_seconds must be at least 60, and rotation_seconds no less than cache_seconds")]
    Times,
    /// The padding sizes.
    #[error("exchange: padded_response_bytes must be positive, ascending and not empty")]
    Padding,
    /// The binary has no target.
    #[error("[target] is needed")]
    NoTarget,
    /// The target's URL.
    #[error("target: the URL must be https:// and an authority, without path")]
    TargetUrl,
    /// How long the circuit stays open.
    #[error("target: open_seconds must be 1 to {MAX_OPEN_SECONDS}")]
    TargetOpen,
    /// TLS towards the target.
    #[error("target: {0}")]
    TargetTls(#[from] TlsError),
    /// Key files.
    #[error("keys: {0}")]
    Keys(#[from] KeyError),
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Config {
    /// Checks all settings and reads the TLS files that they name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.listener.check()?;
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        self.check_settings()?;
        crate::HttpTarget::new(self.http_target()?).map(|_| ())
    }

    pub(crate) fn check_settings(&self) -> Result<(), ConfigError> {
        let named = !(self.relays.names.is_empty() && self.relays.fingerprints.is_empty());
        let asks = self.listener.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let distinct = |count: usize, repeated: bool| count > 0 && !repeated;
        let kems = &self.keys.kems;
        let aeads = &self.keys.aeads;
        if !named && !self.relays.open {
            Err(ConfigError::NoRelays)
        } else if named && !asks {
            Err(ConfigError::NoClientCertificates)
        } else if let Err(error) = self.relays.certificates() {
            Err(error)
        } else if self.allowed.is_empty() {
            Err(ConfigError::NoAllowed)
        } else if !self.allowed.iter().all(AllowedTarget::is_well_formed) {
            Err(ConfigError::Allowed)
        } else if !(1..=MAX_NAME_BYTES).contains(&self.keys.provider.len()) {
            Err(ConfigError::Provider)
        } else if !distinct(kems.len(), (1..kems.len()).any(|i| kems[..i].contains(&kems[i])))
            || !distinct(aeads.len(), (1..aeads.len()).any(|i| aeads[..i].contains(&aeads[i])))
        {
            Err(ConfigError::Suites)
        } else if self.keys.cache_seconds < 60 || self.keys.rotation_seconds < self.keys.cache_seconds {
            Err(ConfigError::Times)
        } else if self.exchange.padded_response_bytes.is_empty()
            || self.exchange.padded_response_bytes[0] == 0
            || !self.exchange.padded_response_bytes.is_sorted_by(|a, b| a < b)
        {
            Err(ConfigError::Padding)
        } else {
            Ok(())
        }
    }

    /// The settings of the HTTP target.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoTarget`].
    pub fn http_target(&self) -> Result<&HttpTargetConfig, ConfigError> {
        self.target.as_ref().ok_or(ConfigError::NoTarget)
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

impl RelaysConfig {
    /// The certificates that are named.
    pub(crate) fn certificates(&self) -> Result<Certificates, ConfigError> {
        Certificates::named(&self.names, &self.fingerprints).ok_or(ConfigError::Fingerprint)
    }
}

impl AllowedTarget {
    /// Whether this path, without query, is allowed.
    pub(crate) fn allows_path(&self, path: &str) -> bool {
        let (mut allowed, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (allowed.next(), asked.next()) {
                (None, None) => return true,
                (Some(allowed), Some(asked)) if allowed == asked || (is_open(allowed) && is_plain(asked)) => {}
                _ => return false,
            }
        }
    }

    fn is_well_formed(&self) -> bool {
        let authority = !self.authority.is_empty() && self.authority == self.authority.to_ascii_lowercase();
        let method = !self.method.is_empty() && self.method == self.method.to_ascii_uppercase();
        let whole = |segment: &str| is_open(segment) || !segment.contains(['{', '}']);
        let path = self.path.starts_with('/') && !self.path.contains(['?', '#']) && self.path.split('/').all(whole);
        authority && method && path
    }
}

/// Whether a segment of an allowed path stands for any.
fn is_open(segment: &str) -> bool {
    let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
}

/// Whether a segment is plain enough to stand where any may: nothing that another server might read as more than a name.
fn is_plain(segment: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~:".contains(&c);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}
