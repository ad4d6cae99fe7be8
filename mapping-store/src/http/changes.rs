//! `GET /v1/changes?after=N`: what was published after position N of shard 0, in order.
//!
//! A CBOR sequence (RFC 8742, `application/cbor-seq`) of `[shard, number, kind, document]`, where kind is 0 for an
//! authenticated mapping and 1 for a removal; at most 1,000 entries or 1 MiB. Empty once N is the last. Each document
//! proves itself, so a reader need not trust this provider. Refusals: `malformed`, `rate-limited`, `unavailable`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use protocol::cbor::{self, Value};
use protocol::problem::ProblemType;
use service::Peer;

use super::App;
use super::problem::Problem;
use crate::engine::{LogEntry, SHARD};

const MEDIA_TYPE: &str = "application/cbor-seq";
const MOST: usize = 1000;
const MAX_BYTES: usize = 1024 * 1024;

pub(super) async fn read(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    app.limit(request.extensions().get::<Peer>())?;
    let after = after(request.uri().query().unwrap_or_default())
        .ok_or_else(|| ProblemType::Malformed.because("the query is after=N, a position"))?;
    let entries = app.store.changes(after, MOST, MAX_BYTES).map_err(|error| {
        tracing::error!(%error, "the log cannot be read");
        ProblemType::Unavailable.problem()
    })?;
    let sequence: Vec<u8> = entries.into_iter().flat_map(|entry| cbor::encode(&to_value(entry))).collect();
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], sequence).into_response())
}

fn after(query: &str) -> Option<u64> {
    if query.is_empty() { Some(0) } else { query.strip_prefix("after=")?.parse().ok() }
}

fn to_value(entry: LogEntry) -> Value {
    Value::Array(vec![
        u64::from(SHARD).into(),
        entry.number.into(),
        u64::from(entry.kind.code()).into(),
        entry.document.into(),
    ])
}
