//! What goes wrong: [`Error`] for whoever asked, [`Failure`] while it may be tried again.

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

/// Why the cluster cannot do what it is asked. The text names no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, refuses, or does not answer in time.
    #[error("{0}")]
    Failed(String),
    /// What is stored cannot be read.
    #[error("{0} is damaged")]
    Damaged(&'static str),
}

impl Error {
    /// It cannot do this, for the reason in these words.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }
}

/// Why one request failed.
#[derive(Debug)]
pub struct Failure {
    /// In words.
    pub error: Error,
    /// The cluster understood, and will never do this.
    pub is_refusal: bool,
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        Self { error: failed(&error), is_refusal: is_refusal(&error) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, is_refusal: false }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Without what the cluster says in its own words: they may quote values.
pub(crate) fn failed(error: &ExecutionError) -> Error {
    Error::because(match error {
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
    })
}

/// What was read is not what was asked for.
pub fn unreadable<E>(_: E) -> Error {
    Error::Damaged("a row of the cluster")
}

/// Whether the cluster understood and will never do this.
pub(crate) const fn is_refusal(error: &ExecutionError) -> bool {
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
