//! The gateway's own answers, each constant: in the clear before a capsule is opened, inside it afterwards
//! (RFC 9458 §5.2, §5.3).

use bytes::Bytes;
use http::{Response, StatusCode};
use service::{RetryAfter, problem};

/// What the gateway refuses by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    // In the clear.
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    TooLarge,
    RequestTimeout,
    RelayNotAllowed,
    TooManyRequests(RetryAfter),
    UnknownKey,
    MalformedCapsule,
    // Inside the capsule.
    MalformedRequest,
    ExpectationFailed,
    TargetNotAllowed,
    TargetUnavailable(RetryAfter),
    TargetTimeout,
    AnswerTooLarge,
}

/// The registered type of a key problem (RFC 9458 §5.3, IANA "HTTP Problem Types").
const OHTTP_KEY: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

impl Problem {
    /// Status, the last part of the type, and the title.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "gateway-not-found", "This gateway has no such path."),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "gateway-method-not-allowed", "This path takes another method.")
            }
            Self::NotAcceptable => (
                StatusCode::NOT_ACCEPTABLE,
                "gateway-not-acceptable",
                "The keys are served plainly or signed, in no other form.",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "gateway-unsupported-media-type",
                "Only oblivious HTTP requests are taken.",
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "gateway-too-large", "The capsule is longer than this gateway takes.")
            }
            Self::RequestTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "gateway-request-timeout", "The capsule took too long to arrive.")
            }
            Self::RelayNotAllowed => {
                (StatusCode::FORBIDDEN, "gateway-relay-not-allowed", "This gateway does not know the relay.")
            }
            Self::TooManyRequests(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "gateway-rate-limited",
                "Too many requests; ask again after Retry-After.",
            ),
            Self::UnknownKey => {
                (StatusCode::UNPROCESSABLE_ENTITY, "", "The key identifier or suite is not, or no longer, in use.")
            }
            Self::MalformedCapsule => {
                (StatusCode::BAD_REQUEST, "gateway-malformed-capsule", "The capsule does not open.")
            }
            Self::MalformedRequest => (
                StatusCode::BAD_REQUEST,
                "gateway-malformed-request",
                "The capsule holds no well-formed binary HTTP request.",
            ),
            Self::ExpectationFailed => (
                StatusCode::EXPECTATION_FAILED,
                "gateway-expectation-failed",
                "A capsule cannot expect interim answers.",
            ),
            Self::TargetNotAllowed => (StatusCode::FORBIDDEN, "target-not-allowed", "This gateway does not ask that."),
            Self::TargetUnavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "target-unavailable", "The target cannot answer at present.")
            }
            Self::TargetTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, "target-timeout", "The target did not answer in time.")
            }
            Self::AnswerTooLarge => {
                (StatusCode::BAD_GATEWAY, "target-answer-too-large", "The target's answer is longer than allowed.")
            }
        }
    }

    /// The name by which metrics count it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::UnknownKey => "ohttp-key",
            other => other.parts().1,
        }
    }

    pub(crate) fn response(self) -> Response<Bytes> {
        let (status, name, title) = self.parts();
        let kind =
            if self == Self::UnknownKey { OHTTP_KEY.to_owned() } else { format!("urn:mimi-discovery:error:{name}") };
        let retry_after = match self {
            Self::TooManyRequests(after) | Self::TargetUnavailable(after) => Some(after),
            _ => None,
        };
        problem::response(status, &kind, title, retry_after)
    }
}
