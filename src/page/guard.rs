//! Who may ask, and what every answer says to the browser.
//!
//! The page is on loopback, where any page of the web can send requests: by a name that it has point here (DNS rebinding), or
//! blindly across origins. So `Host` must be the address that was bound, an `Origin` its own, and everything under `/api/`
//! needs the token of this run in a header of its own, which no other origin may set or know.

use std::net::SocketAddr;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

/// The header of the token.
pub(super) const TOKEN: &str = "x-page-token";

/// No inline script or style, nothing from elsewhere, no frame, no form; `wasm-unsafe-eval` compiles WebAssembly alone.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Decides who may ask.
pub(super) struct Guard {
    hosts: [String; 2],
    /// SHA-256 of the token: comparing it takes no time that tells of the token.
    token: [u8; 32],
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this page is known by another host name")]
    Host,
    #[error("another origin asks")]
    Origin,
    #[error("the token of this run is missing: open the page by the URL that `discovery up` printed")]
    Token,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: &str) -> Self {
        Self { hosts: [address.to_string(), format!("localhost:{}", address.port())], token: digest(token.as_bytes()) }
    }

    /// Checks what every request has to have.
    pub(super) fn admits(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let known = |host: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) if known(host) => {}
            _ => return Err(Refusal::Host),
        }
        let own = |origin: &HeaderValue| {
            origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")).is_some_and(known)
        };
        if headers.get_all(ORIGIN).iter().all(own) { Ok(()) } else { Err(Refusal::Origin) }
    }

    /// Checks what a request under `/api/` has to have besides.
    pub(super) fn knows_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(TOKEN).ok_or(Refusal::Token)?;
        if digest(given.as_bytes()) == self.token { Ok(()) } else { Err(Refusal::Token) }
    }
}

/// Adds what every answer says to the browser.
pub(super) fn harden(headers: &mut HeaderMap) {
    let isolation = [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")];
    let fields = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let isolation = isolation.map(|(name, value)| (HeaderName::from_static(name), value));
    for (name, value) in fields.into_iter().chain(isolation) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn digest(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(SocketAddr::from(([127, 0, 0, 1], 4404)), "token")
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        fields.iter().map(field).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn only_the_page_itself_may_ask() {
        let admits = |fields: &[_]| guard().admits(&headers(fields));
        assert_eq!(admits(&[("host", "127.0.0.1:4404")]), Ok(()));
        assert_eq!(admits(&[("host", "LOCALHOST:4404"), ("origin", "http://localhost:4404")]), Ok(()));
        for host in ["evil.example:4404", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:4404.evil.example", ""] {
            assert_eq!(admits(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(admits(&[]), Err(Refusal::Host));
        assert_eq!(admits(&[("host", "127.0.0.1:4404"), ("host", "evil.example")]), Err(Refusal::Host));
        for origin in ["http://evil.example", "https://127.0.0.1:4404", "null"] {
            assert_eq!(admits(&[("host", "127.0.0.1:4404"), ("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn the_token_is_asked_for() {
        let knows = |fields: &[_]| guard().knows_token(&headers(fields));
        assert_eq!(knows(&[(TOKEN, "token")]), Ok(()));
        assert_eq!(knows(&[(TOKEN, "toke")]), Err(Refusal::Token));
        assert_eq!(knows(&[]), Err(Refusal::Token));
    }
}
