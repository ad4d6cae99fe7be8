//! Errors by whose fault it is, and whether to try again.

use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use protocol::problem::Problem;

/// Who has to act before it can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller: its input, its configuration, or its own limits.
    Caller,
    /// The way there: no connection, a time-out, a broken answer.
    Network,
    /// The relay.
    Relay,
    /// The gateway, or the keys it published.
    Gateway,
    /// The mapping store.
    Store,
    /// The ID Prover.
    Prover,
}

/// Something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub fault: Fault,
    /// What broke, in words; it repeats no identifier.
    pub message: String,
    /// The problem document that the other side answered with, if it did.
    pub problem: Option<Problem>,
    /// When to try again; `None` if that would be of no use.
    pub retry_after: Option<Duration>,
}

/// How long to wait after a passing fault that named no time itself.
const PASSING: Duration = Duration::from_secs(2);

impl Error {
    /// An error that trying again does not mend.
    #[must_use]
    pub fn lasting(fault: Fault, message: impl fmt::Display) -> Self {
        Self { fault, message: message.to_string(), problem: None, retry_after: None }
    }

    /// An error that may be gone in a moment.
    #[must_use]
    pub fn passing(fault: Fault, message: impl fmt::Display) -> Self {
        Self { retry_after: Some(PASSING), ..Self::lasting(fault, message) }
    }

    /// Reads an answer that is not the one hoped for. `fault` is who answered.
    #[must_use]
    pub fn from_answer(fault: Fault, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let problem = Problem::from_json(body).ok();
        let message = match &problem {
            Some(problem) => problem.to_string(),
            None => foreign_problem(body).unwrap_or_else(|| format!("answered {status}")),
        };
        let named = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
        let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let retry_after = again.then(|| named.map_or(PASSING, Duration::from_secs));
        Self { fault, message, problem, retry_after }
    }
}

/// The title of a problem document that is not one of the protocol's: relay and gateway have their own.
fn foreign_problem(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(json.get("title")?.as_str()?.to_owned())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault, self.message)?;
        match self.retry_after {
            Some(after) => write!(f, " Try again in {} s.", after.as_secs().max(1)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "input",
            Self::Network => "network",
            Self::Relay => "relay",
            Self::Gateway => "gateway",
            Self::Store => "mapping store",
            Self::Prover => "ID Prover",
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::problem::ProblemType;

    use super::*;

    #[test]
    fn a_limit_says_when_to_come_back() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "17".parse().unwrap())]);
        let body = ProblemType::RateLimited.problem().to_json();
        let error = Error::from_answer(Fault::Prover, StatusCode::TOO_MANY_REQUESTS, &headers, &body);
        assert_eq!(error.retry_after, Some(Duration::from_secs(17)));
        assert_eq!(error.problem.as_ref().map(|problem| problem.problem_type), Some(ProblemType::RateLimited));
        assert_eq!(error.to_string(), "ID Prover: Too many requests; ask again after Retry-After. Try again in 17 s.");
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        let body = br#"{"type":"https://example.com/x","title":"Not today.","status":403}"#;
        let error = Error::from_answer(Fault::Relay, StatusCode::FORBIDDEN, &HeaderMap::new(), body);
        assert_eq!(error, Error::lasting(Fault::Relay, "Not today."));
    }
}
