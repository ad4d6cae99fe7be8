//! Measures the real binaries from outside: how much of a processor a request takes, how long an answer takes under a steady
//! load, how much memory is held.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`settings`] | what is to be measured, and where |
//! | [`process`] | what a process has taken, from `/proc` |
//! | [`cores`] | which core a process or thread runs on |
//! | [`server`] | a server as a child process, on its core |
//! | [`place`] | certificates, keys and configurations of the servers; a filled store |
//! | [`capsules`] | requests made beforehand, and the check of their answers |
//! | [`connection`] | kept connections: HTTP/1.1, HTTP/2, with TLS or without |
//! | [`back_end`] | a constant gateway behind the relay |
//! | [`closed`] | the greatest throughput: the next request when an answer is there |
//! | [`open`] | a steady rate: requests start when they are due, whatever became of those before |
//! | [`counting`] | instructions by callgrind, and their records |
//! | [`scenario`] | what is measured, one file each |
//! | [`report`], [`plot`] | a table, and pictures |
//!
//! Four binaries: `load` drives and reports; `load-provider` is gateway and store in one process, by the libraries of both;
//! `load-comparison` is a minimal gateway on the `ohttp` crate, to compare with; `load-guard` counts instructions.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod back_end;
pub mod capsules;
pub mod closed;
pub mod connection;
pub mod cores;
pub mod counting;
pub mod open;
pub mod place;
pub mod plot;
pub mod process;
pub mod report;
pub mod scenario;
pub mod server;
pub mod settings;

/// What went wrong, in words for whoever measures.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;

/// Fails with this message unless it holds.
///
/// # Errors
///
/// The message.
pub fn ensure(holds: bool, otherwise: impl std::fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(otherwise.to_string().into()) }
}
