//! `POST /v1/removals`: a removal by the CPI's issuer.
//!
//! 201 and a receipt once durable; 200 and the same receipt for the same bytes again. Refusals: `malformed`, `too-large`,
//! `unsupported-media-type`, `not-the-issuer`, `invalid-signature`, `not-yet-valid`, `rate-limited`, `unavailable`,
//! `storage-full`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::removal::Removal;
use protocol::{Document as _, media};
use service::Peer;

use super::mappings::counted;
use super::problem::Problem;
use super::{App, read};
use crate::store::Published;

pub(super) async fn remove(State(app): State<Arc<App>>, request: Request) -> Response {
    counted(try_remove(&app, request).await)
}

async fn try_remove(app: &App, request: Request) -> Result<Published, Problem> {
    app.limit(request.extensions().get::<Peer>())?;
    let removal = read(request, media::REMOVAL, Removal::MAX_BYTES).await?;
    Ok(app.store.remove(&removal).await?)
}
