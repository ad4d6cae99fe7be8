//! `POST /v1/conflicts`: a displaced holder asks whether a mapping of its was displaced.
//!
//! 200 and a signed notice ([`protocol::conflict`]). Refusals: `malformed`, `too-large`, `unsupported-media-type`,
//! `invalid-signature`, `mismatch` (for another provider), `not-yet-valid`, `expired`, `not-found` (nothing was displaced),
//! `rate-limited`, `unavailable`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use protocol::conflict::ConflictQuery;
use protocol::{Document as _, media};
use service::Peer;

use super::problem::Problem;
use super::{App, read};
use crate::metrics;

pub(super) async fn ask(State(app): State<Arc<App>>, request: Request) -> Response {
    let outcome = try_ask(&app, request).await;
    let label = outcome.as_ref().map_or_else(Problem::label, |_| "notice");
    ::metrics::counter!(metrics::CONFLICTS, "outcome" => label).increment(1);
    match outcome {
        Ok(notice) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(media::CONFLICT_NOTICE))], notice).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn try_ask(app: &App, request: Request) -> Result<Vec<u8>, Problem> {
    app.limit(request.extensions().get::<Peer>())?;
    let query = read(request, media::CONFLICT_QUERY, ConflictQuery::MAX_BYTES).await?;
    Ok(app.store.conflict(&query).await?)
}
