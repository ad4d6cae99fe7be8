//! The client against a real server that misbehaves as it is told.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

/// Documents to build from.
#[allow(dead_code, reason = "some are for the examples in the documentation alone")]
mod fixtures;

mod book;
mod faults;
mod identifier_query;
mod keys;
mod lies;
mod relays;
mod resumption;
mod server;
mod silence;
mod sync;
mod tags;
