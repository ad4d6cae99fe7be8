//! `GET /.well-known/id-prover`: who this prover is, as JSON. Cacheable.
//!
//! `signing_keys` lists each key with its thumbprint and `state`: `current` signs; `next` will; `retired` no longer does, but
//! what it signed holds `until` a time.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use protocol::credential::Method;
use serde_json::json;
use service::Rate;

use crate::prover::Prover;

pub(super) async fn handle(State(prover): State<Arc<Prover>>) -> Response {
    let (config, keys) = (prover.config(), prover.keys());
    let signing = keys.signing().public();
    let rate = |rate: Rate| json!({ "count": rate.count, "seconds": rate.seconds });
    let description = json!({
        "prover": config.name,
        "signing_keys": [{
            "key": hex::encode(signing.as_bytes()),
            "thumbprint": signing.thumbprint().to_string(),
            "state": "current",
        }],
        "hpke_key": hex::encode(keys.hpke().public().0),
        "methods": prover.methods().map(Method::as_str).collect::<Vec<_>>(),
        "code": {
            "digits": config.codes.length,
            "lifetime_seconds": config.codes.lifetime_seconds,
            "tries": config.codes.tries,
        },
        "credential_lifetime_days": config.credentials.lifetime_days,
        "limits": {
            "per_msp": rate(config.limits.per_msp),
            "per_number_range": rate(config.limits.per_number_range),
            "per_cpi_hour": config.limits.per_cpi_hour,
            "per_cpi_day": config.limits.per_cpi_day,
        },
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, description.to_string()).into_response()
}
