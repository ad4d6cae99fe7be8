//! The prover's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Enrollment requests by outcome: `new`, `known`, or the name of the problem.
pub const REQUESTS: &str = "id_prover_requests_total";
/// Proofs by outcome: `issued`, or the name of the problem.
pub const PROOFS: &str = "id_prover_proofs_total";
/// Messages by method (`sms-otp`, `email-otp`) and outcome: `delivered`, or how they failed.
pub const DELIVERIES: &str = "id_prover_deliveries_total";
/// Seconds to hand a message over, by method.
pub const DELIVERY_SECONDS: &str = "id_prover_delivery_seconds";
/// Limits that were reached: `total`, `msp`, `cpi-hour`, `cpi-day`, `cpi-msp-hour`, `cpi-msp-day`, `number-range`,
/// `country`, `wrong-total`, `wrong-msp`, `wrong-cpi`.
pub const LIMITED: &str = "id_prover_limited_total";
/// Enrollments and credentials forgotten because they were over.
pub const SWEPT: &str = "id_prover_swept_total";
/// Seconds to write and sync a group of changes.
pub const SYNC_SECONDS: &str = "id_prover_sync_seconds";
/// Other provers of the cluster that have other keys than this one.
pub const KEYS_DIFFER: &str = "id_prover_keys_differ";

/// Registers the help texts.
pub fn describe() {
    describe_counter!(REQUESTS, "Enrollment requests by outcome");
    describe_counter!(PROOFS, "Proofs by outcome");
    describe_counter!(DELIVERIES, "Messages by method and outcome");
    describe_histogram!(DELIVERY_SECONDS, Unit::Seconds, "To hand a message over, by method");
    describe_counter!(LIMITED, "Limits that were reached");
    describe_counter!(SWEPT, "Enrollments and credentials forgotten because they were over");
    describe_histogram!(SYNC_SECONDS, Unit::Seconds, "To write and sync a group of changes");
    describe_gauge!(KEYS_DIFFER, "Other provers of the cluster that have other keys than this one");
}
