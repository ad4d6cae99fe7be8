//! Our own crates that are shipped: what documents, dependencies and tests are held to.

/// The root package, and the others in order.
pub(crate) const ALL: [&str; 11] = [
    "discovery",
    "client",
    "cluster",
    "documents",
    "encapsulation",
    "gateway",
    "id-prover",
    "mapping-store",
    "protocol",
    "relay",
    "service",
];

/// Those that the root package is composed of: each has a folder of its name.
pub(crate) const PARTS: &[&str] = ALL.split_at(1).1;
