//! The one thing a capsule can reach. In process, a composer implements [`Target`] on what it embeds; otherwise
//! [`HttpTarget`] asks over HTTP/2 with TLS.

mod http;

use std::future::Future;
use std::num::NonZeroU32;

use ::http::{Request, Response};
use bytes::Bytes;
use service::RetryAfter;

pub use self::http::{COST, HttpTarget};

/// Answers the requests that come out of capsules.
pub trait Target: Send + Sync + 'static {
    /// Answers one request. It has an absolute `https` URL that the allow-list names. The response may carry a [`Cost`].
    fn call(&self, request: Request<Bytes>) -> impl Future<Output = Result<Response<Bytes>, TargetError>> + Send;
}

/// In the extensions of a response: what the request costs the relay's budget, where it is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost(pub NonZeroU32);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It cannot be reached, or has failed too often of late.
    #[error("the target cannot answer at present")]
    Unavailable(RetryAfter),
    /// It did not answer in time.
    #[error("the target did not answer in time")]
    Timeout,
    /// Its answer is longer than allowed.
    #[error("the target's answer is too large")]
    TooLarge,
}
