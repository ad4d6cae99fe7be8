//! Answers outside of a capsule, and a body that breaks off where it is told to.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Frame;

pub(super) fn unknown_key() -> Response<Body> {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "https://iana.org/assignments/http-problem-types#ohttp-key", None)
}

pub(super) fn problem(status: StatusCode, uri: &str, retry_after: Option<&str>) -> Response<Body> {
    let json = format!(r#"{{"type":"{uri}","title":"As told.","status":{}}}"#, status.as_u16());
    let mut response = Response::new(Body::whole(json.into_bytes()));
    *response.status_mut() = status;
    if let Some(retry_after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after.parse().unwrap());
    }
    response
}

/// A body that may break in the middle.
pub(crate) struct Body {
    whole: Full<Bytes>,
    breaks: bool,
}

impl Body {
    pub(super) fn whole(bytes: Vec<u8>) -> Self {
        Self { whole: Full::new(bytes.into()), breaks: false }
    }

    pub(super) fn cut(mut bytes: Vec<u8>) -> Self {
        bytes.truncate(bytes.len() / 2);
        Self { whole: Full::new(bytes.into()), breaks: true }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let whole = Pin::new(&mut self.whole);
        match whole.poll_frame(context) {
            Poll::Ready(None) if self.breaks => {
                self.breaks = false;
                Poll::Ready(Some(Err(std::io::Error::other("told to break"))))
            }
            other => other.map_err(|never| match never {}),
        }
    }
}
