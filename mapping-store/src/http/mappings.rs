//! `POST /v1/mappings`: one authenticated mapping, a withdrawal included.
//!
//! 201 and a receipt once durable; 200 and the same receipt for the same bytes again. Refusals: `malformed`, `too-large`,
//! `unsupported-media-type`, `untrusted-prover`, `invalid-signature`, `mismatch`, `expired`, `not-yet-valid`,
//! `lives-too-long`, `stale-sequence`, `superseded`, `default-taken`, `too-many-mappings`, `rate-limited`, `unavailable`,
//! `storage-full`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use protocol::{authenticated, media};
use service::Peer;

use super::problem::Problem;
use super::{App, read};
use crate::metrics;
use crate::store::Published;

pub(super) async fn publish(State(app): State<Arc<App>>, request: Request) -> Response {
    counted(try_publish(&app, request).await)
}

async fn try_publish(app: &App, request: Request) -> Result<Published, Problem> {
    app.limit(request.extensions().get::<Peer>())?;
    let mapping = read(request, media::AUTHENTICATED_MAPPING, authenticated::MAX_BYTES).await?;
    app.store.publish(&mapping).await.map_err(Problem::from)
}

/// Turns an outcome into a response and counts it.
pub(super) fn counted(outcome: Result<Published, Problem>) -> Response {
    let (label, response) = match outcome {
        Ok(Published::New(receipt)) => ("new", with_receipt(StatusCode::CREATED, receipt)),
        Ok(Published::Known(receipt)) => ("known", with_receipt(StatusCode::OK, receipt)),
        Err(problem) => (problem.label(), problem.into_response()),
    };
    ::metrics::counter!(metrics::PUBLICATIONS, "outcome" => label).increment(1);
    response
}

fn with_receipt(status: StatusCode, receipt: Vec<u8>) -> Response {
    let mut response = Response::new(receipt.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::RECEIPT));
    response
}
