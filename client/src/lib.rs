//! What a handset or a messaging provider links to take part in MIMI discovery.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`lookup`] | `Client`: asks through a relay, verifies every answer; the pure steps from question to answer |
//! | [`cache`] | answers kept until their documents expire; what of a contact book is to be asked for again |
//! | [`choice`] | which of several mappings to use: the caller's context, `Default`, ties broken once |
//! | [`verify`] | verification of an authenticated mapping, offline, and its report for people |
//! | [`enrollment`] | the user's side of the handshake, in steps that consume each other |
//! | [`identifier_query`] | the MIMI protocol's own query: unsigned, proves nothing |
//! | [`publication`] | a signed mapping and its receipt, in steps that consume each other |
//! | [`conflict`] | was a mapping of mine displaced? the question and the provider's notice |
//! | `msp` | the MSP's side: carries the handshake to the ID Prover, publishes mappings, reads a provider's directory |
//! | [`trust`] | the trust file: provers, the provider's keys |
//! | [`oblivious`] | capsules (RFC 9458), the choice among the gateway's keys |
//! | `http` | HTTPS with bounds |
//! | [`relays`], [`retry`] | one of several relays at random; trying again, if wished |
//! | [`error`] | errors by whose fault it is, and whether to try again |
//! | [`foreign_text`] | what strangers wrote, made fit to be shown |
//!
//! Nothing is stored unless a [`cache::Cache`] is saved; time and randomness come in at the edges (the builder, arguments).
//!
//! # A walk through
//!
//! Read whom to trust, set a client up, and look a contact book up. The answers come as a stream, in no order that would
//! tell anything, while the requests stay a few at a time:
//!
//! ```no_run
//! use client::lookup::{Client, Lookups};
//! use client::retry::Retry;
//! use client::trust::Trust;
//! use futures_util::StreamExt as _;
//! use protocol::cpi::{Cpi, Region};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let trust = Trust::from_toml(&std::fs::read_to_string("trust.toml")?)?;
//! let client = Client::builder(
//!     "https://relay.example/provider".parse()?,
//!     "https://relay.example/provider/keys".parse()?,
//!     "https://provider.example/v1/lookup".parse()?,
//!     trust,
//!     std::fs::read("ca.pem")?,
//! )
//! .retry(Retry::default())
//! .build()?;
//!
//! let region = Region::parse("US")?;
//! let book = [
//!     Cpi::from_user_input("(415) 555-0132", Some(region))?,
//!     Cpi::from_user_input("Bob@Bücher.example", None)?,
//! ];
//! let mut lookups: Lookups = client.lookups(&book);
//! while let Some(answer) = lookups.next().await {
//!     match answer {
//!         Ok(found) => println!("{}: {:?}", found.cpi, found.outcome),
//!         Err(unanswered) => eprintln!("{} without answer: {unanswered}", unanswered.cpis.len()),
//!     }
//!     println!("{} of {}", lookups.progress().answered, lookups.progress().total);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Keep what was found, and ask next time only for what is new, has expired or is about to ([`cache`]):
//!
//! ```no_run
//! # use client::{cache::{Cache, Freshness}, lookup::Client};
//! # async fn run(client: Client, book: Vec<protocol::cpi::Cpi>) -> Result<(), Box<dyn std::error::Error>> {
//! let path = std::path::Path::new("discovery.cache");
//! let mut cache = Cache::load(path, Freshness::default())?;
//! let synced = client.sync(&book, &mut cache, |_| ()).await;
//! cache.save(path)?;
//! println!("{} kept, {} asked for, {} changed", synced.kept, synced.progress.answered, synced.changed.len());
//! # Ok(())
//! # }
//! ```
//!
//! Choose where to send ([`choice`]), and say what a document proves ([`verify`]). All of it is the same offline: here is an
//! answer as a provider would give it, read by the pure function below the client.
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::choice::choose;
//! use client::lookup::answer;
//! use protocol::lookup::{Answer, Entry, Outcome};
//!
//! let document = fixtures::document("mimi://a.example", &["Default"]);
//! let body = Answer { entries: vec![Entry { outcome: Outcome::OneMapping, mappings: vec![document] }] }.encode();
//!
//! let found = answer(&[fixtures::cpi()], &body, &fixtures::trust().provers, fixtures::NOW)?;
//! assert_eq!(found[0].outcome, Outcome::OneMapping);
//! let chosen = choose(&found[0], Some("Business"), None, 0).expect("one mapping is enough to choose from");
//! assert_eq!(chosen.mapping.mapping().reachability.msp().expect("it names one").domain(), "a.example");
//! # Ok::<(), client::Error>(())
//! ```
//!
//! # Features
//!
//! | feature | brings | without it |
//! | --- | --- | --- |
//! | `net` (default) | `lookup::Client`, `oblivious::ObliviousClient`, `http`, `msp` | documents, verification, capsules, enrollment steps, choices and the cache in memory: what compiles for `wasm32-unknown-unknown`, where a browser does the requests |
//! | `files` (default) | `Cache::load`, `Cache::save` | `Cache::to_bytes`, `Cache::from_bytes` |

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod cache;
pub mod choice;
pub mod conflict;
pub mod enrollment;
pub mod error;
pub mod foreign_text;
#[cfg(feature = "net")]
pub mod http;
pub mod identifier_query;
pub mod lookup;
#[cfg(feature = "net")]
pub mod msp;
pub mod oblivious;
pub mod publication;
pub mod relays;
pub mod retry;
#[cfg(test)]
mod sample;
pub mod trust;
pub mod verify;

pub use error::{Error, Fault};
/// The example of `README.md` compiles.
#[cfg(all(doctest, feature = "net", feature = "files"))]
#[doc = include_str!("../README.md")]
struct ReadMe;

#[cfg(feature = "net")]
pub use lookup::Client;
pub use lookup::Found;
