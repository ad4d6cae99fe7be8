//! Looking up whom one can reach where: one CPI, or a whole contact book.
//!
//! [`question`] and [`answer`] are the pure part: CPIs to a request, an answer's bytes to verified [`Found`]s. `Client`
//! (feature `net`) does the rest: CPIs are asked for once each, in a random order, in batches of up to 64 that are padded
//! alike, a few at a time. Every document that comes back is verified; what does not verify is kept apart and never
//! counts. [`Found::outcome`] is what this client concludes, not what the provider says.

#[cfg(feature = "net")]
mod builder;
#[cfg(feature = "net")]
mod client;
mod compact;
mod found;
#[cfg(feature = "net")]
mod pace;
#[cfg(feature = "net")]
mod stream;
#[cfg(feature = "net")]
mod sync;
#[cfg(feature = "net")]
mod unverified;

#[cfg(feature = "net")]
pub use builder::Builder;
#[cfg(feature = "net")]
pub use client::Client;
pub use compact::{Claimed, compact_answer, compact_question};
pub(crate) use found::judge;
pub use found::{Found, Refused, answer, padded_bytes, question};
#[cfg(feature = "net")]
pub use stream::{Lookups, Progress, Unanswered};
#[cfg(feature = "net")]
pub use sync::Synced;
