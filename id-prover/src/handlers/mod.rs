//! The endpoints. A file's path says its route, and its name what is done there.

mod enrollments;
mod problem;
mod well_known;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;
use protocol::problem::ProblemType;
use service::Peer;
use service::body::{self, BodyError};

use crate::prover::Prover;
use problem::Problem;

const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// All routes.
pub(crate) fn router(prover: Arc<Prover>) -> Router {
    Router::new()
        .route("/v1/enrollments", post(enrollments::create::handle))
        .route("/v1/enrollments/{id}/proof", post(enrollments::prove::handle))
        .route("/.well-known/id-prover", get(well_known::handle))
        .method_not_allowed_fallback(|| async { Problem::from(ProblemType::MethodNotAllowed.problem()) })
        .fallback(|| async { Problem::from(ProblemType::NotFound.problem()) })
        .with_state(prover)
}

/// The DNS names in the client certificate of a request; none without one.
fn names(request: &Request) -> Vec<String> {
    let certificate = request.extensions().get::<Peer>().and_then(|peer| peer.certificate.as_ref());
    certificate.map(|certificate| certificate.dns_names().to_vec()).unwrap_or_default()
}

/// Reads a body of `media_type`.
async fn read(request: Request, media_type: &str, max_bytes: usize) -> Result<Bytes, Problem> {
    if !body::is_of_type(request.headers(), media_type) {
        return Err(ProblemType::UnsupportedMediaType.because(format!("this endpoint takes {media_type}")).into());
    }
    body::read(request.into_body(), max_bytes, BODY_TIMEOUT).await.map_err(|error| {
        let problem_type = match error {
            BodyError::MediaType => ProblemType::UnsupportedMediaType,
            BodyError::TooLong => ProblemType::TooLarge,
            BodyError::TooSlow | BodyError::Broken => ProblemType::Malformed,
        };
        problem_type.because(error).into()
    })
}
