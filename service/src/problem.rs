//! Problem documents (RFC 9457) that say the same to everybody: [`response`].

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::limits::RetryAfter;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem of this type (a URI) and title, with `Retry-After` if there is one. Both texts are constants that JSON takes as they stand.
#[must_use]
pub fn response(status: StatusCode, kind: &str, title: &str, retry_after: Option<RetryAfter>) -> Response<Bytes> {
    debug_assert!(!kind.contains(['"', '\\']) && !title.contains(['"', '\\']), "JSON would need an escape");
    let json = format!(r#"{{"type":"{kind}","title":"{title}","status":{}}}"#, status.as_u16());
    let mut response = Response::new(Bytes::from(json));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(RetryAfter(seconds)) = retry_after {
        fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_members_and_fields() {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = response(status, "urn:a:b", "Too many.", Some(RetryAfter(7)));
        assert_eq!(problem.status(), status);
        assert_eq!(problem.body(), r#"{"type":"urn:a:b","title":"Too many.","status":429}"#);
        assert_eq!(
            (&problem.headers()["content-type"], &problem.headers()["retry-after"]),
            (&HeaderValue::from_static("application/problem+json"), &HeaderValue::from_static("7"))
        );
        assert!(!response(status, "urn:a:b", "Too many.", None).headers().contains_key("retry-after"));
    }
}
