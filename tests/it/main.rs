//! The whole path with real parts: the production parties on loopback, real TLS, a real database, a real mail server, and the
//! `discovery` command as people run it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod adversary;
mod audit;
mod bad_input;
mod between;
mod book;
mod command_line;
mod configuration;
mod conformance;
mod crates;
mod demo;
mod dependency_rules;
mod doctor;
mod documents;
mod enrollment;
#[path = "../../client/tests/it/fixtures.rs"]
#[allow(dead_code, reason = "the cast is the client's; not everybody is needed here")]
mod fixtures;
mod interim;
mod manifests;
mod mimi_query;
mod oblivious;
mod page;
mod publication;
mod publishing;
mod requirements;
mod samples;
mod scene;
mod shell;
mod snapshots;
mod supply_chain;
mod system;
mod terminal;
