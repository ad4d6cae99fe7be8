//! Keyspace and tables: made once, as far as they are missing, and known to all nodes from then on.

use std::sync::Arc;
use std::time::Duration;

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};

use crate::commit::is_applied;
use crate::error::{Error, failed, unreadable};
use crate::session::Cluster;

/// How long a change of the schema may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a change is tried while nodes do not know of the one before it, and how long after each other: a minute.
const CHANGE_TRIES: u32 = 120;
const CHANGE_PAUSE: Duration = Duration::from_millis(500);

impl Cluster {
    /// Creates the keyspace, unless it is there, and tables: each as its name, columns and key. Texts of other schemas stay as
    /// they are.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn create_tables(&self, replication: u32, tables: &[&str]) -> Result<(), Error> {
        let keyspace = self.keyspace();
        self.change(format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {replication}}}",
            self.datacenter().replace('\'', "''"),
        ))
        .await?;
        for table in tables {
            self.change(format!("CREATE TABLE IF NOT EXISTS {keyspace}.{table}")).await?;
        }
        Ok(())
    }

    /// Carries out a conditional statement of which no node may have heard the tables yet; `ks.` stands for the keyspace. Whether
    /// it was done.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn conditionally(&self, text: &str, values: impl SerializeRow) -> Result<bool, Error> {
        let mut statement = Statement::new(self.in_keyspace(text));
        statement.set_consistency(Consistency::LocalQuorum);
        statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        let values = &values;
        is_applied(until_known(async || self.session.query_unpaged(statement.clone(), values).await).await?)
    }

    /// Waits until each node that can be reached can carry out this read: whoever is asked first from here on has the tables.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn known_to_all(&self, read: &str, values: impl SerializeRow) -> Result<(), Error> {
        let values = &values;
        let state = self.session.get_cluster_state();
        for node in state.get_nodes_info().iter().filter(|node| node.is_connected()) {
            let target = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(Arc::clone(node)), None);
            let mut statement = Statement::new(self.in_keyspace(read));
            statement.set_load_balancing_policy(Some(target));
            until_known(async || self.session.query_unpaged(statement.clone(), values).await).await?;
        }
        Ok(())
    }

    /// Reads what is settled of one partition, without a prepared statement; nothing if there is no such table. ScyllaDB refuses a read
    /// like this of several partitions in the same words.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn look(&self, text: &str, values: impl SerializeRow) -> Result<Option<QueryRowsResult>, Error> {
        let mut statement = Statement::new(self.in_keyspace(text));
        statement.set_consistency(Consistency::LocalSerial);
        match self.session.query_unpaged(statement, values).await {
            Ok(found) => Ok(Some(found.into_rows_result().map_err(unreadable)?)),
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Changes the schema, and waits until all nodes have it.
    async fn change(&self, text: String) -> Result<(), Error> {
        let mut statement = Statement::new(text);
        statement.set_request_timeout(Some(CHANGE_TIMEOUT));
        until_known(async || self.session.query_unpaged(statement.clone(), ()).await).await.map(drop)
    }

    fn in_keyspace(&self, text: &str) -> String {
        text.replace("ks.", &format!("{}.", self.keyspace()))
    }
}

/// Does what may be done again, until no node says that it does not know the schema: one that missed the news asks for them by and by.
async fn until_known<T>(work: impl AsyncFn() -> Result<T, ExecutionError>) -> Result<T, Error> {
    let mut left = CHANGE_TRIES;
    loop {
        left -= 1;
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) if left > 0 && is_behind(&error) => tokio::time::sleep(CHANGE_PAUSE).await,
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Whether a node may not know yet what another one does.
const fn is_behind(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::SchemaAgreementError(_)
            | ExecutionError::MetadataError(_)
            | ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))
    )
}

/// Whether a database may be split into so many buckets: a power of two, `most` at most.
#[must_use]
pub const fn is_count_of_buckets(count: u32, most: u32) -> bool {
    count.is_power_of_two() && count <= most
}

/// Into how many buckets a database is split by what is stored of it. Memory is taken for each, so an impossible number is not believed.
///
/// # Errors
///
/// [`Error::Damaged`] if it is none that [`is_count_of_buckets`] allows.
pub fn stored_buckets(found: i32, most: u32) -> Result<u32, Error> {
    let count = u32::try_from(found).ok().filter(|count| is_count_of_buckets(*count, most));
    count.ok_or(Error::Damaged("the database's own description"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_an_impossible_number_of_buckets_is_damaged() {
        for most in [1 << 16, 1 << 20] {
            let greatest = i32::try_from(most).unwrap();
            for found in [1, 4, 256, greatest] {
                assert_eq!(stored_buckets(found, most), Ok(found.unsigned_abs()));
            }
            for found in [i32::MIN, -4, -1, 0, 3, greatest + 1, 2 * greatest, i32::MAX] {
                assert!(matches!(stored_buckets(found, most), Err(Error::Damaged(_))), "{found}");
            }
        }
    }
}
