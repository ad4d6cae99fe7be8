//! The mapping store: publication and lookup of authenticated mappings.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`config`] | settings |
//! | [`store`] | [`Store`]: publish, remove, look up, follow |
//! | `rules` | what a publication does to the record of a CPI: pure functions |
//! | `record` | the record of one CPI, and its layout on disk |
//! | `engine` | RocksDB: column families, one atomic batch for each group of publications |
//! | `writer` | the one thread that changes anything; many publications share a sync |
//! | `label` | the keyed hash under which a CPI is kept |
//! | `issuers` | who may remove which CPIs |
//! | `http` | the endpoints, one file each |
//! | [`metrics`] | names and labels |
//!
//! A document is verified before it reaches the writer; the writer takes nothing else than a
//! [`protocol::authenticated::VerifiedMapping`]. Nothing is verified or re-encoded on the way out.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod config;
mod engine;
mod http;
mod issuers;
mod label;
pub mod metrics;
mod record;
mod rules;
pub mod store;
mod writer;

pub use config::{Config, ConfigError};
pub use http::{Listeners, LookupCost, run};
pub use store::{OpenError, PublishError, Store};
