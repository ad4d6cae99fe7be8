//! The relay's configuration: `docs/samples/relay.toml` shows every setting.

use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use service::{AdminConfig, ClientTlsConfig, ListenError, ListenerConfig, Listeners, Rate, TlsError};

/// Settings of a relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where clients come in.
    pub listener: ListenerConfig,
    /// Health, readiness and metrics; off without it.
    #[serde(default)]
    pub admin: Option<AdminConfig>,
    /// Which path leads to which gateway.
    #[serde(rename = "route")]
    pub routes: Vec<RouteConfig>,
    /// Limits on requests.
    #[serde(default)]
    pub limits: Limits,
    /// Bounds on one exchange.
    #[serde(default)]
    pub exchange: Exchange,
}

/// One path and its gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The path that capsules are posted to; the keys are at `<path>/.well-known/ohttp-gateway`.
    pub path: String,
    /// The gateway resource: an absolute `https` URL.
    pub gateway: String,
    /// TLS towards the gateway, with the relay's client certificate.
    pub tls: ClientTlsConfig,
}

/// Limits on requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For each client address (IPv6: each /64).
    pub per_address: Rate,
    /// In total.
    pub total: Rate,
    /// How many addresses are remembered; further ones share buckets.
    pub max_addresses: usize,
}

impl Default for Limits {
    /// 300 a minute for an address, 20,000 a second in total, a million addresses.
    fn default() -> Self {
        Self { per_address: Rate::new(300, 60), total: Rate::new(20_000, 1), max_addresses: 1_000_000 }
    }
}

/// Bounds on one exchange with the gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// The longest capsule.
    pub max_request_bytes: u64,
    /// The longest answer.
    pub max_response_bytes: u64,
    /// From the request to the head of the gateway's answer.
    pub first_byte_timeout_ms: u64,
    /// For either body as a whole.
    pub body_timeout_ms: u64,
    /// How long expired keys are still served while the gateway cannot be reached.
    pub stale_keys_seconds: u64,
}

impl Default for Exchange {
    /// 64 KiB, 1 MiB and what sealing adds, 15 s, 30 s, an hour.
    fn default() -> Self {
        Self {
            max_request_bytes: 64 * 1024,
            max_response_bytes: 1024 * 1024 + 1024,
            first_byte_timeout_ms: 15_000,
            body_timeout_ms: 30_000,
            stale_keys_seconds: 3600,
        }
    }
}

impl Exchange {
    pub(crate) const fn first_byte_timeout(&self) -> Duration {
        Duration::from_millis(self.first_byte_timeout_ms)
    }

    pub(crate) const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    pub(crate) const fn stale_keys(&self) -> Duration {
        Duration::from_secs(self.stale_keys_seconds)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no route.
    #[error("a relay needs at least one [[route]]")]
    NoRoute,
    /// A route's path.
    #[error("route path {0:?} must start with / and have no query, no trailing / and be given once")]
    Path(String),
    /// A route's gateway.
    #[error("route {0:?}: the gateway must be an absolute https URL")]
    Gateway(String),
    /// TLS files of a route.
    #[error("route {path:?}: {reason}")]
    Tls {
        /// The route.
        path: String,
        /// What is wrong.
        reason: TlsError,
    },
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Config {
    /// Checks all settings and reads the files that they name, without binding anything.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.listener.check()?;
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        crate::answer::Relay::new(self).map(|_| ())
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

impl RouteConfig {
    pub(crate) fn gateway_uri(&self) -> Result<Uri, ConfigError> {
        let wrong = || ConfigError::Gateway(self.path.clone());
        let uri: Uri = self.gateway.parse().map_err(|_| wrong())?;
        if uri.scheme_str() == Some("https") && uri.authority().is_some() { Ok(uri) } else { Err(wrong()) }
    }

    pub(crate) fn check_path(&self) -> Result<(), ConfigError> {
        let ends_well = self.path == "/" || !self.path.ends_with('/');
        if self.path.starts_with('/') && ends_well && !self.path.contains(['?', '#']) {
            Ok(())
        } else {
            Err(ConfigError::Path(self.path.clone()))
        }
    }
}
