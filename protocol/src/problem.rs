//! Every error on the wire: RFC 9457 problem documents, one enum of types for store and prover.
//!
//! The `type` is `urn:mimi-discovery:error:<name>`. A problem names the rule that was broken and never repeats what
//! was sent. Relay and gateway, which may not know this crate, have a few constant problems of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What precedes the name in a problem's `type`.
pub const URN: &str = "urn:mimi-discovery:error:";

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal;)+) => {
        /// The types of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType { $($(#[doc = $doc])+ $variant,)+ }

        impl ProblemType {
            /// All types.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The last part of its URN.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

problem_types! {
    /// The body is not what this endpoint takes.
    Malformed = "malformed", 400;
    /// The body is longer than this endpoint takes.
    TooLarge = "too-large", 413;
    /// The media type is not what this endpoint takes.
    UnsupportedMediaType = "unsupported-media-type", 415;
    /// There is nothing under this path.
    NotFound = "not-found", 404;
    /// The path does not take this method.
    MethodNotAllowed = "method-not-allowed", 405;
    /// Too many requests; ask again after Retry-After.
    RateLimited = "rate-limited", 429;
    /// The service cannot answer at present.
    Unavailable = "unavailable", 503;
    /// The service cannot store more.
    StorageFull = "storage-full", 507;
    /// Something broke here, and not by what was sent.
    Internal = "internal", 500;

    /// The credential is by an ID Prover that this provider does not trust, or not for this method.
    UntrustedProver = "untrusted-prover", 403;
    /// A signature does not hold.
    InvalidSignature = "invalid-signature", 403;
    /// Credential and mapping do not agree on CPI, MSP or key, or the mapping cites another credential.
    Mismatch = "mismatch", 422;
    /// The document has expired.
    Expired = "expired", 422;
    /// The document is dated in the future.
    NotYetValid = "not-yet-valid", 422;
    /// The mapping outlives its credential, or the credential lives longer than allowed.
    LivesTooLong = "lives-too-long", 422;
    /// A mapping with this or a higher seq is known.
    StaleSequence = "stale-sequence", 409;
    /// The CPI was taken over or removed after this credential was issued.
    Superseded = "superseded", 409;
    /// The CPI has as many live mappings as it may have.
    TooManyMappings = "too-many-mappings", 409;
    /// The holder has tagged another MSP as Default.
    DefaultTaken = "default-taken", 409;
    /// The removal is not by the issuer of this CPI.
    NotTheIssuer = "not-the-issuer", 403;
    /// A lookup is answered only through the gateway.
    NotThroughGateway = "not-through-gateway", 403;
    /// The change feed is read only by followers that this provider knows.
    NotAFollower = "not-a-follower", 403;
    /// The answer would be too large; ask for fewer CPIs at once.
    AnswerTooLarge = "answer-too-large", 422;

    /// The client certificate does not name the MSP of the request.
    NotThisMsp = "not-this-msp", 403;
    /// The request is meant for another ID Prover.
    OtherProver = "other-prover", 422;
    /// This ID Prover has no method for this kind of CPI.
    NoMethod = "no-method", 422;
    /// No message can reach this CPI.
    NotReachable = "not-reachable", 422;
    /// The message with the code could not be delivered.
    DeliveryFailed = "delivery-failed", 502;
    /// No such enrollment is open at this MSP.
    UnknownEnrollment = "unknown-enrollment", 404;
    /// The code is wrong.
    WrongCode = "wrong-code", 403;
    /// The enrollment has expired.
    EnrollmentExpired = "enrollment-expired", 410;
    /// All tries are spent.
    EnrollmentLocked = "enrollment-locked", 410;
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem.
    pub problem_type: ProblemType,
    /// The rule that was broken, in words.
    pub detail: Option<String>,
    /// How many tries are left ([`ProblemType::WrongCode`]).
    pub tries_left: Option<u32>,
    /// The highest known seq ([`ProblemType::StaleSequence`]).
    pub current_seq: Option<u64>,
}

/// Bytes that are no problem document of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a problem document of this protocol")]
pub struct NotAProblem;

#[derive(Serialize, Deserialize)]
struct Json {
    #[serde(rename = "type")]
    uri: String,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_seq: Option<u64>,
}

impl ProblemType {
    /// The `type` URI.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{URN}{}", self.name())
    }

    /// From its `type` URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let name = uri.strip_prefix(URN)?;
        Self::ALL.iter().copied().find(|problem_type| problem_type.name() == name)
    }

    /// A problem of this type without detail.
    #[must_use]
    pub const fn problem(self) -> Problem {
        Problem { problem_type: self, detail: None, tries_left: None, current_seq: None }
    }

    /// A problem of this type that names the broken rule: `rule` must repeat nothing of what was sent.
    #[must_use]
    pub fn because(self, rule: impl fmt::Display) -> Problem {
        Problem { detail: Some(rule.to_string()), ..self.problem() }
    }
}

impl Problem {
    /// The document as JSON (`application/problem+json`).
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let json = Json {
            uri: self.problem_type.uri(),
            title: self.problem_type.title().to_owned(),
            status: self.problem_type.status(),
            detail: self.detail.clone(),
            tries_left: self.tries_left,
            current_seq: self.current_seq,
        };
        serde_json::to_vec(&json).expect("strings and numbers always serialise")
    }

    /// Reads a problem document; members that are not ours are passed over, as RFC 9457 §3.2 asks.
    ///
    /// # Errors
    ///
    /// [`NotAProblem`] if it is no JSON object of the kind, or its type is not ours.
    pub fn from_json(bytes: &[u8]) -> Result<Self, NotAProblem> {
        let json: Json = serde_json::from_slice(bytes).map_err(|_| NotAProblem)?;
        let problem_type = ProblemType::from_uri(&json.uri).ok_or(NotAProblem)?;
        Ok(Self { problem_type, detail: json.detail, tries_left: json.tries_left, current_seq: json.current_seq })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem_type.title())?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        match (self.tries_left, self.current_seq) {
            (Some(tries), _) => write!(f, " Tries left: {tries}."),
            (_, Some(seq)) => write!(f, " The current seq is {seq}."),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_round_trips_and_is_unique() {
        let names: HashSet<_> = ProblemType::ALL.iter().map(|problem_type| problem_type.name()).collect();
        assert_eq!(names.len(), ProblemType::ALL.len());
        for problem_type in ProblemType::ALL.iter().copied() {
            assert!((400..600).contains(&problem_type.status()));
            assert!(problem_type.title().ends_with('.'), "{}", problem_type.title());
            let problem = Problem { tries_left: Some(3), current_seq: Some(9), ..problem_type.because("a rule") };
            assert_eq!(Problem::from_json(&problem.to_json()), Ok(problem));
        }
    }

    #[test]
    fn the_document_as_rfc_9457_has_it() {
        let problem = Problem { tries_left: Some(4), ..ProblemType::WrongCode.problem() };
        assert_eq!(
            String::from_utf8(problem.to_json()).unwrap(),
            r#"{"type":"urn:mimi-discovery:error:wrong-code","title":"The code is wrong.","status":403,"tries_left":4}"#
        );
        assert_eq!(Problem::from_json(b"{}"), Err(NotAProblem));
        assert_eq!(Problem::from_json(br#"{"type":"about:blank","title":"x","status":400}"#), Err(NotAProblem));
    }
}
