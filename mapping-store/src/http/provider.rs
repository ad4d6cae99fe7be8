//! `GET /.well-known/mimi-discovery-provider`: who this provider is, as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use protocol::authenticated;
use protocol::lookup::{MAX_CPIS, MAX_MAPPINGS};
use serde_json::json;

use super::App;

pub(super) async fn describe(State(app): State<Arc<App>>) -> Response {
    let description = json!({
        "provider": app.store.provider(),
        "receipt_key": hex::encode(app.store.receipt_key().as_bytes()),
        "trusted_provers": app.store.provers().collect::<Vec<_>>(),
        "log_shards": app.store.shards(),
        "max_mapping_bytes": authenticated::MAX_BYTES,
        "max_mappings_per_cpi": MAX_MAPPINGS,
        "max_cpis_per_lookup": MAX_CPIS,
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, description.to_string()).into_response()
}
