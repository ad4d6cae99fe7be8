//! The mapping store: publication and lookup of authenticated mappings.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`config`] | settings |
//! | [`store`] | [`Store`]: publish, remove, look up, follow |
//! | `rules` | what a publication does to the record of a CPI: pure functions |
//! | `record` | the record of one CPI, and its layout on disk |
//! | [`storage`] | what is asked of an engine; RocksDB behind it, or a cluster that speaks CQL |
//! | [`follow`] | reading another provider's change feed into this store |
//! | `writer` | the one thread that changes anything; many publications share a sync |
//! | [`backup`] | copies of a running store, and putting one in place |
//! | [`verify`] | a database or backup against itself and what its documents prove |
//! | [`moving`] | an embedded database carried into a cluster |
//! | [`import`] | many documents from a file; a kept change feed played back |
//! | [`command`] | the command line: serving and following; backups, imports, checks, the schema of a cluster, the hash key |
//! | `control` | what an operator asks of a running store with an embedded database |
//! | `cores` | the same work on many things, on all cores |
//! | `hash_key` | where the key of the labels comes from |
//! | `label` | the keyed hash under which a CPI is kept |
//! | `issuers` | who may remove which CPIs |
//! | `http` | the endpoints, one file each |
//! | [`metrics`] | names and labels |
//!
//! A document is verified before it reaches the writer; the writer takes nothing else than a
//! [`protocol::authenticated::VerifiedMapping`]. Nothing is verified or re-encoded on the way out.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod backup;
pub mod command;
pub mod config;
mod control;
mod cores;
pub mod follow;
mod hash_key;
mod http;
pub mod import;
mod issuers;
mod label;
pub mod metrics;
pub mod moving;
mod record;
mod rules;
pub mod storage;
pub mod store;
pub mod verify;
mod writer;

pub use config::{Config, ConfigError};
pub use http::{LookupCost, run};
pub use service::Listeners;
pub use store::{OpenError, PublishError, Published, Store};
