//! The whole path with real parts: the production parties on loopback, real TLS, a real database, a real mail server, and the
//! `discovery` command as people run it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod bad_input;
mod command_line;
mod demo;
mod dependency_rules;
mod doctor;
mod enrollment;
mod oblivious;
mod publication;
mod samples;
mod scene;
