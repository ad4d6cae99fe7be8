//! `POST /v1/enrollments/{id}/proof`: the sealed code.
//!
//! 200 and the signed credential; the same for a right code again. Refusals: `malformed`, `too-large`,
//! `unsupported-media-type`, `unknown-enrollment`, `wrong-code` (with the tries left), `enrollment-expired`,
//! `enrollment-locked`, `rate-limited` (no try is spent), `unavailable`, `storage-full`, `internal`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use protocol::enrollment::EnrollmentId;
use protocol::media;

use super::super::problem::Problem;
use super::super::{names, read};
use crate::metrics;
use crate::prover::{ProveError, Prover};

const MAX_BYTES: usize = 128;

pub(in crate::handlers) async fn handle(
    State(prover): State<Arc<Prover>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let id = id.map_or_else(|_| String::new(), |Path(id)| id);
    let (label, response) = match prove(&prover, &id, request).await {
        Ok(credential) => ("issued", with_credential(credential)),
        Err(problem) => (problem.label(), problem.into_response()),
    };
    ::metrics::counter!(metrics::PROOFS, "outcome" => label).increment(1);
    response
}

async fn prove(prover: &Prover, id: &str, request: Request) -> Result<Vec<u8>, Problem> {
    let names = names(&request);
    let body = read(request, media::CBOR, MAX_BYTES).await?;
    let id = EnrollmentId::parse(id).ok_or(ProveError::Unknown)?;
    Ok(prover.prove(id, &body, &names).await?)
}

fn with_credential(credential: Vec<u8>) -> Response {
    let mut response = Response::new(credential.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::CREDENTIAL));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
