//! The `im:` forms of draft-mahy-mimi-identity-00 §3 to §5, read for compatibility.
//!
//! ```text
//! im:[<protocol>=]<identifier>[,<parameter>]…
//! ```
//!
//! The draft gives examples and no grammar. Decided here:
//!
//! - The optional protocol is letters and digits before the first `=`. Parameters (`isuser`, `ischannel`) are letters, digits,
//!   `-` and `=` after the first comma.
//! - The domain is what follows the last `@`, or, if there is none, the whole identifier up to its first `/`. It is a domain
//!   name as in `mimi:` URIs.
//! - `#` is part of the identifier, as in the draft's examples, although RFC 3986 would call it a fragment; it is printed as
//!   `%23`, so that other readers of URIs do not take it for one. A query (RFC 3860 has one, for message headers) is refused.
//! - Scheme, protocol, domain and parameters compare without regard to case, the rest after percent-decoding. The draft calls
//!   `#projectX`, `%23projectX` and `%23projectX,ischannel` three ways to specify one channel (§3), so `ischannel` after a
//!   channel's sign (`#`, and in IRC `&`) adds nothing and is dropped. Any other parameter makes another URI: what it adds is
//!   known to its protocol only.
//! - [`ImUri::to_mimi`] is the `mimi:` URI that draft -04 has in the place of an `im:` URI. It is a translation, no comparison.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{IdentifierKind, MAX_BYTES, MimiUri, encoded_byte, provider_name};

const SCHEME: &str = "im:";
/// Printed encoded, so that printing and parsing agree: what separates parts, and what is not allowed in a URI.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b',')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What may stand plain in a segment of a `mimi:` URI is kept plain: draft -04 has `u/jcapulet1583@example.com`.
const ENCODED_IN_SEGMENT: &AsciiSet = &ENCODED.remove(b',').remove(b'=').remove(b'@').add(b'/');
const IRC: &str = "irc";
const IS_USER: &str = "isuser";
const IS_CHANNEL: &str = "ischannel";

/// An `im:` URI. Equality is by the comparison rules; `Debug` does not show the identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImUri {
    protocol: Option<String>,
    /// What stands before the last `@`, decoded.
    local: Option<String>,
    /// In lower-case A-labels.
    domain: String,
    /// What follows the domain, decoded.
    path: Option<String>,
    /// In lower case.
    parameters: Vec<String>,
}

/// The rule that a text broke; it never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImUriError {
    /// Over [`MAX_BYTES`].
    #[error("an im: URI has {MAX_BYTES} octets at most")]
    TooLong,
    /// Another scheme, or none.
    #[error("must start with im:")]
    Scheme,
    /// No domain name.
    #[error("the im: URI names no domain")]
    Domain,
    /// A query.
    #[error("an im: URI that identifies has no query")]
    Query,
    /// An empty parameter, or one of other characters.
    #[error("a parameter of an im: URI has letters, digits, - and = only")]
    Parameter,
    /// Percent-encoding that is broken or not UTF-8, nothing at all, or a control character.
    #[error("the identifier is not properly percent-encoded UTF-8 without control characters")]
    Encoding,
}

impl ImUri {
    /// Parses an `im:` URI.
    ///
    /// # Errors
    ///
    /// [`ImUriError`] names the broken rule.
    pub fn parse(text: &str) -> Result<Self, ImUriError> {
        if text.len() > MAX_BYTES {
            return Err(ImUriError::TooLong);
        }
        let (scheme, rest) = text.split_at_checked(SCHEME.len()).ok_or(ImUriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(ImUriError::Scheme);
        }
        if rest.contains('?') {
            return Err(ImUriError::Query);
        }
        let (protocol, rest) = match rest.split_once('=') {
            Some((protocol, rest)) if !protocol.is_empty() && protocol.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                (Some(protocol.to_ascii_lowercase()), rest)
            }
            _ => (None, rest),
        };
        let mut parts = rest.split(',');
        let identifier = parts.next().unwrap_or_default();
        let parameters = parts.map(parameter).collect::<Result<_, _>>()?;
        let (local, domain) = match identifier.rsplit_once('@') {
            Some((local, domain)) => (Some(decoded(local)?), domain),
            None => (None, identifier),
        };
        let (domain, path) = match domain.split_once('/') {
            Some((domain, path)) => (domain, Some(decoded(path)?)),
            None => (domain, None),
        };
        let domain = provider_name(domain).map_err(|_| ImUriError::Domain)?;
        let mut uri = Self { protocol, local, domain, path, parameters };
        if uri.has_channel_sign() {
            uri.parameters.retain(|parameter| parameter != IS_CHANNEL);
        }
        if uri.to_string().len() > MAX_BYTES { Err(ImUriError::TooLong) } else { Ok(uri) }
    }

    /// The messaging protocol, `xmpp` or `irc`, if one is named.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The domain, in lower-case A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What identifies the user, device or channel: decoded, before the `@` or after the domain.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.local.as_deref().or(self.path.as_deref())
    }

    /// The `mimi:` URI that draft -04 has in the place of this one: a provider without identifier; else by sign a team (`##`),
    /// room (`#`, in IRC `&`), group (`$`) or user (`@`), a client if it has two parts, and a user otherwise. Of an IRC user
    /// `nick!account` the account is taken, as in draft -04 §4.
    ///
    /// `None` where the drafts show no counterpart: parameters other than `isuser` and `ischannel`, one that contradicts the
    /// sign, a channel of a team (`##engineering/projX`), or what no `mimi:` URI can hold.
    ///
    /// ```
    /// use protocol::mimi_uri::ImUri;
    ///
    /// let handle = ImUri::parse("im:%40alice.smith@example.com")?;
    /// assert_eq!(handle.to_mimi().expect("a user").to_string(), "mimi://example.com/u/alice.smith");
    /// # Ok::<(), protocol::mimi_uri::ImUriError>(())
    /// ```
    #[must_use]
    pub fn to_mimi(&self) -> Option<MimiUri> {
        let (is_user, is_channel) = match self.parameters.as_slice() {
            [] => (false, false),
            [one] => (one == IS_USER, one == IS_CHANNEL),
            _ => return None,
        };
        if !(self.parameters.is_empty() || is_user || is_channel) {
            return None;
        }
        let Some(identifier) = self.identifier() else {
            let whole = self.parameters.is_empty();
            return whole.then(|| MimiUri::of_provider(self.domain.clone()));
        };
        let (kind, name) = if self.has_channel_sign() && !identifier.starts_with("##") {
            (IdentifierKind::Room, identifier.get(1..)?)
        } else if let Some(team) = identifier.strip_prefix("##") {
            (IdentifierKind::Team, team)
        } else if let Some(group) = identifier.strip_prefix('$') {
            (IdentifierKind::Group, group)
        } else if let Some(user) = identifier.strip_prefix('@') {
            (IdentifierKind::User, user)
        } else if is_channel {
            (IdentifierKind::Room, identifier)
        } else if identifier.contains('/') {
            (IdentifierKind::Client, identifier)
        } else if self.protocol.as_deref() == Some(IRC) {
            (IdentifierKind::User, identifier.split_once('!').map_or(identifier, |(_, account)| account))
        } else {
            (IdentifierKind::User, identifier)
        };
        let agrees = match kind {
            IdentifierKind::User => !is_channel,
            IdentifierKind::Room => !is_user,
            _ => !is_user && !is_channel,
        };
        let segments: Vec<String> = match kind {
            IdentifierKind::Client => name.split('/').map(encoded_segment).collect(),
            _ if name.contains('/') => return None,
            _ => vec![encoded_segment(name)],
        };
        let text = format!("mimi://{}/{}/{}", self.domain, kind.segment(), segments.join("/"));
        if agrees { MimiUri::parse(&text).ok() } else { None }
    }

    fn has_channel_sign(&self) -> bool {
        let in_irc = self.protocol.as_deref() == Some(IRC);
        self.identifier().is_some_and(|identifier| identifier.starts_with('#') || in_irc && identifier.starts_with('&'))
    }

    /// The parameters, in lower case, in their order.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parameters.iter().map(String::as_str)
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
        f.write_str(&self.domain)?;
        if let Some(path) = &self.path {
            write!(f, "/{}", utf8_percent_encode(path, ENCODED))?;
        }
        self.parameters.iter().try_for_each(|parameter| write!(f, ",{parameter}"))
    }
}

impl fmt::Debug for ImUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImUri(at {}, redacted)", self.domain)
    }
}

fn encoded_segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED_IN_SEGMENT).to_string()
}

fn decoded(text: &str) -> Result<String, ImUriError> {
    let mut parts = text.split('%');
    parts.next();
    if !parts.all(|after| encoded_byte(&mut after.bytes()).is_some()) {
        return Err(ImUriError::Encoding);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| ImUriError::Encoding)?;
    if decoded.is_empty() || decoded.chars().any(char::is_control) {
        return Err(ImUriError::Encoding);
    }
    Ok(decoded.into_owned())
}

fn parameter(text: &str) -> Result<String, ImUriError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'=';
    if text.is_empty() || !text.bytes().all(plain) { Err(ImUriError::Parameter) } else { Ok(text.to_ascii_lowercase()) }
}
