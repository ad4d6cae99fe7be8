//! The gateway's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use service::metrics::ByClass;

/// Requests by outcome: `answered`, `keys`, or the name of the gateway's own problem.
pub const REQUESTS: &str = "gateway_requests_total";
/// Encapsulated answers by status class: `2xx`, `4xx`, `5xx`, `other`.
pub const ANSWERS: &str = "gateway_answers_total";
/// Seconds from an opened capsule to its sealed answer.
pub const SECONDS: &str = "gateway_exchange_seconds";
/// Bytes of padding in requests.
pub const REQUEST_PADDING: &str = "gateway_request_padding_bytes_total";
/// Bytes of capsules, sealed.
pub const CAPSULE_BYTES: &str = "gateway_capsule_bytes";
/// Bytes of answers, sealed.
pub const ANSWER_BYTES: &str = "gateway_answer_bytes";
/// 1 while the target is taken to be down, else 0. There is none for a target in process.
pub const CIRCUIT: &str = "gateway_target_down";
/// Identifier of the newest key in use: another one after each rotation.
pub const KEY_ID: &str = "gateway_key_id";
/// Seconds since the key in use was made.
pub const KEY_AGE: &str = "gateway_key_age_seconds";

/// Registers the help texts.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests by outcome");
    describe_counter!(ANSWERS, "Encapsulated answers by status class");
    describe_histogram!(SECONDS, Unit::Seconds, "From an opened capsule to its sealed answer");
    describe_counter!(REQUEST_PADDING, Unit::Bytes, "Padding in requests");
    describe_histogram!(CAPSULE_BYTES, Unit::Bytes, "Capsules, sealed");
    describe_histogram!(ANSWER_BYTES, Unit::Bytes, "Answers, sealed");
    describe_gauge!(CIRCUIT, "Whether the target is taken to be down");
    describe_gauge!(KEY_ID, "Identifier of the newest key in use");
    describe_gauge!(KEY_AGE, Unit::Seconds, "Age of the key in use");
}

/// What is recorded for every capsule, looked up once: finding a metric by its name and labels takes longer than recording.
/// To be made once the recorder is installed.
pub(crate) struct PerCapsule {
    pub(crate) answered: Counter,
    pub(crate) request_padding: Counter,
    pub(crate) capsule_bytes: Histogram,
    pub(crate) answer_bytes: Histogram,
    pub(crate) seconds: Histogram,
    pub(crate) answers: ByClass,
}

impl PerCapsule {
    pub(crate) fn new() -> Self {
        Self {
            answered: counter!(REQUESTS, "outcome" => "answered"),
            request_padding: counter!(REQUEST_PADDING),
            capsule_bytes: histogram!(CAPSULE_BYTES),
            answer_bytes: histogram!(ANSWER_BYTES),
            seconds: histogram!(SECONDS),
            answers: ByClass::new(ANSWERS),
        }
    }
}
