//! What is inside a capsule: the request is opened, checked against the allow-list, asked of the target, and the answer
//! padded and sealed. From here on every outcome, errors included, travels inside (RFC 9458 §5.2).

use bytes::Bytes;
use http::{Request, Response, Uri};

use crate::binary_http::{self, BinaryHttpError};
use crate::config::AllowedTarget;
use crate::metrics::PerCapsule;
use crate::problem::Problem;
use crate::target::{Target, TargetError};

/// What a capsule may reach, and how answers are padded.
pub(crate) struct Inside<T> {
    pub(crate) target: T,
    pub(crate) allowed: Vec<AllowedTarget>,
    pub(crate) buckets: Vec<usize>,
    /// Answers are at least so many times as long as the content of their request.
    pub(crate) per_request: usize,
}

impl<T: Target> Inside<T> {
    /// Answers the content of an opened capsule: a response for inside it.
    pub(crate) async fn answer(&self, content: &[u8], metrics: &PerCapsule) -> Response<Bytes> {
        match self.try_answer(content, metrics).await {
            Ok(response) => response,
            Err(problem) => problem.response(),
        }
    }

    async fn try_answer(&self, content: &[u8], metrics: &PerCapsule) -> Result<Response<Bytes>, Problem> {
        let opened = binary_http::read_request(content).map_err(|error| match error {
            BinaryHttpError::Expect => Problem::ExpectationFailed,
            _ => Problem::MalformedRequest,
        })?;
        metrics.request_padding.increment(opened.padding as u64);
        if !self.allows(&opened.request) {
            return Err(Problem::TargetNotAllowed);
        }
        self.target.call(opened.request).await.map_err(|error| match error {
            TargetError::Unavailable(after) => Problem::TargetUnavailable(after),
            TargetError::Timeout => Problem::TargetTimeout,
            TargetError::TooLarge => Problem::AnswerTooLarge,
        })
    }

    /// Writes the answer to `content` as binary HTTP, padded by the length of both. One that cannot be written is replaced by
    /// a constant that can.
    pub(crate) fn write(&self, response: Response<Bytes>, content: &[u8]) -> Result<Vec<u8>, BinaryHttpError> {
        let at_least = content.len().saturating_mul(self.per_request);
        let write = |response| binary_http::write_response(response, &self.buckets, at_least);
        write(response).or_else(|_| write(Problem::AnswerTooLarge.response()))
    }

    fn allows(&self, request: &Request<Bytes>) -> bool {
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        self.allowed.iter().any(|allowed| {
            authority.eq_ignore_ascii_case(&allowed.authority)
                && request.method().as_str() == allowed.method
                && path_alone(request.uri()).is_some_and(|path| allowed.allows_path(path))
        })
    }
}

/// The path, if there is no query.
fn path_alone(uri: &Uri) -> Option<&str> {
    if uri.query().is_none() { Some(uri.path()) } else { None }
}
