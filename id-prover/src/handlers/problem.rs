//! Problem documents as HTTP responses, and the one place where refusals get their types.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use protocol::media;
use protocol::problem::{Problem as Document, ProblemType};
use service::RetryAfter;

use crate::prover::{EnrollError, ProveError, Trouble};

/// A problem document on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    document: Document,
    retry_after: Option<RetryAfter>,
}

/// When to come back after something that passes.
const SOON: RetryAfter = RetryAfter(1);

impl Problem {
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

impl From<EnrollError> for Problem {
    fn from(error: EnrollError) -> Self {
        let document = match &error {
            EnrollError::Malformed(_) | EnrollError::NumberTaken => ProblemType::Malformed.because(&error),
            EnrollError::Signature(_) => ProblemType::InvalidSignature.because(&error),
            EnrollError::NotThisMsp => ProblemType::NotThisMsp.because(&error),
            EnrollError::OtherProver => ProblemType::OtherProver.problem(),
            EnrollError::FromTheFuture => ProblemType::NotYetValid.because(&error),
            EnrollError::TooOld => ProblemType::Expired.because(&error),
            EnrollError::NoMethod => ProblemType::NoMethod.problem(),
            EnrollError::NotReachable => ProblemType::NotReachable.because(&error),
            EnrollError::Expired => ProblemType::EnrollmentExpired.problem(),
            EnrollError::Locked => ProblemType::EnrollmentLocked.problem(),
            EnrollError::Limited(retry_after) => {
                return Self { document: ProblemType::RateLimited.problem(), retry_after: Some(*retry_after) };
            }
            EnrollError::NotDelivered(_) => ProblemType::DeliveryFailed.because(&error),
            EnrollError::Trouble(trouble) => trouble_type(*trouble).problem(),
        };
        document.into()
    }
}

impl From<ProveError> for Problem {
    fn from(error: ProveError) -> Self {
        let document = match &error {
            ProveError::Malformed(_) => ProblemType::Malformed.because(&error),
            ProveError::Unknown => ProblemType::UnknownEnrollment.problem(),
            ProveError::WrongCode { tries_left } => {
                Document { tries_left: Some(u32::from(*tries_left)), ..ProblemType::WrongCode.problem() }
            }
            ProveError::Expired => ProblemType::EnrollmentExpired.problem(),
            ProveError::Locked => ProblemType::EnrollmentLocked.problem(),
            ProveError::Limited(retry_after) => {
                return Self { document: ProblemType::RateLimited.problem(), retry_after: Some(*retry_after) };
            }
            ProveError::Trouble(trouble) => trouble_type(*trouble).problem(),
        };
        document.into()
    }
}

const fn trouble_type(trouble: Trouble) -> ProblemType {
    match trouble {
        Trouble::Busy | Trouble::NoSignature => ProblemType::Unavailable,
        Trouble::Full => ProblemType::StorageFull,
        Trouble::Failed => ProblemType::Internal,
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
