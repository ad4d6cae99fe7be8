//! Reading a request's body whole, within a size and a time.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Of another media type.
    #[error("the body is of another media type")]
    MediaType,
    /// Longer than allowed.
    #[error("the body is longer than allowed")]
    TooLong,
    /// It took too long.
    #[error("the body took too long")]
    TooSlow,
    /// Cut off.
    #[error("the body was cut off")]
    Broken,
}

/// Whether `Content-Type` is `media_type`; parameters are not taken.
#[must_use]
pub fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii());
    given.is_some_and(|given| given.eq_ignore_ascii_case(media_type.as_bytes()))
}

/// Reads a body of at most `max_bytes` within `timeout`. A declared length over the bound is refused unread.
///
/// # Errors
///
/// [`BodyError`].
pub async fn read<B>(body: B, max_bytes: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(BodyError::TooLong);
    }
    let read = tokio::time::timeout(timeout, Limited::new(body, max_bytes).collect()).await;
    match read.map_err(|_| BodyError::TooSlow)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::Broken),
    }
}
