//! The browser's side of the page that `discovery up` serves: the `client` crate behind functions that JavaScript can call.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`tab`] | [`tab::Tab`]: the user's key and whom to trust; where everything begins |
//! | [`lookup`] | the gateway's keys, one question, its answer verified |
//! | [`enrollment`] | the user's steps, which consume each other in JavaScript as well |
//! | [`view`] | what JavaScript is shown: JSON |
//!
//! Every rule is that of the library: nothing is decided here. Octets go in and out; the page makes the requests and gives
//! the time. Keys and codes are in this module's memory alone, and gone with the tab.

#![deny(missing_docs)]

pub mod enrollment;
pub mod lookup;
pub mod tab;
pub mod view;

use protocol::Timestamp;
use wasm_bindgen::JsError;

/// Seconds since 1970, as JavaScript has them.
pub(crate) fn time(seconds: f64) -> Timestamp {
    // A clock before 1970 reads as 1970: everything is then dated in the future, and refused.
    Timestamp::from_seconds(seconds.max(0.0) as u64)
}

/// An error in the library's own words.
pub(crate) fn refused(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}
