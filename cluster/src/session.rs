//! The connection to the cluster: [`Cluster`], and statements that are prepared for it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{DbError, RequestAttemptError};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::{DefaultRetryPolicy, RequestInfo, RetryDecision, RetryPolicy, RetrySession};
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::ClusterConfig;
use crate::error::Error;

/// How often an idle connection is asked whether it still stands, and how long the answer may take: a node that stands still is
/// left alone soon after.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// How many times the timeout of one connection the start is given.
const CONNECTING: u32 = 3;

/// A cluster that is connected to.
pub struct Cluster {
    pub(crate) session: Session,
    pub(crate) request_timeout: Duration,
    pub(crate) in_flight: Semaphore,
    profiles: Profiles,
    keyspace: String,
    datacenter: String,
}

/// How requests are carried out.
struct Profiles {
    /// Reads: tried on other nodes, and on two at once after a while.
    reading: ExecutionProfileHandle,
    /// Conditional writes and what belongs to them: sent once, and to another node if one will not begin. Whoever sends them looks after
    /// those of unknown outcome.
    writing: ExecutionProfileHandle,
}

/// What may be done with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Reads a quorum.
    Read,
    /// Reads what is settled: conditional writes that are under way are finished or put aside first.
    Settle,
    /// Conditional, or a part of it.
    Conditional,
    /// Writes to a quorum, and may be repeated.
    Write,
}

impl Cluster {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] names the setting, or says that the cluster cannot be reached.
    pub async fn open(config: &ClusterConfig) -> Result<Self, Error> {
        config.check()?;
        let profiles = Profiles::of(config);
        let mut builder = SessionBuilder::new()
            .known_nodes(&config.nodes)
            .connection_timeout(config.connect_timeout())
            .keepalive_interval(KEEPALIVE)
            .keepalive_timeout(KEEPALIVE_TIMEOUT)
            .keyspaces_to_fetch([config.keyspace.as_str()])
            .default_execution_profile_handle(profiles.writing.clone());
        if let (Some(name), Some(file)) = (&config.username, &config.password_file) {
            let unreadable = |error| Error::because(format!("cannot read {}: {error}", file.display()));
            let password = fs::read_to_string(file).map_err(unreadable)?;
            builder = builder.user(name, password.trim_end_matches(['\r', '\n']));
        }
        if let Some(tls) = &config.tls {
            let tls = tls.load().map_err(|error| Error::because(format!("TLS to the cluster: {error}")))?;
            builder = builder.tls_context(Some(Arc::new(tls)));
        }
        let unreachable = |error| Error::because(format!("the cluster cannot be reached: {error}"));
        // The driver bounds a connection by itself, but not the TLS handshake on it: a node that stands still would be waited for for ever.
        let silent = |_| Error::because("the cluster cannot be reached: a node takes connections and is silent");
        let session = timeout(CONNECTING * config.connect_timeout(), builder.build()).await.map_err(silent)?;
        let session = session.map_err(unreachable)?;
        let datacenter = datacenter(config, &session)?;
        Ok(Self {
            session,
            request_timeout: config.request_timeout(),
            in_flight: Semaphore::new(config.max_in_flight),
            profiles,
            keyspace: config.keyspace.clone(),
            datacenter,
        })
    }

    /// The driver's session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The keyspace.
    #[must_use]
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// The datacenter whose quorum counts.
    #[must_use]
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Refuses another datacenter than the one from which the database is written: a quorum of another one would be another
    /// quorum.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    pub fn check_datacenter(&self, written_from: &str) -> Result<(), Error> {
        if self.datacenter == written_from {
            return Ok(());
        }
        Err(Error::because(format!("the database is written from datacenter {written_from}, and from no other")))
    }

    /// Prepares a statement, in which `ks.` stands for the keyspace.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`].
    pub async fn prepare(&self, sort: Sort, text: &str) -> Result<PreparedStatement, Error> {
        let text = text.replace("ks.", &format!("{}.", self.keyspace));
        let refused = |_| Error::because("the cluster does not know the statements of this version");
        let mut statement = self.session.prepare(text).await.map_err(refused)?;
        let profile = match sort {
            Sort::Read => &self.profiles.reading,
            Sort::Settle | Sort::Conditional | Sort::Write => &self.profiles.writing,
        };
        statement.set_execution_profile_handle(Some(profile.clone()));
        statement.set_is_idempotent(matches!(sort, Sort::Read | Sort::Settle));
        if matches!(sort, Sort::Settle) {
            statement.set_consistency(Consistency::LocalSerial);
        }
        Ok(statement)
    }
}

impl Profiles {
    fn of(config: &ClusterConfig) -> Self {
        let mut policy = DefaultPolicy::builder().token_aware(true);
        if let Some(datacenter) = &config.datacenter {
            policy = policy.prefer_datacenter(datacenter.clone()).permit_dc_failover(false);
        }
        let common = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .serial_consistency(Some(SerialConsistency::LocalSerial))
            .request_timeout(Some(config.request_timeout()))
            .load_balancing_policy(policy.build());
        let speculative = SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: Duration::from_millis(config.speculative_ms),
        };
        let speculative: Option<Arc<_>> = (config.speculative_ms > 0).then(|| Arc::new(speculative) as _);
        let reading =
            common.clone().retry_policy(Arc::new(DefaultRetryPolicy)).speculative_execution_policy(speculative);
        let writing = common.retry_policy(Arc::new(Unbegun));
        Self { reading: reading.build().into_handle(), writing: writing.build().into_handle() }
    }
}

/// Tries on the next node what a node did not begin, because it knows of too few others: it may be parted from them. The driver
/// sends everything conditional of a partition to the same node first.
#[derive(Clone, Copy, Debug)]
struct Unbegun;

impl RetryPolicy for Unbegun {
    fn new_session(&self) -> Box<dyn RetrySession> {
        Box::new(*self)
    }
}

impl RetrySession for Unbegun {
    fn decide_should_retry(&mut self, request: RequestInfo) -> RetryDecision {
        match request.error {
            RequestAttemptError::DbError(DbError::Unavailable { .. }, _) => RetryDecision::RetryNextTarget(None),
            _ => RetryDecision::DontRetry,
        }
    }

    fn reset(&mut self) {}
}

fn datacenter(config: &ClusterConfig, session: &Session) -> Result<String, Error> {
    let state = session.get_cluster_state();
    let mut all: Vec<_> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    all.sort_unstable();
    all.dedup();
    match (&config.datacenter, all.as_slice()) {
        (Some(ours), _) if all.contains(&ours.as_str()) => Ok(ours.clone()),
        (Some(_), [_, ..]) => Err(Error::because("settings of the cluster: it has no such datacenter")),
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => Err(Error::because("the cluster cannot be reached: no node says where it is")),
        (None, _) => Err(Error::because("settings of the cluster: datacenter is needed, since there is more than one")),
    }
}
