//! Errors by whose fault it is, and whether to try again.
//!
//! ```
//! use client::{Error, Fault};
//! use http::{HeaderMap, StatusCode, header};
//!
//! // As a relay answers that is asked too often.
//! let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "17".parse()?)]);
//! let body = br#"{"type":"urn:mimi-discovery:error:relay-rate-limited","title":"Too many requests.","status":429}"#;
//! let error = Error::from_answer(Fault::Relay, StatusCode::TOO_MANY_REQUESTS, &headers, body);
//!
//! match (error.fault, error.retry_after) {
//!     (Fault::Caller, _) => println!("mend the input: {error}"),
//!     (_, Some(wait)) => assert_eq!(wait.as_secs(), 17),
//!     (fault, None) => println!("tell the {fault}: {error}"),
//! }
//! # Ok::<(), http::header::InvalidHeaderValue>(())
//! ```

use std::fmt;
use std::time::Duration;

use ::http::header::{DATE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderName, StatusCode};
use protocol::problem::Problem;

use crate::foreign_text::printable;

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
    /// What broke, in words. Those of this library repeat no identifier. What the other side wrote into its answer is its own text: 200
    /// characters of it, without control characters.
    pub message: String,
    /// The problem document that the other side answered with, if it did; of its `detail` as much as of a message.
    pub problem: Option<Problem>,
    /// When to try again; `None` if that would be of no use.
    pub retry_after: Option<Duration>,
}

/// How much is kept of a text that the other side wrote, in characters.
pub(crate) const MAX_FOREIGN_CHARS: usize = 200;
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
        let problem = Problem::from_json(body).ok().map(|problem| Problem {
            detail: problem.detail.as_deref().map(|detail| printable(detail, MAX_FOREIGN_CHARS)),
            ..problem
        });
        let message = match &problem {
            Some(problem) => problem.to_string(),
            None => foreign_problem(body).unwrap_or_else(|| format!("answered {status}")),
        };
        let again = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let retry_after = again.then(|| named_wait(headers).unwrap_or(PASSING));
        Self { fault, message, problem, retry_after }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.retry_after.is_some()
    }
}

/// `Retry-After` (RFC 9110 §10.2.3): a number of seconds, or a date, which is read against the `Date` of the answer and not
/// against a clock that may be wrong.
fn named_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let wait = text(RETRY_AFTER)?;
    if let Ok(seconds) = wait.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let (then, now) = (date(wait)?, date(text(DATE)?)?);
    Some(then.duration_since(now).unwrap_or_default())
}

/// The title of a problem document that is not one of the protocol's: relay and gateway have their own.
fn foreign_problem(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(printable(json.get("title")?.as_str()?, MAX_FOREIGN_CHARS))
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

    /// As far as a number of seconds goes; beyond, as if none were named.
    #[test]
    fn a_limit_may_name_any_number() {
        let error = |after: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, after.parse().unwrap())]);
            Error::from_answer(Fault::Relay, StatusCode::TOO_MANY_REQUESTS, &headers, b"")
        };
        let longest = error("18446744073709551615");
        assert_eq!(longest.retry_after, Some(Duration::from_secs(u64::MAX)));
        assert!(longest.to_string().ends_with(" Try again in 18446744073709551615 s."), "{longest}");
        assert_eq!(["18446744073709551616", "-1"].map(|after| error(after).retry_after), [Some(PASSING); 2]);
    }

    /// The example of RFC 9110 §10.2.3, two minutes after its answer; in the past; without a `Date`; no date at all.
    #[test]
    fn a_limit_may_name_a_date() {
        let wait = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, after.parse().unwrap())]);
            headers.extend(date.map(|date| (DATE, date.parse().unwrap())));
            Error::from_answer(Fault::Relay, StatusCode::SERVICE_UNAVAILABLE, &headers, b"").retry_after
        };
        let after = "Fri, 31 Dec 1999 23:59:59 GMT";
        assert_eq!(wait(after, Some("Fri, 31 Dec 1999 23:57:59 GMT")), Some(Duration::from_secs(120)));
        assert_eq!(wait(after, Some("Sat, 01 Jan 2000 00:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!((wait(after, None), wait("soon", None)), (Some(PASSING), Some(PASSING)));
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        let body = br#"{"type":"https://example.com/x","title":"Not today.","status":403}"#;
        let error = Error::from_answer(Fault::Relay, StatusCode::FORBIDDEN, &HeaderMap::new(), body);
        assert_eq!(error, Error::lasting(Fault::Relay, "Not today."));
    }

    /// Whatever a server says, an error stays short, and moves no cursor.
    #[test]
    fn a_strangers_text_is_cut_and_has_no_control_characters() {
        let text = format!("\u{1b}[2J\u{9b}31m\r\n{}", "\u{e4}".repeat(100_000));
        let kept = format!(" [2J 31m  {}", "\u{e4}".repeat(190));
        let of = |json: serde_json::Value| {
            Error::from_answer(Fault::Relay, StatusCode::FORBIDDEN, &HeaderMap::new(), json.to_string().as_bytes())
        };
        let foreign = of(serde_json::json!({"type": "about:blank", "title": text, "status": 403}));
        assert_eq!(foreign, Error::lasting(Fault::Relay, &kept));

        let title = ProblemType::WrongCode.title();
        let ours = of(serde_json::json!({
            "type": ProblemType::WrongCode.uri(), "title": text, "status": 403, "detail": text,
        }));
        assert_eq!(ours.message, format!("{title} ({kept})"));
        assert_eq!(ours.problem.and_then(|problem| problem.detail), Some(kept));
    }
}
