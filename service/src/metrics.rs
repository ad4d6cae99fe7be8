//! What every service measures of its connections: a public interface, listed in `docs/operations.md`. Several services in
//! one process count together.

use http::StatusCode;
use metrics::{Counter, counter, describe_counter, describe_gauge};

/// Connections that are open, by `listener`: `public`, `admin`.
pub const CONNECTIONS: &str = "service_connections";
/// Connections that came in, by `listener` and `outcome`: `accepted`, `address-limit` (closed, for there were too many of its
/// address), `tls` (no handshake, or not in time), `no-descriptors` (accepting failed, and paused).
pub const ACCEPTED: &str = "service_accepted_total";
/// Connections to other services that are open.
pub const OUTGOING: &str = "service_outgoing_connections";

/// Upper bounds of the buckets of every histogram whose name ends with `_bytes`.
pub const BYTES_BUCKETS: [f64; 12] = [
    512.0,
    1_024.0,
    2_048.0,
    4_096.0,
    8_192.0,
    16_384.0,
    32_768.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
];

/// A number as gauges and histograms take it. It is exact up to 2^53, far more than there are bytes or items here.
#[must_use]
pub const fn float(number: u64) -> f64 {
    number as f64
}

/// Answers by the class of their status, in the label `class`: `2xx`, `4xx`, `5xx`, `other`. The counters are looked up once: finding one by
/// its name and labels takes longer than counting.
pub struct ByClass([Counter; 4]);

impl ByClass {
    /// Counters of this name. To be made once the recorder is installed.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self(["2xx", "4xx", "5xx", "other"].map(|class| counter!(name, "class" => class)))
    }

    /// Counts an answer.
    pub fn count(&self, status: StatusCode) {
        let [success, client_error, server_error, other] = &self.0;
        let class = match status.as_u16() {
            200..=299 => success,
            400..=499 => client_error,
            500..=599 => server_error,
            _ => other,
        };
        class.increment(1);
    }
}

/// Registers the help texts.
pub(crate) fn describe() {
    describe_gauge!(CONNECTIONS, "Connections that are open");
    describe_counter!(ACCEPTED, "Connections that came in, by outcome");
    describe_gauge!(OUTGOING, "Connections to other services that are open");
}
