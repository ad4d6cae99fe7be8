//! The production server, its listeners on port 0, with real TLS and a real RocksDB in a temporary folder.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../service/tests/it/authority.rs"]
mod authority;
mod backups;
mod binary;
mod cluster;
mod conflicts;
mod crash;
mod door;
mod faults;
mod feed;
mod follow;
mod identifier_query;
mod imports;
mod moving;
mod papers;
mod place;
mod publications;
mod rotation;
mod settings;
mod shards;
