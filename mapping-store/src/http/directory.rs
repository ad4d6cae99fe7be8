//! `GET /.well-known/mimi-protocol-directory` (draft-ietf-mimi-protocol-06 §5.1): the URL of the one endpoint of the MIMI
//! protocol that a discovery provider has, as JSON. Its authority is the provider's name; a provider whose name is no
//! domain has no directory, and answers 404.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use protocol::mimi_query::Directory;
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;

use super::App;
use super::problem::Problem;

pub(super) async fn describe(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let domain = Msp::from_domain(app.store.provider()).map_err(|_| ProblemType::NotFound.problem())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    Ok((headers, Directory::at(domain.domain()).to_json()).into_response())
}
