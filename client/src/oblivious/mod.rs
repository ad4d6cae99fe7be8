//! Oblivious HTTP (RFC 9458) from the client's side: a request goes in, an answer comes out, and no single party on the
//! way sees both who asks and what.
//!
//! [`encapsulate`] and [`select`] are pure. `ObliviousClient` (feature `net`) fetches the signed key configuration from
//! the relay, checks it against the provider's pinned key, and refuses one that is much older than what it has seen. A
//! stale key (`422` with the `#ohttp-key` problem) is answered by one refresh and one more try, never by a loop.
//!
//! Without the network, the whole of it (the first and the last lines are the gateway's):
//!
//! ```
//! use bytes::Bytes;
//! use client::oblivious::{encapsulate, select};
//! use http::Request;
//! use ohttp::hpke::{Aead, Kdf, Kem};
//! use ohttp::{KeyConfig, Server, SymmetricSuite};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let suites = vec![SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm)];
//! let gateway = Server::new(KeyConfig::new(1, Kem::XWing, suites)?)?;
//! let published = KeyConfig::encode_list(&[gateway.config()])?;
//!
//! let key = select(&published)?;
//! let request = Request::post("https://provider.example/v1/lookup").body(Bytes::from_static(b"a question"))?;
//! let (capsule, opener) = encapsulate(&request, 1024, &key)?;
//!
//! let (binary_request, sealer) = gateway.decapsulate(&capsule)?;
//! assert_eq!(binary_request.len(), 1024);
//! let no_answer = sealer.encapsulate(b"no binary HTTP")?;
//! assert!(opener.open(&no_answer).is_err()); // consumed: an opener opens one answer
//! # Ok(())
//! # }
//! ```

mod capsule;
#[cfg(feature = "net")]
mod client;
mod key_selection;
mod sealing;

use std::sync::Arc;

use protocol::Timestamp;

pub use capsule::{CapsuleError, Opener, PADDED_REQUEST_BYTES, encapsulate};
#[cfg(feature = "net")]
pub use client::ObliviousClient;
pub use key_selection::{KeySelectionError, select};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
