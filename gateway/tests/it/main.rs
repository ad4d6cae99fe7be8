//! The gateway between real clients with certificates and a target, over real sockets and real TLS.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../service/tests/it/authority.rs"]
mod authority;
mod capsules;
mod configuration;
mod front;
#[path = "../../../service/tests/it/harness.rs"]
mod harness;
mod hostile;
mod http_target;
mod inside;
mod interop;
mod keys;
mod limits;
mod mutations;
mod relays;
mod rotation;
mod scene;
mod shared_keys;
#[path = "../../../service/tests/it/siege/mod.rs"]
mod siege;
mod unlinkability;
mod vectors;
