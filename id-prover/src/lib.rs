//! The ID Prover: it sends one-time codes to phone numbers and email addresses, and signs credentials for those who
//! return them (`docs/protocol.md` §4).
//!
//! | room | what lives there |
//! | --- | --- |
//! | `enrollment` | the life of an enrollment as types, pure |
//! | `prover` | the same with a clock, randomness, database, couriers and limits: [`Prover`] |
//! | `locks` | one at a time for each request and enrollment, within a process |
//! | `storage` | RocksDB, or a cluster that several provers share; the audit trail |
//! | [`courier`] | how a message gets to a CPI: SMTP, SMPP, HTTP, and files or the console for development |
//! | `limits` | how many messages may be sent, by one prover or by several together |
//! | `handlers` | the HTTP endpoints; a file's path says its route |
//! | `server` | [`run`]: listeners, background work, readiness, the end of all of it |
//! | [`clock`] | where the time comes from |
//! | [`keys`] | the prover's keys: files of the state folder, or another token for those that sign |
//! | [`command`] | what the binary does beside serving: the audit trail, the keys |
//! | [`config`], [`metrics`] | settings; what is measured |
//! | `fuzzing`, `benching` | doors for fuzz targets and benches, closed unless the feature of that name is on |
//!
//! What is recorded comes before what is sent, compared or signed: a crash at any point loses no enrollment and grants no
//! further try. MSPs come in over mutual TLS and carry what users sign; they can read no code. No log line and no metric holds
//! an identifier, a code, a key or an address.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

#[cfg(feature = "benching")]
pub mod benching;
pub mod clock;
pub mod command;
pub mod config;
pub mod courier;
mod enrollment;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handlers;
pub mod keys;
mod limits;
mod locks;
pub mod metrics;
mod prover;
mod server;
mod storage;

pub use clock::{Clock, system_clock};
pub use config::{Config, ConfigError};
pub use prover::{EnrollError, Enrolled, OpenError, ProveError, Prover};
pub use server::{Reloads, RunError, run, run_reloading, run_with_clock, run_with_token};
pub use service::Listeners;
