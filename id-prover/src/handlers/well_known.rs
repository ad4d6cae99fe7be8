//! `GET /.well-known/id-prover`: who this prover is, as JSON. Cacheable.
//!
//! `signing_keys` lists each key with its thumbprint and `state`: `current` signs; `next` will; `retired` no longer does, but
//! what it signed holds `until` a time, in seconds since 1970. `hpke_keys` likewise; `hpke_key` is the current one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use protocol::PublicKey;
use protocol::credential::Method;
use protocol::enrollment::HpkeSecretKey;
use serde_json::json;
use service::Rate;

use crate::courier::Language;
use crate::prover::Prover;

pub(super) async fn handle(State(prover): State<Arc<Prover>>) -> Response {
    let (config, keys, policy, now) = (prover.config(), prover.keys(), prover.policy(), prover.now());
    let limits = &policy.limits;
    let signing = |key: PublicKey, state: &str| json!({ "key": hex::encode(key.as_bytes()), "thumbprint": key.thumbprint().to_string(), "state": state });
    let mut signing_keys = vec![signing(keys.signing().public(), "current")];
    signing_keys.extend(keys.next_signing().map(|key| signing(*key, "next")));
    signing_keys.extend(keys.retired_signing(now).map(|retired| {
        let mut key = signing(retired.key.public(), "retired");
        key["until"] = retired.until.seconds().into();
        key
    }));
    let hpke = |key: &HpkeSecretKey| hex::encode(key.public().0);
    let mut hpke_keys = vec![json!({ "key": hpke(keys.hpke()), "state": "current" })];
    hpke_keys.extend(
        keys.retired_hpke(now)
            .map(|retired| json!({ "key": hpke(&retired.key), "state": "retired", "until": retired.until.seconds() })),
    );
    let rate = |rate: Rate| json!({ "count": rate.count, "seconds": rate.seconds });
    let description = json!({
        "prover": config.name,
        "signing_keys": signing_keys,
        "hpke_key": hpke(keys.hpke()),
        "hpke_keys": hpke_keys,
        "methods": prover.methods().map(Method::as_str).collect::<Vec<_>>(),
        "code": {
            "digits": config.codes.length,
            "lifetime_seconds": config.codes.lifetime_seconds,
            "tries": config.codes.tries,
        },
        "languages": Language::all().map(Language::tag).collect::<Vec<_>>(),
        "credential_lifetime_days": config.credentials.lifetime_days,
        "limits": {
            "per_msp": rate(limits.per_msp),
            "per_number_range": rate(limits.per_number_range),
            "per_cpi_hour": limits.per_cpi_hour,
            "per_cpi_day": limits.per_cpi_day,
            "per_cpi_and_msp_hour": limits.per_cpi_and_msp_hour,
            "per_cpi_and_msp_day": limits.per_cpi_and_msp_day,
        },
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, description.to_string()).into_response()
}
