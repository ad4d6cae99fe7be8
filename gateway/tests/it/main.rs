//! The gateway between real clients with certificates and a target, over real sockets and real TLS.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod capsules;
mod configuration;
#[path = "../../../service/tests/it/harness.rs"]
mod harness;
mod http_target;
mod inside;
mod keys;
mod limits;
mod relays;
mod rotation;
mod scene;
