//! The relay's own answers: constant problem documents (RFC 9457), so that none tells clients apart.

use http::{Response, StatusCode};
use service::{RetryAfter, problem};

use crate::body::{AnswerBody, whole};

/// What the relay refuses by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    NotFound,
    MethodNotAllowed,
    UnsupportedMediaType,
    TooLarge,
    RequestTimeout,
    TooManyRequests(RetryAfter),
    GatewayUnreachable,
    GatewayTimeout,
    NoKeys,
}

impl Problem {
    /// Status, the last part of the type, and the title.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "relay-not-found", "This relay has no such path."),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "relay-method-not-allowed", "This path takes another method.")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "relay-unsupported-media-type",
                "Only oblivious HTTP requests are forwarded.",
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "relay-too-large", "The capsule is longer than this relay forwards.")
            }
            Self::RequestTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "relay-request-timeout", "The capsule took too long to arrive.")
            }
            Self::TooManyRequests(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "relay-rate-limited", "Too many requests; ask again after Retry-After.")
            }
            Self::GatewayUnreachable => {
                (StatusCode::BAD_GATEWAY, "relay-gateway-unreachable", "The gateway cannot be reached.")
            }
            Self::GatewayTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, "relay-gateway-timeout", "The gateway did not answer in time.")
            }
            Self::NoKeys => {
                (StatusCode::SERVICE_UNAVAILABLE, "relay-no-keys", "The gateway's keys cannot be fetched at present.")
            }
        }
    }

    /// The name by which metrics count it.
    pub(crate) const fn label(self) -> &'static str {
        self.parts().1
    }

    pub(crate) fn response(self) -> Response<AnswerBody> {
        let (status, name, title) = self.parts();
        let retry_after = if let Self::TooManyRequests(after) = self { Some(after) } else { None };
        problem::response(status, &format!("urn:mimi-discovery:error:{name}"), title, retry_after).map(whole)
    }
}
