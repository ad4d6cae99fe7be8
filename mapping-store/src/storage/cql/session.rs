//! The connection to the cluster: settings, bounds, errors.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::{DefaultRetryPolicy, RequestInfo, RetryDecision, RetryPolicy, RetrySession};
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::time::timeout;

use super::super::StorageError;
use super::config::ClusterConfig;

/// How often an idle connection is asked whether it still stands, and how long the answer may take: a node that stands still is
/// left alone soon after.
const KEEPALIVE: Duration = Duration::from_secs(2);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// How many times the timeout of one connection the start is given.
const CONNECTING: u32 = 3;

/// How requests are carried out.
pub(super) struct Profiles {
    /// Reads: tried on other nodes, and on two at once after a while.
    pub(super) reading: ExecutionProfileHandle,
    /// Conditional writes and what belongs to them: sent once, and to another node if one will not begin. Whoever sends them looks after
    /// those of unknown outcome.
    pub(super) writing: ExecutionProfileHandle,
}

impl Profiles {
    pub(super) fn of(config: &ClusterConfig) -> Self {
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

/// Connects. Answers the datacenter whose quorum counts, too.
pub(super) async fn open(config: &ClusterConfig, profiles: &Profiles) -> Result<(Session, String), StorageError> {
    config.check()?;
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.nodes)
        .connection_timeout(config.connect_timeout())
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE_TIMEOUT)
        .keyspaces_to_fetch([config.keyspace.as_str()])
        .default_execution_profile_handle(profiles.writing.clone());
    if let (Some(name), Some(file)) = (&config.username, &config.password_file) {
        let unreadable = |error| StorageError::Failed(format!("cannot read {}: {error}", file.display()));
        let password = fs::read_to_string(file).map_err(unreadable)?;
        builder = builder.user(name, password.trim_end_matches(['\r', '\n']));
    }
    if let Some(tls) = &config.tls {
        let tls = tls.load().map_err(|error| StorageError::Failed(format!("TLS to the cluster: {error}")))?;
        builder = builder.tls_context(Some(Arc::new(tls)));
    }
    let unreachable = |error| StorageError::Failed(format!("the cluster cannot be reached: {error}"));
    // The driver bounds a connection by itself, but not the TLS handshake on it: a node that stands still would be waited for for ever.
    let silent =
        |_| StorageError::Failed("the cluster cannot be reached: a node takes connections and is silent".to_owned());
    let session = timeout(CONNECTING * config.connect_timeout(), builder.build()).await.map_err(silent)?;
    let session = session.map_err(unreachable)?;
    let datacenter = datacenter(config, &session)?;
    Ok((session, datacenter))
}

fn datacenter(config: &ClusterConfig, session: &Session) -> Result<String, StorageError> {
    let state = session.get_cluster_state();
    let mut all: Vec<_> = state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    all.sort_unstable();
    all.dedup();
    match (&config.datacenter, all.as_slice()) {
        (Some(ours), _) if all.contains(&ours.as_str()) => Ok(ours.clone()),
        (Some(_), [_, ..]) => {
            Err(StorageError::Failed("settings of the cluster: it has no such datacenter".to_owned()))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => Err(StorageError::Failed("the cluster cannot be reached: no node says where it is".to_owned())),
        (None, _) => Err(StorageError::Failed(
            "settings of the cluster: datacenter is needed, since there is more than one".to_owned(),
        )),
    }
}

/// Why a request failed.
pub(super) struct Failure {
    pub(super) error: StorageError,
    /// The cluster understood, and will never do this.
    pub(super) is_refusal: bool,
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        Self { error: failed(&error), is_refusal: is_refusal(&error) }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self { error, is_refusal: false }
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Without what the cluster says in its own words: they may quote values.
pub(super) fn failed(error: &ExecutionError) -> StorageError {
    let text = match error {
        ExecutionError::RequestTimeout(_) => "the cluster did not answer in time".to_owned(),
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => format!("the cluster: {error}"),
        ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(_)) => {
            "the connection to the cluster broke off".to_owned()
        }
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => {
            "no node of the cluster can be reached".to_owned()
        }
        ExecutionError::SchemaAgreementError(_) | ExecutionError::MetadataError(_) => {
            "the nodes of the cluster do not agree on its schema".to_owned()
        }
        _ => "a request to the cluster failed".to_owned(),
    };
    StorageError::Failed(text)
}

/// What was read is not what was asked for.
pub(super) fn unreadable<E>(_: E) -> StorageError {
    StorageError::Damaged("a row of the cluster")
}

/// Whether the cluster understood and will never do this.
pub(super) fn is_refusal(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::SyntaxError
                | DbError::Invalid
                | DbError::AlreadyExists { .. }
                | DbError::Unauthorized
                | DbError::AuthenticationError
                | DbError::ConfigError
        ),
        _ => false,
    }
}
