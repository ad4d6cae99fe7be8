//! Problem documents as HTTP responses, and the one place where refusals get their types.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use protocol::authenticated::MappingError;
use protocol::conflict::QueryError;
use protocol::problem::{Problem as Document, ProblemType};
use protocol::{SignatureError, media};
use service::RetryAfter;

use crate::rules::Refusal;
use crate::store::{ConflictError, LookupFailure, PublishError};

/// A problem document on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    document: Document,
    retry_after: Option<RetryAfter>,
}

/// When to come back after something that passes.
const SOON: RetryAfter = RetryAfter(1);

impl Problem {
    pub(super) fn rate_limited(retry_after: RetryAfter) -> Self {
        Self { document: ProblemType::RateLimited.problem(), retry_after: Some(retry_after) }
    }

    /// The name by which metrics count it.
    pub(super) const fn label(&self) -> &'static str {
        self.document.problem_type.name()
    }
}

impl From<Document> for Problem {
    fn from(document: Document) -> Self {
        let passing = matches!(document.problem_type, ProblemType::Unavailable);
        Self { document, retry_after: passing.then_some(SOON) }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let document = match &error {
            PublishError::Mapping(broken) => mapping_problem(broken).because(broken),
            PublishError::Removal(_) => ProblemType::Malformed.because(&error),
            PublishError::RemovalSignature(SignatureError::OtherKey | SignatureError::Invalid) => {
                ProblemType::InvalidSignature.because(&error)
            }
            PublishError::NotTheIssuer => ProblemType::NotTheIssuer.problem(),
            PublishError::RemovalFromTheFuture => ProblemType::NotYetValid.because(&error),
            PublishError::Refused(Refusal::StaleSequence(seq)) => {
                Document { current_seq: Some(*seq), ..ProblemType::StaleSequence.problem() }
            }
            PublishError::Refused(Refusal::Superseded) => ProblemType::Superseded.problem(),
            PublishError::Refused(Refusal::DefaultTaken) => ProblemType::DefaultTaken.because(&error),
            PublishError::Refused(Refusal::TooManyMappings | Refusal::TooManyRemembered) => {
                ProblemType::TooManyMappings.because(&error)
            }
            PublishError::Busy | PublishError::Failed => ProblemType::Unavailable.problem(),
            PublishError::Full => ProblemType::StorageFull.problem(),
        };
        document.into()
    }
}

impl From<LookupFailure> for Problem {
    fn from(error: LookupFailure) -> Self {
        match error {
            LookupFailure::TooLarge => ProblemType::AnswerTooLarge.problem().into(),
            LookupFailure::Storage(error) => {
                tracing::error!(%error, "a lookup failed");
                ProblemType::Unavailable.problem().into()
            }
        }
    }
}

impl From<ConflictError> for Problem {
    fn from(error: ConflictError) -> Self {
        let problem_type = match &error {
            ConflictError::Query(QueryError::Malformed(_)) => ProblemType::Malformed,
            ConflictError::Query(QueryError::Signature(SignatureError::OtherKey | SignatureError::Invalid)) => {
                ProblemType::InvalidSignature
            }
            ConflictError::Query(QueryError::OtherProvider) => ProblemType::Mismatch,
            ConflictError::Query(QueryError::FromTheFuture) => ProblemType::NotYetValid,
            ConflictError::Query(QueryError::TooOld) => ProblemType::Expired,
            ConflictError::None => ProblemType::NotFound,
            ConflictError::Failed => ProblemType::Unavailable,
        };
        problem_type.because(error).into()
    }
}

const fn mapping_problem(error: &MappingError) -> ProblemType {
    match error {
        MappingError::Malformed(_)
        | MappingError::NotAPair
        | MappingError::Credential(_)
        | MappingError::Mapping(_) => ProblemType::Malformed,
        MappingError::UntrustedProver | MappingError::UntrustedMethod => ProblemType::UntrustedProver,
        MappingError::CredentialSignature(_) | MappingError::MappingSignature(_) => ProblemType::InvalidSignature,
        MappingError::OtherCpi | MappingError::OtherMsp | MappingError::OtherCredential => ProblemType::Mismatch,
        MappingError::FromTheFuture => ProblemType::NotYetValid,
        MappingError::CredentialExpired | MappingError::MappingExpired => ProblemType::Expired,
        MappingError::OutlivesCredential | MappingError::CredentialTooLong => ProblemType::LivesTooLong,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.document.to_json().into());
        *response.status_mut() =
            StatusCode::from_u16(self.document.problem_type.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::PROBLEM));
        if let Some(RetryAfter(seconds)) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
