//! A cluster of Apache Cassandra 5 or ScyllaDB, as mapping store and ID Prover use it: [`Cluster`]. It knows nothing of what they keep
//! there.
//!
//! | room | what lives there |
//! | --- | --- |
//! | `config` | [`ClusterConfig`]: where it is and how it is asked |
//! | `session` | the connection: profiles, TLS, password, datacenter |
//! | `request` | one request at a time: bounds, reads, trying again |
//! | `commit` | conditional batches whose outcome is known |
//! | `schema` | keyspace and tables; into how many buckets they are split |
//! | `error` | [`Error`], [`Failure`] |
//! | `value` | columns |
//!
//! Everything is asked of a quorum of one datacenter; conditional writes are ordered within it. `docs/decisions/0080-cql.md` has the
//! reasons.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod commit;
mod config;
mod error;
mod request;
mod schema;
mod session;
mod value;

pub use commit::{Parts, WRITE_SECONDS, Witness, is_applied};
pub use config::{ClusterConfig, first_broken};
pub use error::{Error, Failure, unreadable};
pub use request::{limit, pause};
pub use schema::{is_count_of_buckets, stored_buckets};
pub use session::{Cluster, Sort};
pub use value::{big, blob, column, int, tiny};
