//! The MIMI protocol's own query (draft-ietf-mimi-protocol-06 §5.8): which user of a messaging provider has this number,
//! address or handle?
//!
//! **The answer proves nothing.** It is a code and a URI, signed by nobody: the discovery provider can make it up, and nothing
//! in it says who proved possession of the number, when, or until when it holds. It does not tell several holders from one at
//! another provider, nor who has opted out from who was never there. It is for those who speak the MIMI protocol and want what
//! that protocol has; whoever is about to send a message looks the CPI up ([`crate::lookup`]) and verifies what is found.
//!
//! The question travels inside a capsule as a lookup does, padded alike, so that a relay cannot tell the two apart. [`question`] and
//! [`answer`] are the pure part; `Client::identifier_query` (feature `net`) does the rest.
//!
//! ```
//! use client::identifier_query::{answer, question, url};
//! use protocol::cpi::Cpi;
//! use protocol::mimi_query::{IdentifierRequest, IdentifierResponse, QueryElement, ResponseCode};
//! use protocol::mimi_uri::{Msp, Psi};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let msp = Msp::from_domain("a.example")?;
//! let number = Cpi::parse("tel:+12125551212")?;
//! let asked = IdentifierRequest::new(vec![QueryElement::of_cpi(&number)])?;
//! let request = question(&asked, &url(&"https://provider.example/v1/lookup".parse()?, &msp)?)?;
//! assert_eq!(request.uri(), "https://provider.example/v1/identifierQuery/a.example");
//!
//! // As a provider would answer it.
//! let body = IdentifierResponse::found(&Psi::parse("mimi://a.example/u/alice")?).encode();
//! let response = answer(&body)?;
//! assert_eq!((response.code(), response.uris()), (ResponseCode::Success, &["mimi://a.example/u/alice".to_owned()][..]));
//! # Ok(())
//! # }
//! ```

use bytes::Bytes;
use http::{Request, Uri, header, uri};
use protocol::media;
use protocol::mimi_query::{IdentifierRequest, IdentifierResponse, PATH_PREFIX};
use protocol::mimi_uri::Msp;

use crate::error::{Error, Fault};

/// The URL to ask about the users of `msp`, at the provider whose lookups are at `lookup_url`. A provider may have another
/// one: its directory (`msp::directory`) names it.
///
/// # Errors
///
/// [`Fault::Caller`] if `lookup_url` is not absolute.
pub fn url(lookup_url: &Uri, msp: &Msp) -> Result<Uri, Error> {
    let mut parts = uri::Parts::default();
    parts.scheme = lookup_url.scheme().cloned();
    parts.authority = lookup_url.authority().cloned();
    let path = format!("{PATH_PREFIX}{}", msp.domain());
    parts.path_and_query = Some(path.try_into().map_err(|error| Error::lasting(Fault::Caller, error))?);
    Uri::from_parts(parts).map_err(|error| Error::lasting(Fault::Caller, error))
}

/// The request that asks `request` of `url`, to be encapsulated like a lookup of one CPI.
///
/// # Errors
///
/// [`Fault::Caller`] if `url` cannot be asked.
pub fn question(request: &IdentifierRequest, url: &Uri) -> Result<Request<Bytes>, Error> {
    Request::post(url)
        .header(header::CONTENT_TYPE, media::OCTETS)
        .body(Bytes::from(request.encode()))
        .map_err(|error| Error::lasting(Fault::Caller, error))
}

/// Reads the answer to [`question`]. There is nothing to verify in it.
///
/// # Errors
///
/// [`Fault::Store`] if it is no answer.
pub fn answer(body: &[u8]) -> Result<IdentifierResponse, Error> {
    IdentifierResponse::decode(body).map_err(|error| Error::lasting(Fault::Store, error))
}
