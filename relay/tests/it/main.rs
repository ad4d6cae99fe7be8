//! The relay between a real client and a gateway that records what it receives, over real sockets and real TLS.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../service/tests/it/authority.rs"]
mod authority;
mod configuration;
mod exchange;
mod faults;
#[path = "../../../service/tests/it/harness.rs"]
mod harness;
mod hostile;
mod keys;
mod privacy;
mod refusals;
mod scene;
#[path = "../../../service/tests/it/siege/mod.rs"]
mod siege;
