//! The `discovery` command: a local stack of all parties, and what users, MSPs and askers do with it.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`commands`] | the command line: one file for each command, which parses, calls and prints |
//! | [`stack`] | relay, gateway, mapping store and ID Prover on loopback, as one process; `stack.json` |
//! | [`enroll`] | both sides of the handshake, then publication |
//! | [`codes`] | where the user reads the one-time code: terminal, outbox, mailbox |
//! | [`wallet`] | the user's key and what was published under it |
//! | [`contacts`] | contact books (vCard, CSV) |
//! | [`page`] | the page that `discovery up` serves on loopback, and what it records of a lookup |
//! | [`settings`] | what a command is told of a deployment: configuration file, environment, flags |
//! | [`receipts`], [`audit`] | receipts kept, and a provider held to them |
//! | [`demo`] | a contact book enrolls and is found: every expectation checked |
//! | [`inspect`] | takes documents, capsules and key configurations apart |
//! | [`doctor`] | examines a deployment from outside |
//! | [`mail_sink`] | a real SMTP server for the demo and the tests |
//! | [`certificates`] | a throw-away authority for the stack |
//! | [`output`], [`failure`] | what is printed, and exit statuses |
//!
//! The parties' own crates do the work: this one composes them. It is the only crate that knows all of them.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod audit;
pub mod certificates;
pub mod codes;
pub mod commands;
pub mod contacts;
pub mod demo;
pub mod doctor;
pub mod enroll;
pub mod failure;
pub mod inspect;
pub mod mail_sink;
pub mod output;
pub mod page;
pub mod receipts;
pub mod settings;
pub mod stack;
pub mod wallet;
