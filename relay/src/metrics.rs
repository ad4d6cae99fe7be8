//! The relay's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Requests by outcome: `forwarded`, `keys`, or the name of the relay's own problem.
pub const REQUESTS: &str = "relay_requests_total";
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
