//! `IdentifierRequest` (draft-ietf-mimi-protocol-06 §5.8).
//!
//! ```text
//! struct {
//!   QueryElement query_elements<V>;              0 to 8
//!   AppDataDictionary id_request_extensions;
//! } IdentifierRequest;                           4,096 octets at most
//! ```

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize};

use super::{Extensions, MAX_REQUEST_BYTES, QueryElement, QueryError, codec};

/// How many elements a request has at most.
pub const MAX_ELEMENTS: usize = 8;

/// A question: everything in it has to match.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct IdentifierRequest {
    elements: Vec<QueryElement>,
    extensions: Extensions,
}

impl IdentifierRequest {
    /// A request without extensions.
    ///
    /// ```
    /// use protocol::mimi_query::{IdentifierRequest, QueryElement};
    ///
    /// let request = IdentifierRequest::new(vec![QueryElement::Phone("+12125551212".to_owned())])?;
    /// assert_eq!(request.encode(), b"\x0e\x04\x0c+12125551212\x00");
    /// assert_eq!(IdentifierRequest::decode(&request.encode()), Ok(request));
    /// # Ok::<(), protocol::mimi_query::QueryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`] for too many elements, or a request or value that is too long.
    pub fn new(elements: Vec<QueryElement>) -> Result<Self, QueryError> {
        let request = Self { elements, extensions: Extensions::default() };
        request.check()?;
        if request.encode().len() > MAX_REQUEST_BYTES { Err(QueryError::TooLong) } else { Ok(request) }
    }

    /// What has to match.
    #[must_use]
    pub fn elements(&self) -> &[QueryElement] {
        &self.elements
    }

    /// Its extensions.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The encoded request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::write(self)
    }

    /// Decodes a request that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] names the broken rule. [`QueryError::UnknownSearchType`] may be answered with `unsupportedField`.
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        let request: Self = codec::read(bytes, MAX_REQUEST_BYTES)?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), QueryError> {
        if self.elements.len() > MAX_ELEMENTS {
            return Err(QueryError::TooMany);
        }
        self.elements.iter().try_for_each(QueryElement::check)?;
        self.extensions.check()
    }
}
