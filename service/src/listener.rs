//! A bound socket, its TLS, and the bounds on what may come in through it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;

use crate::tls::{TlsConfig, TlsError, TlsReloader};

const BACKLOG: u32 = 1024;
/// The smallest buffer that hyper reads a head of HTTP/1.1 with.
const MIN_HEADER_BYTES: u32 = 8192;

/// Where to listen, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// TLS. Without it, only a loopback address is taken, unless `allow_plaintext` is set.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Whether plaintext may be spoken beyond loopback: behind something that terminates TLS, and nowhere else.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Bounds on connections.
    #[serde(default)]
    pub bounds: Bounds,
}

/// Bounds on connections. Every field has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Connections at once, at least 1; further ones wait in the backlog.
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: from one /64), at least 1; further ones are closed.
    pub max_connections_per_address: usize,
    /// HTTP/2 streams at once on a connection, at least 1.
    pub max_streams_per_connection: u32,
    /// Bytes of a request's head, at least 8,192.
    pub max_header_bytes: u32,
    /// Fields of a request's head (HTTP/1.1), at least 1.
    pub max_headers: usize,
    /// From the connection to the end of the TLS handshake.
    pub tls_handshake_timeout_ms: u64,
    /// For a connection's first octet, and from the first octet of a request to the end of its head (HTTP/1.1).
    pub header_timeout_ms: u64,
    /// A connection on which, for this long, no request has been under way and nothing of an answer has been taken is closed.
    pub idle_timeout_ms: u64,
    /// A connection of HTTP/1.1 on which nothing has been under way for this long gives its buffers back until more is heard.
    pub rest_after_ms: u64,
    /// At shutdown, what is under way may take this long.
    pub drain_timeout_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 256,
            max_streams_per_connection: 128,
            max_header_bytes: 16 * 1024,
            max_headers: 64,
            tls_handshake_timeout_ms: 10_000,
            header_timeout_ms: 15_000,
            idle_timeout_ms: 60_000,
            rest_after_ms: 2_000,
            drain_timeout_ms: 10_000,
        }
    }
}

impl Bounds {
    /// Checks that something can be served within them.
    ///
    /// # Errors
    ///
    /// [`ListenError::Bound`] names the field and the rule.
    pub fn check(&self) -> Result<(), ListenError> {
        let rules = [
            ("max_connections", self.max_connections >= 1, "must be at least 1"),
            // More would not be counted.
            ("max_connections", self.max_connections <= Semaphore::MAX_PERMITS, "is too large to be counted"),
            ("max_connections_per_address", self.max_connections_per_address >= 1, "must be at least 1"),
            ("max_streams_per_connection", self.max_streams_per_connection >= 1, "must be at least 1"),
            ("max_header_bytes", self.max_header_bytes >= MIN_HEADER_BYTES, "must be at least 8192"),
            ("max_headers", self.max_headers >= 1, "must be at least 1"),
            ("tls_handshake_timeout_ms", self.tls_handshake_timeout_ms >= 1, "must be at least 1"),
            ("header_timeout_ms", self.header_timeout_ms >= 1, "must be at least 1"),
            ("idle_timeout_ms", self.idle_timeout_ms >= 1, "must be at least 1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, rule)) => Err(ListenError::Bound { field, rule }),
            None => Ok(()),
        }
    }

    pub(crate) fn tls_handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.tls_handshake_timeout_ms)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) fn rest_after(&self) -> Duration {
        Duration::from_millis(self.rest_after_ms)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

/// A bound socket, ready to be served.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsReloader>,
    pub(crate) bounds: Bounds,
    /// In metrics.
    pub(crate) name: &'static str,
    address: SocketAddr,
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Plaintext beyond loopback without `allow_plaintext`.
    #[error(
        "{0} is no loopback address: give it TLS, or set allow_plaintext = true if something in front terminates TLS"
    )]
    Plaintext(SocketAddr),
    /// The admin endpoint beyond loopback without `allow_remote`.
    #[error("admin: {0} is no loopback address: set allow_remote = true")]
    Admin(SocketAddr),
    /// A bound within which nothing can be served.
    #[error("bounds: {field} {rule}")]
    Bound {
        /// The setting.
        field: &'static str,
        /// What it breaks.
        rule: &'static str,
    },
    /// The TLS files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        reason: io::Error,
    },
}

impl ListenerConfig {
    /// Plaintext on a loopback address and a port of the system's choice.
    #[must_use]
    pub fn loopback() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            allow_plaintext: false,
            bounds: Bounds::default(),
        }
    }

    /// Checks the settings and reads the files without binding.
    ///
    /// # Errors
    ///
    /// [`ListenError`], as [`Listener::bind`].
    pub fn check(&self) -> Result<(), ListenError> {
        self.bounds.check()?;
        match &self.tls {
            Some(tls) => tls.load().map(|_| ()).map_err(ListenError::from),
            None if self.address.ip().is_loopback() || self.allow_plaintext => Ok(()),
            None => Err(ListenError::Plaintext(self.address)),
        }
    }
}

impl Listener {
    /// Binds the socket and reads the TLS files.
    ///
    /// # Errors
    ///
    /// [`ListenError`] names the setting, file or address.
    pub async fn bind(config: &ListenerConfig) -> Result<Self, ListenError> {
        config.check()?;
        if config.tls.is_none() && !config.address.ip().is_loopback() {
            tracing::warn!("a plaintext listener beyond loopback, by allow_plaintext: requests can be read on the way");
        }
        Self::open(config)
    }

    /// Binds the socket by settings that have been checked.
    pub(crate) fn open(config: &ListenerConfig) -> Result<Self, ListenError> {
        let tls = config.tls.clone().map(TlsReloader::new).transpose()?;
        let bind = |reason| ListenError::Bind { address: config.address, reason };
        let socket = if config.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(bind)?;
        socket.set_reuseaddr(true).map_err(bind)?;
        socket.bind(config.address).map_err(bind)?;
        let socket = socket.listen(BACKLOG).map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        Ok(Self { socket, tls, bounds: config.bounds.clone(), name: "public", address })
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The address that was bound, with its port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Exchanges the certificates without a restart, if there are any.
    #[must_use]
    pub fn tls_reloader(&self) -> Option<TlsReloader> {
        self.tls.clone()
    }
}
