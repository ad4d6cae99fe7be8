//! Removals: what the issuer of a CPI (a carrier, a mail domain) signs when it has taken the CPI back.
//!
//! Everything for the CPI that was proven before `issued-before` is gone. Which issuer rules which ranges or domains is
//! the store's configuration.

use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::cpi::Cpi;
use crate::credential::{read_cpi, read_name};
use crate::labels::{IAT, ISS, ISSUED_BEFORE, SUB};
use crate::media;

/// The claims of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The name of the CPI's issuer.
    pub issuer: String,
    /// The identifier that was taken back.
    pub cpi: Cpi,
    /// Credentials issued before this time stop counting.
    pub issued_before: Timestamp,
    /// When the removal was signed.
    pub issued_at: Timestamp,
}

impl Document for Removal {
    const TYP: &'static str = media::REMOVAL;
    const MAX_BYTES: usize = 2048;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.issuer.as_str())
            .field(SUB, self.cpi.as_str())
            .field(IAT, self.issued_at)
            .field(ISSUED_BEFORE, self.issued_before)
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        Ok(Self {
            issuer: read_name(claims, ISS)?,
            cpi: read_cpi(claims)?,
            issued_before: claims.time(ISSUED_BEFORE)?,
            issued_at: claims.time(IAT)?,
        })
    }
}
