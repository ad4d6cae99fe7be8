//! `POST /v1/identifierQuery/{domain}`: the MIMI protocol's query (draft-ietf-mimi-protocol-06 §5.8), for a gateway, as lookups
//! are: over HTTP by its certificate, or in its process. It costs a gateway's budget one, whatever it asks for.
//!
//! 200 and a response (`application/octet-stream`) with one of the draft's codes, by the rules of
//! [`protocol::mimi_query::Question`]. Nothing of it is signed. Refusals: `not-through-gateway`, `malformed`, `too-large`,
//! `unsupported-media-type`, `answer-too-large`, `unavailable`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, header};
use protocol::Thumbprint;
use protocol::authenticated::{MappingError, UnverifiedMapping};
use protocol::lookup::{Answer, Entry, LookupRequest};
use protocol::media;
use protocol::mimi_query::{
    IdentifierRequest, IdentifierResponse, MAX_REQUEST_BYTES, PATH_PREFIX, QueryError, Question, Refusal,
};
use protocol::mimi_uri::{Msp, Psi};
use protocol::problem::ProblemType;
use service::Peer;

use super::problem::Problem;
use super::{App, read};
use crate::storage::StorageError;
use crate::store::{LookupFailure, Store};

/// The route.
pub(super) const ROUTE: &str = "/v1/identifierQuery/{domain}";

pub(super) async fn over_http(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    if !app.gateways.admit(request.extensions().get::<Peer>()) {
        return Err(ProblemType::NotThroughGateway.problem().into());
    }
    answer(&app.store, request).await
}

/// Whether a path is that of the query; one segment has to follow.
pub(super) fn is_path(path: &str) -> bool {
    path.strip_prefix(PATH_PREFIX).is_some_and(|domain| !domain.is_empty() && !domain.contains('/'))
}

pub(super) async fn answer(store: &Store, request: Request) -> Result<Response, Problem> {
    let domain = request.uri().path().strip_prefix(PATH_PREFIX).unwrap_or_default();
    let msp = Msp::from_domain(domain).ok().filter(|msp| msp.domain() == domain).ok_or_else(|| {
        ProblemType::Malformed.because("the path ends in the provider's domain, in lower-case A-labels")
    })?;
    let body = read(request, media::OCTETS, MAX_REQUEST_BYTES).await?;
    let answer = match IdentifierRequest::decode(&body) {
        Ok(request) => respond(store, &request, msp).await?,
        Err(QueryError::UnknownSearchType) => IdentifierResponse::refused(Refusal::UnsupportedField),
        Err(error) => return Err(ProblemType::Malformed.because(error).into()),
    };
    let mut response = Response::new(answer.encode().into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::OCTETS));
    Ok(response)
}

async fn respond(store: &Store, request: &IdentifierRequest, msp: Msp) -> Result<IdentifierResponse, Problem> {
    let question = match Question::of(request, &msp) {
        Ok(question) => question,
        Err(refusal) => return Ok(IdentifierResponse::refused(refusal)),
    };
    let lookup = LookupRequest::new(question.cpis().to_vec(), Some(msp))
        .map_err(|error| Problem::from(ProblemType::Malformed.because(error)))?;
    let answer = store.lookup(&lookup).await?;
    let damaged = || Problem::from(LookupFailure::Storage(StorageError::Damaged("a record")));
    let answer = Answer::decode(&answer.bytes).map_err(|_| damaged())?;
    let found = answer.entries.iter().map(claims).collect::<Result<Vec<_>, _>>().map_err(|_| damaged())?;
    Ok(question.answer(found))
}

/// Who holds what is found, and which user each tells. It was verified when it was published.
fn claims(entry: &Entry) -> Result<BTreeSet<(Thumbprint, Option<Psi>)>, MappingError> {
    let claim = |document: &Vec<u8>| {
        let mapping = UnverifiedMapping::parse(document)?;
        let user = mapping.unverified_mapping().reachability.psi().cloned();
        Ok((mapping.unverified_holder().thumbprint(), user))
    };
    entry.mappings.iter().map(claim).collect()
}
