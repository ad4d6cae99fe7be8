//! `AppDataDictionary` (draft-ietf-mls-extensions-09 §4.6): components by number, each with octets of its own.

use tls_codec::{TlsDeserialize, TlsSerialize, TlsSize, VLByteVec};

use super::QueryError;

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct ComponentData {
    /// Its number in the registry of MLS component types.
    pub component_id: u16,
    /// Its octets.
    pub data: VLByteVec,
}

/// Components in the order of their numbers, each once. This provider defines none, and passes over those it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize)]
pub struct Extensions(Vec<ComponentData>);

impl Extensions {
    /// The components.
    #[must_use]
    pub fn components(&self) -> &[ComponentData] {
        &self.0
    }

    pub(super) fn check(&self) -> Result<(), QueryError> {
        let in_order = self.0.is_sorted_by(|one, next| one.component_id < next.component_id);
        if in_order { Ok(()) } else { Err(QueryError::Extensions) }
    }
}
