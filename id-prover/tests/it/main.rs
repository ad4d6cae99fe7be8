//! The production server, driven as an MSP drives it: over mutual TLS, by way of the `client` crate.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod authorities;
mod handshake;
mod limits;
mod logs;
mod mail;
mod refusals;
mod restart;
mod server;
mod settings;
mod smtp_server;
mod user;
