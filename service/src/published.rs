//! What everybody may read and keep for a while, in one of its forms: [`Representation`], with its entity tag (RFC 9110 §8.8.3).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// One form of something that is published. It does not change; clones share its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    media_type: &'static str,
    bytes: Bytes,
    tag: HeaderValue,
}

impl Representation {
    /// These octets, of this media type.
    #[must_use]
    pub fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&bytes)[..8]));
        let tag = HeaderValue::try_from(tag).expect("hexadecimal digits in quotes are a header value");
        Self { media_type, bytes, tag }
    }

    /// The octets.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Answers a `GET` or `HEAD` that asked for it by `Accept`: 304 to whoever has it (RFC 9110 §13.1.2). It may be kept for `life`.
    #[must_use]
    pub fn answer(&self, method: &Method, headers: &HeaderMap, life: Duration) -> Response<Bytes> {
        let is_known = self.is_named_in(headers);
        let body = if is_known || method == Method::HEAD { Bytes::new() } else { self.bytes.clone() };
        let mut response = Response::new(body);
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        fields.insert(header::VARY, HeaderValue::from_static("Accept"));
        fields.insert(header::ETAG, self.tag.clone());
        if let Ok(life) = HeaderValue::try_from(format!("public, max-age={}", life.as_secs())) {
            fields.insert(header::CACHE_CONTROL, life);
        }
        response
    }

    /// Whether `If-None-Match` names it, by weak comparison; our tags have no comma in them.
    fn is_named_in(&self, headers: &HeaderMap) -> bool {
        let lists = headers.get_all(header::IF_NONE_MATCH).iter();
        lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b',')).any(|given| {
            let given = given.trim_ascii();
            given == b"*" || given.strip_prefix(b"W/").unwrap_or(given) == self.tag.as_bytes()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_sent_to_whoever_has_it_not() {
        let published = Representation::new("text/plain", "content");
        let tag = published.tag.to_str().unwrap();
        let answer = |method: Method, tags: &[&str]| {
            let headers = tags.iter().map(|tag| (header::IF_NONE_MATCH, tag.parse().unwrap()));
            let answer = published.answer(&method, &HeaderMap::from_iter(headers), LIFE);
            assert_eq!(answer.headers()["content-type"], "text/plain");
            assert_eq!(answer.headers()["etag"], tag);
            assert_eq!(answer.headers()["vary"], "Accept");
            assert_eq!(answer.headers()["cache-control"], "public, max-age=60");
            (answer.status().as_u16(), answer.into_body())
        };
        let (sent, known, head) = ((200, "content".into()), (304, Bytes::new()), (200, Bytes::new()));
        let weak = format!("W/{tag}");
        let list = format!("\"a\", {tag}");
        for tags in [&[tag][..], &["*"], &[weak.as_str()], &[list.as_str()], &["\"a\"", tag]] {
            assert_eq!(answer(Method::GET, tags), known, "{tags:?}");
        }
        for tags in [&[][..], &["\"a\""], &[tag.trim_matches('"')], &[""]] {
            assert_eq!(answer(Method::GET, tags), sent, "{tags:?}");
            assert_eq!(answer(Method::HEAD, tags), head, "{tags:?}");
        }
    }

    #[test]
    fn other_octets_have_another_tag() {
        let tag = |content: &'static str| Representation::new("text/plain", content).tag;
        assert_eq!(tag("one"), tag("one"));
        assert_ne!(tag("one"), tag("other"));
    }
}
