//! CPI credentials: what an ID Prover signs once possession is proven.
//!
//! "The holder of this key proved, by this method, that it receives what is sent to this CPI, and enrolled it at this
//! MSP." A credential lives shorter than the aging time of a recycled number: 45 days by default.

use std::time::Duration;

use documents::MAX_NAME_BYTES;
use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::key::{CNF, PublicKey};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::cpi::{Cpi, CpiKind};
use crate::labels::{CTI, EXP, IAT, ISS, METHOD, MSP, SUB};
use crate::media;
use crate::mimi_uri::Msp;

/// How long a credential lives by default, and at most unless a verifier allows more: 45 days.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(45 * 24 * 3600);

/// How possession of a CPI was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A one-time code by SMS.
    SmsOtp,
    /// A one-time code by email.
    EmailOtp,
}

/// The claims of a CPI credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpiCredential {
    /// The ID Prover's name.
    pub prover: String,
    /// The identifier whose possession was proven.
    pub cpi: Cpi,
    /// The provider it was enrolled at.
    pub msp: Msp,
    /// The user's key.
    pub user_key: PublicKey,
    /// How possession was proven.
    pub method: Method,
    /// When it was proven.
    pub issued_at: Timestamp,
    /// Until when the credential holds.
    pub expires_at: Timestamp,
    /// Its unique number (`cti`), 16 bytes.
    pub id: [u8; 16],
}

impl Method {
    /// Its name on the wire: `sms-otp`, `email-otp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SmsOtp => "sms-otp",
            Self::EmailOtp => "email-otp",
        }
    }

    /// From its name on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::SmsOtp, Self::EmailOtp].into_iter().find(|method| method.as_str() == name)
    }

    /// The kind of CPI that this method proves.
    #[must_use]
    pub const fn kind(self) -> CpiKind {
        match self {
            Self::SmsOtp => CpiKind::Phone,
            Self::EmailOtp => CpiKind::Email,
        }
    }
}

impl Document for CpiCredential {
    const TYP: &'static str = media::CREDENTIAL;
    const MAX_BYTES: usize = 2048;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.prover.as_str())
            .field(SUB, self.cpi.as_str())
            .field(EXP, self.expires_at)
            .field(IAT, self.issued_at)
            .field(CTI, self.id.to_vec())
            .field(CNF, self.user_key.to_cnf())
            .field(MSP, self.msp.to_string())
            .field(METHOD, self.method.as_str())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        let credential = Self {
            prover: read_name(claims, ISS)?,
            cpi: read_cpi(claims)?,
            msp: read_msp(claims)?,
            user_key: PublicKey::from_cnf(claims)?,
            method: Method::parse(&claims.text(METHOD)?)
                .ok_or(FieldError::Rule(METHOD.name, "must be sms-otp or email-otp".to_owned()))?,
            issued_at: claims.time(IAT)?,
            expires_at: claims.time(EXP)?,
            id: claims.byte_array(CTI)?,
        };
        if credential.method.kind() != credential.cpi.kind() {
            return Err(FieldError::Rule(METHOD.name, "does not prove this kind of CPI".to_owned()));
        }
        later_than_issued(credential.issued_at, credential.expires_at)?;
        Ok(credential)
    }
}

pub(crate) fn read_cpi(claims: &mut MapReader) -> Result<Cpi, FieldError> {
    Cpi::parse(&claims.text(SUB)?).map_err(|error| FieldError::Rule(SUB.name, error.to_string()))
}

pub(crate) fn read_msp(claims: &mut MapReader) -> Result<Msp, FieldError> {
    Msp::parse_canonical(&claims.text(MSP)?).map_err(|error| FieldError::Rule(MSP.name, error.to_string()))
}

/// Reads the name of a prover, provider or issuer: 1 to [`MAX_NAME_BYTES`] bytes.
pub(crate) fn read_name(claims: &mut MapReader, label: documents::cbor::Label) -> Result<String, FieldError> {
    let name = claims.text(label)?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(FieldError::Rule(label.name, format!("must be 1 to {MAX_NAME_BYTES} bytes")));
    }
    Ok(name)
}

pub(crate) fn later_than_issued(issued_at: Timestamp, expires_at: Timestamp) -> Result<(), FieldError> {
    if expires_at <= issued_at {
        return Err(FieldError::Rule(EXP.name, "must be later than iat".to_owned()));
    }
    Ok(())
}
