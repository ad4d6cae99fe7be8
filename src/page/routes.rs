//! The endpoints. Everything under `/api/` needs the token.
//!
//! | | |
//! | --- | --- |
//! | `GET /api/stack` | whom to trust, and the names of the parties: JSON |
//! | `GET /api/keys` | the gateway's signed keys, as the relay serves them |
//! | `POST /api/relay` | a capsule, to the relay; its answer, sealed |
//! | `POST /api/enrollments`, `POST /api/enrollments/{id}/proof` | to the ID Prover, as the MSP |
//! | `POST /api/mappings` | to the mapping store, as the MSP |
//! | `GET /api/messages/{id}` | the text of the message with the code, as the user's telephone would show it: JSON |
//! | `GET /api/recordings` | what relay and gateway saw: JSON |
//!
//! Answers of the parties pass with their status and media type; troubles of this server are `application/problem+json`.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, Uri, header};
use protocol::enrollment::EnrollmentId;
use protocol::{key_configuration, media};
use serde_json::json;
use service::body;

use super::guard::{Refusal, harden};
use super::{Page, bundle};

/// What the relay takes; the other endpoints take far less, and refuse it themselves.
const MAX_BODY_BYTES: usize = 65_536;
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// A message is a few lines.
const MAX_MESSAGE_BYTES: u64 = 16 * 1024;
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// All routes.
pub(super) fn router(page: Arc<Page>) -> Router {
    let api = Router::new()
        .route("/stack", get(stack))
        .route("/keys", get(keys))
        .route("/relay", post(relay))
        .route("/enrollments", post(enroll))
        .route("/enrollments/{id}/proof", post(prove))
        .route("/mappings", post(publish))
        .route("/messages/{id}", get(message))
        .route("/recordings", get(recordings))
        .fallback(no_such_path)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&page), token));
    Router::new()
        .nest("/api", api)
        .fallback(get(file))
        .layer(middleware::from_fn_with_state(Arc::clone(&page), guard))
        .with_state(page)
}

async fn guard(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let mut response = match page.guard.admits(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    };
    harden(response.headers_mut());
    response
}

async fn token(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    match page.guard.knows_token(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

async fn file(uri: Uri) -> Response {
    bundle::file(uri.path()).unwrap_or_else(|| problem(StatusCode::NOT_FOUND, "there is no such file"))
}

async fn no_such_path() -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such path")
}

async fn stack(State(page): State<Arc<Page>>) -> Response {
    let stack = &page.stack;
    let described = json!({
        "trust": page.trust, "lookup_url": stack.lookup_url, "msp": stack.msp, "prover": stack.prover,
        "relay_url": stack.relay_url, "gateway_url": stack.gateway_url,
    });
    answer(StatusCode::OK, JSON, described.to_string())
}

async fn keys(State(page): State<Arc<Page>>) -> Response {
    match page.relay.keys(key_configuration::MEDIA_TYPE).await {
        Ok(response) => passed(response),
        Err(_) => problem(StatusCode::BAD_GATEWAY, "the relay cannot be reached"),
    }
}

async fn relay(State(page): State<Arc<Page>>, request: Request) -> Response {
    let capsule = match read(request, "message/ohttp-req").await {
        Ok(capsule) => capsule,
        Err(refused) => return refused,
    };
    match page.relay.post(capsule).await {
        Ok((response, saw)) => {
            page.recordings.relay_saw(saw);
            passed(response)
        }
        Err(_) => problem(StatusCode::BAD_GATEWAY, "the relay cannot be reached"),
    }
}

async fn enroll(State(page): State<Arc<Page>>, request: Request) -> Response {
    as_msp(&page, &page.stack.prover_url, "/v1/enrollments", media::ENROLLMENT_REQUEST, request).await
}

async fn prove(State(page): State<Arc<Page>>, Path(id): Path<String>, request: Request) -> Response {
    let Some(id) = EnrollmentId::parse(&id) else { return no_such_path().await };
    as_msp(&page, &page.stack.prover_url, &format!("/v1/enrollments/{id}/proof"), media::CBOR, request).await
}

async fn publish(State(page): State<Arc<Page>>, request: Request) -> Response {
    as_msp(&page, &page.stack.store_url, "/v1/mappings", media::AUTHENTICATED_MAPPING, request).await
}

async fn message(State(page): State<Arc<Page>>, Path(id): Path<String>) -> Response {
    let Some(id) = EnrollmentId::parse(&id) else { return no_such_path().await };
    let outbox = page.outbox.clone();
    let text = tokio::task::spawn_blocking(move || message_of(&outbox, &id)).await.ok().flatten();
    match text {
        Some(text) => answer(StatusCode::OK, JSON, json!({ "text": text }).to_string()),
        None => problem(StatusCode::NOT_FOUND, "no message of that enrollment is in the outbox"),
    }
}

async fn recordings(State(page): State<Arc<Page>>) -> Response {
    let recorded = serde_json::to_string(&page.recordings.all()).expect("strings and numbers always serialise");
    answer(StatusCode::OK, JSON, recorded)
}

/// The text of the newest message of an enrollment: what comes after the courier's own lines.
fn message_of(outbox: &FilePath, id: &EnrollmentId) -> Option<String> {
    let ending = format!("-{id}");
    let of_enrollment = |name: &str| name.ends_with(&ending) && !name.starts_with('.');
    let names = std::fs::read_dir(outbox).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let path = outbox.join(names.filter(|name| of_enrollment(name)).max()?);
    if std::fs::metadata(&path).ok()?.len() > MAX_MESSAGE_BYTES {
        return None;
    }
    let message = std::fs::read_to_string(path).ok()?;
    message.split_once("\n\n").map(|(_, text)| text.trim_end().to_owned())
}

/// Carries a user's document to a party over mutual TLS, with the MSP's certificate, and its answer back.
async fn as_msp(page: &Page, base: &str, path: &str, media_type: &'static str, request: Request) -> Response {
    let document = match read(request, media_type).await {
        Ok(document) => document,
        Err(refused) => return refused,
    };
    let Ok(uri) = format!("{base}{path}").parse() else { return no_such_path().await };
    match page.msp.post(&uri, media_type, document).await {
        Ok(response) => passed(response),
        Err(error) => problem(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

async fn read(request: Request, media_type: &str) -> Result<Bytes, Response> {
    if !body::is_of_type(request.headers(), media_type) {
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is of another media type"));
    }
    body::read(request.into_body(), MAX_BODY_BYTES, BODY_TIMEOUT).await.map_err(|error| match error {
        body::BodyError::TooLong => problem(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than allowed"),
        body::BodyError::MediaType | body::BodyError::TooSlow | body::BodyError::Broken => {
            problem(StatusCode::BAD_REQUEST, "the body did not come whole, in time")
        }
    })
}

/// A party's answer: its status, media type and body.
fn passed(response: http::Response<Bytes>) -> Response {
    let (head, body) = response.into_parts();
    let mut passed = Response::new(Body::from(body));
    *passed.status_mut() = head.status;
    if let Some(media_type) = head.headers.get(header::CONTENT_TYPE) {
        passed.headers_mut().insert(header::CONTENT_TYPE, media_type.clone());
    }
    passed
}

fn refused(refusal: Refusal) -> Response {
    problem(StatusCode::FORBIDDEN, &refusal.to_string())
}

fn problem(status: StatusCode, title: &str) -> Response {
    let document = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    answer(status, PROBLEM, document.to_string())
}

fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
