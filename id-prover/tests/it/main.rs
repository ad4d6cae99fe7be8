//! The production server, driven as an MSP drives it: over mutual TLS, by way of the `client` crate.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod attacks;
#[path = "../../../service/tests/it/authority.rs"]
mod authority;
mod binary;
mod changes;
mod cluster;
mod handshake;
mod languages;
mod limits;
mod logs;
mod mail;
mod refusals;
mod requirements;
mod restart;
mod server;
mod settings;
mod smpp;
mod smsc;
mod smtp_server;
mod storm;
mod token;
mod user;
mod webhook;
