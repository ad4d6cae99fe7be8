//! The crate as others use it, held to the texts it implements.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod addresses;
mod bounds;
mod numbers;
mod s01_identifiers;
