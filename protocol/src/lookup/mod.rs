//! The lookup: 1 to 64 CPIs in, for each its outcome and all its live authenticated mappings out.
//!
//! Both travel inside a capsule. A client pads requests, the gateway answers; neither size shows what was asked or
//! found. The tag filter of `protocol.md` §6 is applied by the client to what it has verified.

mod answer;
mod compact;
mod outcome;
mod request;

pub use answer::{Answer, Entry, MAX_MAPPINGS};
pub use compact::{CompactAnswer, CompactEntry};
pub use outcome::Outcome;
pub use request::{LookupRequest, MAX_CPIS};

use documents::cbor::{CborError, FieldError};

/// The path of the lookup endpoint.
pub const PATH: &str = "/v1/lookup";
/// The response header that tells a gateway how many CPIs were asked for.
pub const COST: &str = "mimi-lookup-cost";

/// Why a lookup message was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Not deterministic CBOR within its bound.
    #[error("lookup: {0}")]
    Cbor(#[from] CborError),
    /// A field is missing, unknown, or against a rule.
    #[error("lookup: {0}")]
    Field(#[from] FieldError),
}
