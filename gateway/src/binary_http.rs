//! Binary HTTP (RFC 9292) in and out, held to what HTTP allows.
//!
//! The `bhttp` crate reads the framing; it lets CR, LF and NUL through in fields and any bytes after the message. Here,
//! control data and fields become `http` types, which refuse them; upper-case field names, interim answers, trailers and
//! padding other than zeros are refused; fields that concern one connection never pass (RFC 9110 §7.6.1).

use std::io::Cursor;

use bhttp::{Message, Mode};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};

/// Why a capsule's content is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BinaryHttpError {
    #[error("the framing is malformed")]
    Framing,
    #[error("the control data is malformed")]
    Control,
    #[error("a field is malformed")]
    Field,
    #[error("the padding is not zeros")]
    Padding,
    #[error("interim answers and trailers are not taken")]
    Extras,
    #[error("Expect is not taken")]
    Expect,
}

/// A request and how much padding followed it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) request: Request<Bytes>,
    pub(crate) padding: usize,
}

/// The framing indicator of a request of indeterminate length (RFC 9292 §3.3).
const INDETERMINATE_REQUEST: u8 = 2;

/// Room for the status and fields of an answer.
const TYPICAL_HEAD_BYTES: usize = 256;

/// Fields of one hop. `host` goes too: the authority is in the URI.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(crate) fn read_request(binary: &[u8]) -> Result<Opened, BinaryHttpError> {
    let (message, end) = read_message(binary)?;
    let padding = binary.get(end..).unwrap_or_default();
    if padding.iter().any(|byte| *byte != 0) {
        return Err(BinaryHttpError::Padding);
    }
    if !message.informational().is_empty() || !message.trailer().is_empty() {
        return Err(BinaryHttpError::Extras);
    }
    let mut request = Request::new(Bytes::copy_from_slice(message.content()));
    let control = message.control();
    *request.method_mut() =
        control.method().and_then(|method| Method::from_bytes(method).ok()).ok_or(BinaryHttpError::Control)?;
    // Without an authority in the control data, Host names it (RFC 9292 §3.3).
    let authority =
        control.authority().filter(|authority| !authority.is_empty()).or_else(|| message.header().get(b"host"));
    *request.uri_mut() = uri(control.scheme(), authority, control.path()).ok_or(BinaryHttpError::Control)?;
    for field in message.header().iter() {
        let name = HeaderName::from_lowercase(field.name()).map_err(|_| BinaryHttpError::Field)?;
        let value = HeaderValue::from_bytes(field.value()).map_err(|_| BinaryHttpError::Field)?;
        request.headers_mut().append(name, value);
    }
    if request.headers().contains_key(header::EXPECT) {
        return Err(BinaryHttpError::Expect);
    }
    drop_hop_by_hop(request.headers_mut());
    Ok(Opened { request, padding: padding.len() })
}

/// A message and where it ends.
fn read_message(binary: &[u8]) -> Result<(Message, usize), BinaryHttpError> {
    let read = |binary: &[u8]| {
        let mut cursor = Cursor::new(binary);
        let message = Message::read_bhttp(&mut cursor).ok()?;
        Some((message, usize::try_from(cursor.position()).ok()?))
    };
    // The ends of empty content and trailers may be left away (RFC 9292 §3.8); in a message of indeterminate length the
    // `bhttp` crate insists on them. Two zeros are these ends and no more: a message cut elsewhere stays cut.
    let completed = || (binary.first() == Some(&INDETERMINATE_REQUEST)).then(|| [binary, &[0, 0]].concat());
    read(binary).or_else(|| read(&completed()?)).ok_or(BinaryHttpError::Framing)
}

fn uri(scheme: Option<&[u8]>, authority: Option<&[u8]>, path: Option<&[u8]>) -> Option<Uri> {
    let (authority, path) = (std::str::from_utf8(authority?).ok()?, std::str::from_utf8(path?).ok()?);
    if scheme? != b"https" || authority.is_empty() || authority.contains('@') || !path.starts_with('/') {
        return None;
    }
    Uri::builder().scheme("https").authority(authority).path_and_query(path).build().ok()
}

/// Writes a response and pads it with zeros to the first of `buckets` that it fits in, or to a multiple of the last.
pub(crate) fn write_response(
    response: Response<Bytes>,
    buckets: &[usize],
    at_least: usize,
) -> Result<Vec<u8>, BinaryHttpError> {
    let (mut head, body) = response.into_parts();
    drop_hop_by_hop(&mut head.headers);
    let status = bhttp::StatusCode::try_from(head.status.as_u16()).map_err(|_| BinaryHttpError::Control)?;
    let mut message = Message::response(status);
    for (name, value) in &head.headers {
        message.put_header(name.as_str(), value.as_bytes());
    }
    message.write_content(&body);
    let largest = buckets.last().copied().unwrap_or(1);
    let padded = |length: usize| {
        let length = length.max(at_least.min(largest));
        let bucket = buckets.iter().copied().find(|bucket| length <= *bucket);
        bucket.unwrap_or_else(|| length.next_multiple_of(largest))
    };
    // Room for the padding at once: growing would copy the whole.
    let mut binary = Vec::with_capacity(padded(body.len() + TYPICAL_HEAD_BYTES));
    message.write_bhttp(Mode::KnownLength, &mut binary).map_err(|_| BinaryHttpError::Framing)?;
    binary.resize(padded(binary.len()), 0);
    Ok(binary)
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    // Mostly there are none, and few fields: looking at these takes less than looking for each of those.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}

#[cfg(test)]
mod tests;
