//! The directory of draft-ietf-mimi-protocol-06 §5.1: JSON, the URLs of a provider's endpoints as templates.
//!
//! A discovery provider has one endpoint of the MIMI protocol, and so one entry, `identifierQuery`. The URL is the one to
//! name inside a capsule; nobody connects to it. A reader passes over entries that it does not know.

use serde::{Deserialize, Serialize};

use super::PATH_PREFIX;
use crate::mimi_uri::Msp;

const DOMAIN: &str = "{domain}";
const MAX_BYTES: usize = 16 * 1024;

/// The directory, as far as it is of use here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    #[serde(rename = "identifierQuery")]
    identifier_query: String,
}

/// Why a directory is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Over 16 KiB, no JSON object, or without `identifierQuery`.
    #[error("the directory is no JSON object with an identifierQuery, of 16 KiB at most")]
    Malformed,
    /// Not an `https` URL whose path has `{domain}` once.
    #[error("identifierQuery is not an https URL with {{domain}} once")]
    Template,
}

impl Directory {
    /// The directory of the discovery provider whose endpoints are at `authority`.
    ///
    /// ```
    /// use protocol::mimi_query::Directory;
    /// use protocol::mimi_uri::Msp;
    ///
    /// let directory = Directory::at("provider.example");
    /// assert_eq!(directory.to_json(), r#"{"identifierQuery":"https://provider.example/v1/identifierQuery/{domain}"}"#);
    /// let url = directory.identifier_query(&Msp::from_domain("a.example")?);
    /// assert_eq!(url, "https://provider.example/v1/identifierQuery/a.example");
    /// # Ok::<(), protocol::mimi_uri::UriError>(())
    /// ```
    #[must_use]
    pub fn at(authority: &str) -> Self {
        Self { identifier_query: format!("https://{authority}{PATH_PREFIX}{DOMAIN}") }
    }

    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub fn from_json(json: &[u8]) -> Result<Self, DirectoryError> {
        if json.len() > MAX_BYTES {
            return Err(DirectoryError::Malformed);
        }
        let directory: Self = serde_json::from_slice(json).map_err(|_| DirectoryError::Malformed)?;
        let template = &directory.identifier_query;
        let (scheme, rest) = template.split_at_checked(8).ok_or(DirectoryError::Template)?;
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let usable = scheme.eq_ignore_ascii_case("https://")
            && path.matches(DOMAIN).count() == 1
            && template.matches(['{', '}']).count() == 2
            && template.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if usable { Ok(directory) } else { Err(DirectoryError::Template) }
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a text in an object is JSON")
    }

    /// The URL of the query for the users of `msp`.
    #[must_use]
    pub fn identifier_query(&self, msp: &Msp) -> String {
        self.identifier_query.replacen(DOMAIN, msp.domain(), 1)
    }
}
