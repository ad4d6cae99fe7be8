//! `POST /v1/enrollments`: a signed enrollment request.
//!
//! `Accept-Language` (RFC 9110 §12.5.4) chooses the language of the message: the user's, which the MSP passes on.
//!
//! 201 and the signed challenge once the message is on its way; 200 and the same challenge for the same bytes again.
//! Refusals: `malformed`, `too-large`, `unsupported-media-type`, `invalid-signature`, `not-this-msp`, `other-prover`,
//! `not-yet-valid`, `expired`, `no-method`, `not-reachable`, `enrollment-expired`, `enrollment-locked`, `rate-limited`,
//! `delivery-failed`, `unavailable`, `storage-full`, `internal`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use protocol::enrollment::EnrollmentRequest;
use protocol::{Document as _, media};

use super::super::problem::Problem;
use super::super::{names, read};
use crate::courier::Language;
use crate::metrics;
use crate::prover::{Enrolled, Prover};

pub(in crate::handlers) async fn handle(State(prover): State<Arc<Prover>>, request: Request) -> Response {
    let (label, response) = match enroll(&prover, request).await {
        Ok(Enrolled::New(challenge)) => ("new", with_challenge(StatusCode::CREATED, challenge)),
        Ok(Enrolled::Known(challenge)) => ("known", with_challenge(StatusCode::OK, challenge)),
        Err(problem) => (problem.label(), problem.into_response()),
    };
    ::metrics::counter!(metrics::REQUESTS, "outcome" => label).increment(1);
    response
}

async fn enroll(prover: &Prover, request: Request) -> Result<Enrolled, Problem> {
    let names = names(&request);
    let language = language(request.headers());
    let body = read(request, media::ENROLLMENT_REQUEST, EnrollmentRequest::MAX_BYTES).await?;
    Ok(prover.enroll(&body, &names, language).await?)
}

/// The language that the header asks for, or English.
fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    accepted.map_or(Language::ENGLISH, Language::negotiate)
}

fn with_challenge(status: StatusCode, challenge: Vec<u8>) -> Response {
    let mut response = Response::new(challenge.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::CHALLENGE));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
