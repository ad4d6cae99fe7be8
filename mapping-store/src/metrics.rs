//! The store's metrics: a public interface, listed in `docs/operations.md`. Labels are bounded; none comes from outside.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Publications and removals by outcome: `new`, `known`, or the name of the problem.
pub const PUBLICATIONS: &str = "mapping_store_publications_total";
/// Identifiers looked up, by outcome: `0` to `4` as on the wire.
pub const LOOKUPS: &str = "mapping_store_lookups_total";
/// The number of the last log entry.
pub const LOG_HEAD: &str = "mapping_store_log_head";
/// Seconds to write and sync a group of publications.
pub const SYNC_SECONDS: &str = "mapping_store_sync_seconds";

/// Registers the help texts.
pub fn describe() {
    describe_counter!(PUBLICATIONS, "Publications and removals by outcome");
    describe_counter!(LOOKUPS, "Identifiers looked up, by outcome code");
    describe_gauge!(LOG_HEAD, "The number of the last log entry");
    describe_histogram!(SYNC_SECONDS, Unit::Seconds, "To write and sync a group of publications");
}
