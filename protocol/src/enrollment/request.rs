//! The enrollment request: signed by the user's new key.

use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::key::{CNF, PublicKey};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::cpi::Cpi;
use crate::credential::{read_cpi, read_msp, read_name};
use crate::labels::{AUD, CTI, IAT, MSP, SUB};
use crate::media;
use crate::mimi_uri::Msp;

/// "Send a code to this CPI; I shall use it at this MSP, under this key."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentRequest {
    /// The identifier to be proven.
    pub cpi: Cpi,
    /// The provider it will be used at.
    pub msp: Msp,
    /// The user's key, which also signs the request.
    pub user_key: PublicKey,
    /// The prover it is meant for; no other accepts it.
    pub prover: String,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// A random number (`cti`), 16 bytes; a prover takes each once.
    pub id: [u8; 16],
}

impl Document for EnrollmentRequest {
    const TYP: &'static str = media::ENROLLMENT_REQUEST;
    const MAX_BYTES: usize = 2048;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(SUB, self.cpi.as_str())
            .field(AUD, self.prover.as_str())
            .field(IAT, self.issued_at)
            .field(CTI, self.id.to_vec())
            .field(CNF, self.user_key.to_cnf())
            .field(MSP, self.msp.to_string())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        Ok(Self {
            cpi: read_cpi(claims)?,
            msp: read_msp(claims)?,
            user_key: PublicKey::from_cnf(claims)?,
            prover: read_name(claims, AUD)?,
            issued_at: claims.time(IAT)?,
            id: claims.byte_array(CTI)?,
        })
    }
}
