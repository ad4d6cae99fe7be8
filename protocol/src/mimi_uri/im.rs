//! The `im:` forms of draft-mahy-mimi-identity-00 §4, read for compatibility.
//!
//! ```text
//! im:[<protocol>=]<identifier>[,<parameter>]…
//! ```
//!
//! The draft gives examples and no grammar. Decided here: the optional protocol is letters and digits before the first `=`;
//! parameters (`isuser`, `ischannel`) follow the last comma-separated part; the domain is what follows the last `@`, or
//! the whole identifier, up to its first `/`, if there is none. `#` is part of the identifier, as in the draft's examples,
//! although RFC 3986 would call it a fragment. Scheme, protocol and domain compare without regard to case, the rest after
//! percent-decoding.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{MAX_BYTES, UriError};

const SCHEME: &str = "im:";
/// Printed encoded, so that printing and parsing agree: what separates parts, and what is not allowed in a URI.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'<').add(b'>').add(b',').add(b'@').add(b'=');

/// An `im:` URI. Equality is by the comparison rules; `Debug` does not show the identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImUri {
    protocol: Option<String>,
    /// What stands before the last `@`, decoded.
    local: Option<String>,
    /// What stands after it, or everything: the domain in lower case, then the decoded path.
    host: String,
    path: Option<String>,
    parameters: Vec<String>,
}

impl ImUri {
    /// Parses an `im:` URI.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the broken rule.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_BYTES {
            return Err(UriError::TooLong);
        }
        let scheme = text.get(..SCHEME.len()).ok_or(UriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(UriError::Scheme);
        }
        let rest = &text[SCHEME.len()..];
        let (protocol, rest) = match rest.split_once('=') {
            Some((protocol, rest)) if !protocol.is_empty() && protocol.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                (Some(protocol.to_ascii_lowercase()), rest)
            }
            _ => (None, rest),
        };
        let mut parts = rest.split(',');
        let identifier = parts.next().unwrap_or_default();
        let parameters = parts.map(str::to_ascii_lowercase).collect();
        let (local, domain) = match identifier.rsplit_once('@') {
            Some((local, domain)) => (Some(decode(local)?), domain),
            None => (None, identifier),
        };
        let (host, path) = match domain.split_once('/') {
            Some((host, path)) => (host, Some(decode(path)?)),
            None => (domain, None),
        };
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return Err(UriError::Provider);
        }
        Ok(Self { protocol, local, host: host.to_ascii_lowercase(), path, parameters })
    }

    /// The messaging protocol, `xmpp` or `irc`, if one is named.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The domain, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.host
    }

    /// What identifies the user, device or channel: decoded, before the `@` or after the domain.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.local.as_deref().or(self.path.as_deref())
    }
}

impl fmt::Display for ImUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        if let Some(protocol) = &self.protocol {
            write!(f, "{protocol}=")?;
        }
        if let Some(local) = &self.local {
            write!(f, "{}@", utf8_percent_encode(local, ENCODED))?;
        }
        f.write_str(&self.host)?;
        if let Some(path) = &self.path {
            write!(f, "/{}", utf8_percent_encode(path, ENCODED))?;
        }
        self.parameters.iter().try_for_each(|parameter| write!(f, ",{parameter}"))
    }
}

impl fmt::Debug for ImUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImUri(at {}, redacted)", self.host)
    }
}

fn decode(text: &str) -> Result<String, UriError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| UriError::Encoding)?;
    if decoded.is_empty() || decoded.chars().any(char::is_control) {
        return Err(UriError::Encoding);
    }
    Ok(decoded.into_owned())
}
