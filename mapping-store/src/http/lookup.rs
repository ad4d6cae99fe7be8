//! `POST /v1/lookup`: 1 to 64 CPIs, for a gateway; over HTTP by its certificate, or in its process.
//!
//! 200 and an answer (`application/cbor`), compact if it was asked for so; over HTTP `Mimi-Lookup-Cost` tells the gateway how many CPIs were
//! asked for. Refusals: `not-through-gateway`, `malformed`, `too-large`,
//! `unsupported-media-type`, `answer-too-large`, `unavailable`.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::BodyExt as _;
use protocol::lookup::{self, Answer, LookupRequest};
use protocol::media;
use protocol::problem::ProblemType;
use service::Peer;

use super::problem::Problem;
use super::{App, at_hand, identifier_query, read};
use crate::metrics;
use crate::storage::StorageError;
use crate::store::{LookupFailure, Store};

const MAX_BYTES: usize = 32 * 1024;
const COST: HeaderName = HeaderName::from_static(lookup::COST);

/// In the extensions of a response: how many identifiers were asked for, for the gateway's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupCost(pub NonZeroU32);

pub(super) async fn over_http(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    if !app.gateways.admit(request.extensions().get::<Peer>()) {
        return Err(ProblemType::NotThroughGateway.problem().into());
    }
    let body = read(request, media::CBOR, MAX_BYTES).await?;
    let mut response = respond(&app.store, &body).await?;
    if let Some(LookupCost(cost)) = response.extensions_mut().remove() {
        response.headers_mut().insert(COST, HeaderValue::from(cost.get()));
    }
    Ok(response.map(Into::into))
}

async fn respond(store: &Store, body: &[u8]) -> Result<http::Response<Bytes>, Problem> {
    let question = LookupRequest::decode(body).map_err(|error| ProblemType::Malformed.because(error))?;
    let answer = store.lookup(&question).await?;
    for (outcome, count) in ["0", "1", "2", "3", "4"].into_iter().zip(answer.outcomes) {
        if count > 0 {
            ::metrics::counter!(metrics::LOOKUPS, "outcome" => outcome).increment(count);
        }
    }
    let body = if question.is_compact() { compact(&answer.bytes)? } else { answer.bytes };
    let mut response = http::Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::CBOR));
    let asked = u32::try_from(question.cpis().len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    response.extensions_mut().insert(LookupCost(asked));
    Ok(response)
}

/// The answer without its documents, which were verified when they were published.
fn compact(answer: &[u8]) -> Result<Vec<u8>, Problem> {
    let damaged = || Problem::from(LookupFailure::Storage(StorageError::Damaged("a record")));
    let answer = Answer::decode(answer).map_err(|_| damaged())?;
    Ok(answer.to_compact().map_err(|_| damaged())?.encode())
}

impl Store {
    async fn answer_at_hand(&self, request: &http::Request<Bytes>) -> Result<http::Response<Bytes>, Problem> {
        respond(self, &at_hand(request, media::CBOR, MAX_BYTES)?).await
    }

    /// Answers what a gateway in this process took out of a capsule: `POST` of `/v1/lookup` and of
    /// `/v1/identifierQuery/{domain}`, and nothing else.
    pub async fn lookup_in_process(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let path = request.uri().path();
        let (is_lookup, is_query) = (path == lookup::PATH, identifier_query::is_path(path));
        let is_post = request.method() == Method::POST;
        let answered = match (is_lookup, is_query) {
            (false, false) => Err(ProblemType::NotFound.problem().into()),
            _ if !is_post => Err(ProblemType::MethodNotAllowed.problem().into()),
            // Far the most are lookups: their bodies are at hand, and stay so.
            (true, _) => match self.answer_at_hand(&request).await {
                Ok(response) => return response,
                Err(problem) => Err(problem),
            },
            (false, true) => identifier_query::answer(self, request.map(axum::body::Body::from)).await,
        };
        let response = answered.unwrap_or_else(Problem::into_response);
        let (head, body) = response.into_parts();
        // The body is at hand: collecting it neither waits nor fails.
        let body = body.collect().await.map_or_else(|_| Bytes::new(), |body| body.to_bytes());
        http::Response::from_parts(head, body)
    }
}
