//! The whole path with real parts: the production parties on loopback, real TLS, a real database, a real mail server, and the
//! `discovery` command as people run it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod audit;
mod bad_input;
mod book;
mod command_line;
mod configuration;
mod demo;
mod dependency_rules;
mod doctor;
mod documents;
mod enrollment;
mod mimi_query;
mod oblivious;
mod page;
mod publication;
mod publishing;
mod samples;
mod scene;
mod shell;
mod snapshots;
mod supply_chain;
mod terminal;
