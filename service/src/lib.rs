//! What every server process needs, whatever it serves.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`body`] | reading a request's body within bounds |
//! | [`problem`] | problem documents that are constants |
//! | [`published`] | what everybody may read and keep for a while: entity tags, 304 |
//! | [`limits`] | how often, by key and in total, with an exact `Retry-After` |
//! | [`listener`] | a bound socket with TLS and bounds; plaintext only where it is harmless or asked for |
//! | `listeners` | the two that every service has |
//! | [`mod@serve`] | HTTP/1.1 and HTTP/2 over a listener until shutdown, then a bounded drain |
//! | `conversation` | HTTP on one connection; between requests, HTTP/1.1 is at rest and takes next to no memory |
//! | `activity`, `stream` | what is under way on a connection, and its stream, watched |
//! | [`addresses`] | how much each address has at once |
//! | [`peer`] | who is at the other end: address and certificate, attached to every request; which certificates are let in |
//! | [`tls`] | TLS configuration of both sides, from PEM files, reloaded when they change |
//! | [`outgoing`] | connections to other services |
//! | [`metrics`] | names and labels of what is measured of connections |
//! | [`admin`] | health, readiness and metrics, on a listener of their own |
//! | [`logs`] | structured logs |
//! | [`process`] | command line, configuration file, signals |
//! | `hangup` | SIGHUP, and who is told of it |
//! | [`secret_file`] | keys in files that only their owner can read |
//!
//! This crate knows bytes, TLS and HTTP; it knows no identifier, no document and no capsule, so every trust domain may
//! share it (`docs/decisions/0003-content-blind-crates.md`). It never logs an address, a path or a body.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod activity;
pub mod addresses;
pub mod admin;
pub mod body;
mod conversation;
mod hangup;
pub mod limits;
pub mod listener;
mod listeners;
pub mod logs;
pub mod metrics;
pub mod outgoing;
pub mod peer;
pub mod problem;
pub mod process;
pub mod published;
pub mod secret_file;
pub mod serve;
mod stream;
pub mod tls;

pub use admin::{AdminConfig, Readiness, install_metrics, run_admin};
pub use hangup::Hangups;
pub use limits::{KeyedLimiter, Limiter, Rate, RetryAfter};
pub use listener::{Bounds, ListenError, Listener, ListenerConfig};
pub use listeners::Listeners;
pub use peer::{Certificates, CertificatesConfig, Peer, PeerCertificate};
pub use process::{ConfigError, ServiceArgs, load_config, shutdown_signal};
pub use serve::{Drained, serve};
pub use tls::{ClientCertificates, ClientTlsConfig, TlsConfig, TlsError, TlsReloader};
pub use tokio_util::sync::CancellationToken;
