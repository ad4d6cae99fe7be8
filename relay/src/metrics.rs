//! The relay's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use service::metrics::ByClass;

/// Requests by outcome: `forwarded`, `keys`, or the name of the relay's own problem.
pub const REQUESTS: &str = "relay_requests_total";
/// The outcome of a capsule that was answered by its gateway.
pub(crate) const FORWARDED: &str = "forwarded";
/// Seconds from a capsule's arrival to the head of its answer.
pub const SECONDS: &str = "relay_exchange_seconds";
/// Answers of gateways by status class: `2xx`, `4xx`, `5xx`, `other`.
pub const GATEWAY_ANSWERS: &str = "relay_gateway_answers_total";
/// Bytes of capsules that were passed on, or begun.
pub const CAPSULE_BYTES: &str = "relay_capsule_bytes";
/// Bytes of answers that were passed back, or begun.
pub const ANSWER_BYTES: &str = "relay_answer_bytes";
/// Client addresses that the limiter remembers.
pub const ADDRESSES: &str = "relay_limiter_addresses";
/// Seconds since each route's keys were fetched, the oldest of all routes.
pub const KEYS_AGE: &str = "relay_keys_age_seconds";

/// Registers the help texts.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests by outcome");
    describe_histogram!(SECONDS, Unit::Seconds, "From a capsule's arrival to the head of its answer");
    describe_counter!(GATEWAY_ANSWERS, "Answers of gateways by status class");
    describe_histogram!(CAPSULE_BYTES, Unit::Bytes, "Capsules that were passed on, or begun");
    describe_histogram!(ANSWER_BYTES, Unit::Bytes, "Answers that were passed back, or begun");
    describe_gauge!(ADDRESSES, "Client addresses that the limiter remembers");
    describe_gauge!(KEYS_AGE, Unit::Seconds, "Age of the oldest key configuration served");
}

/// What is recorded for every capsule, looked up once: finding a metric by its name and labels takes longer than recording.
/// To be made once the recorder is installed.
pub(crate) struct PerCapsule {
    pub(crate) forwarded: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) capsule_bytes: Histogram,
    pub(crate) answer_bytes: Histogram,
    pub(crate) answers: ByClass,
}

impl PerCapsule {
    pub(crate) fn new() -> Self {
        Self {
            forwarded: counter!(REQUESTS, "outcome" => FORWARDED),
            seconds: histogram!(SECONDS),
            capsule_bytes: histogram!(CAPSULE_BYTES),
            answer_bytes: histogram!(ANSWER_BYTES),
            answers: ByClass::new(GATEWAY_ANSWERS),
        }
    }
}
