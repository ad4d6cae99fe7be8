//! What a handset or a messaging provider links to take part in MIMI discovery.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`lookup`] | [`lookup::Client`]: asks through the relay, verifies every answer |
//! | [`verify`] | verification of an authenticated mapping, offline, and its report for people |
//! | [`enrollment`] | the user's side of the handshake, in steps that consume each other |
//! | [`msp`] | the MSP's side: carries the handshake to the ID Prover, publishes mappings |
//! | [`trust`] | the trust file: provers, the provider's keys |
//! | [`oblivious`] | capsules (RFC 9458), the choice among the gateway's keys |
//! | [`http`] | HTTPS with bounds |
//! | [`error`] | errors by whose fault it is, and whether to try again |
//!
//! Nothing here stores anything; time and randomness come in at the edges ([`lookup::Builder`], arguments).

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod enrollment;
pub mod error;
pub mod http;
pub mod lookup;
pub mod msp;
pub mod oblivious;
pub mod trust;
pub mod verify;

pub use error::{Error, Fault};
pub use lookup::{Client, Found};
