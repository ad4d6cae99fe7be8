//! `serve` and what surrounds it, over real sockets and real TLS.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod admin;
mod authority;
mod body;
mod bounds;
mod drain;
mod harness;
mod listener;
mod resting;
mod server;
mod tls;
