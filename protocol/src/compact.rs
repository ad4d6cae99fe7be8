//! The compact form of an authenticated mapping: about half as long, and as verifiable.
//!
//! Documents are deterministic and their claims closed, so most of their octets follow from the rest: headers, labels, the hash of the
//! credential, the holder's thumbprint, what credential and mapping have in common. The compact form has what does not follow, and
//! leaves the CPI out, too: whoever has asked knows it, and to anybody else a compact mapping says nothing without it.
//!
//! [`VerifiedMapping::to_compact`] writes it; [`UnverifiedMapping::from_compact`] puts the very octets together again that prover and
//! holder signed, to be verified like any others. Nothing is lost, and nothing is believed.
//!
//! ```text
//! compact-mapping = [ name, kid: bstr .size 32,                          ; the prover, and its key
//!                     iat, lifetime: uint, cti: bstr .size 16,            ; of the credential, in seconds
//!                     x: bstr .size 32,                                   ; the holder's key
//!                     method: 0 (sms-otp) / 1 (email-otp), domain: tstr,  ; of the MSP
//!                     signature: bstr .size 64,                           ; the prover's
//!                     iat, lifetime: uint,                                ; of the mapping
//!                     0 (nowhere) / 1 (at the MSP) / tstr (its PSI there: the path from "/"),
//!                     [0*8 tag], seq: uint, fresh: bool, state: 0 / 1,
//!                     signature: bstr .size 64 ]                          ; the holder's; deterministic CBOR, 2,048 octets at most
//! ```

use documents::cbor::{self, CborError, Value};
use documents::key::{PublicKey, Thumbprint};
use documents::signed::{DocumentError, Unverified};
use documents::time::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::authenticated::{MappingError, UnverifiedMapping, VerifiedMapping};
use crate::cpi::Cpi;
use crate::credential::{CpiCredential, Method};
use crate::mapping::{Mapping, Reachability, State, Tags};
use crate::mimi_uri::{Msp, Psi};

/// The longest compact mapping, in octets.
pub const MAX_BYTES: usize = 2048;
const FIELDS: usize = 17;

/// Why octets are no compact mapping of a CPI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// Not deterministic CBOR within its bound.
    #[error("compact mapping: {0}")]
    Cbor(#[from] CborError),
    /// A field is missing, of another type, or out of range.
    #[error("compact mapping: field {0} of {FIELDS}")]
    Field(usize),
    /// What it stands for is no credential, or no mapping.
    #[error("compact mapping: {0}")]
    Document(#[from] DocumentError),
    /// What it stands for is no authenticated mapping.
    #[error("compact mapping: {0}")]
    Mapping(#[from] MappingError),
}

impl VerifiedMapping {
    /// The compact form.
    #[must_use]
    pub fn to_compact(&self) -> Vec<u8> {
        let (credential, mapping) = (self.credential(), self.mapping());
        let place = match &mapping.reachability {
            Reachability::Nowhere => Value::from(0),
            Reachability::At { psi: None, .. } => Value::from(1),
            Reachability::At { msp, psi: Some(psi) } => {
                let (psi, msp) = (psi.to_string(), msp.to_string());
                Value::from(psi.strip_prefix(msp.as_str()).unwrap_or(&psi))
            }
        };
        cbor::encode(&Value::Array(vec![
            credential.prover.as_str().into(),
            self.prover_key().thumbprint().as_bytes().to_vec().into(),
            credential.issued_at.into(),
            lifetime(credential.issued_at, credential.expires_at),
            credential.id.to_vec().into(),
            credential.user_key.as_bytes().to_vec().into(),
            code_of(credential.method).into(),
            credential.msp.domain().into(),
            self.signed_credential().signature().to_vec().into(),
            mapping.issued_at.into(),
            lifetime(mapping.issued_at, mapping.expires_at),
            place,
            Value::Array(mapping.tags.iter().map(Value::from).collect()),
            mapping.seq.into(),
            mapping.fresh.into(),
            u64::from(mapping.state == State::Withdrawn).into(),
            self.signed_mapping().signature().to_vec().into(),
        ]))
    }
}

impl UnverifiedMapping {
    /// The authenticated mapping of `cpi` that `compact` stands for. Nothing of it is verified; a compact mapping of another CPI
    /// will not verify.
    ///
    /// # Errors
    ///
    /// [`CompactError`] names the field or the rule.
    pub fn from_compact(compact: &[u8], cpi: &Cpi) -> Result<Self, CompactError> {
        let mut fields = Fields::read(compact)?;
        let prover = fields.text()?;
        let prover_kid = Thumbprint::from_bytes(fields.octets()?);
        let (issued_at, expires_at) = fields.span()?;
        let id = fields.octets()?;
        let user_key = fields.octets()?;
        let user_key = PublicKey::from_bytes(&user_key).map_err(|_| fields.wrong())?;
        let method = fields.unsigned()?;
        let method = [Method::SmsOtp, Method::EmailOtp].into_iter().find(|known| code_of(*known) == method);
        let method = method.ok_or_else(|| fields.wrong())?;
        let domain = fields.text()?;
        let msp = Msp::from_domain(&domain).ok().filter(|msp| msp.domain() == domain).ok_or_else(|| fields.wrong())?;
        let credential =
            CpiCredential { prover, cpi: cpi.clone(), msp: msp.clone(), user_key, method, issued_at, expires_at, id };
        let credential = Unverified::from_parts(&credential, prover_kid, fields.octets()?)?;

        let (issued_at, expires_at) = fields.span()?;
        let reachability = fields.place(msp)?;
        let tags = fields.tags()?;
        let seq = fields.unsigned()?;
        let fresh = fields.boolean()?;
        let state = match fields.unsigned()? {
            0 => State::Live,
            1 => State::Withdrawn,
            _ => return Err(fields.wrong()),
        };
        let mapping = Mapping {
            cpi: cpi.clone(),
            reachability,
            tags,
            seq,
            credential_hash: Sha256::digest(credential.bytes()).into(),
            fresh,
            state,
            issued_at,
            expires_at,
        };
        let mapping = Unverified::from_parts(&mapping, user_key.thumbprint(), fields.octets()?)?;
        let pair = Value::Array(vec![credential.bytes().to_vec().into(), mapping.bytes().to_vec().into()]);
        Ok(Self::parse(&cbor::encode(&pair))?)
    }
}

/// The fields that are left, first to last.
struct Fields {
    values: std::vec::IntoIter<Value>,
}

impl Fields {
    fn read(compact: &[u8]) -> Result<Self, CompactError> {
        match cbor::decode(compact, MAX_BYTES)? {
            Value::Array(values) if values.len() == FIELDS => Ok(Self { values: values.into_iter() }),
            _ => Err(CompactError::Field(0)),
        }
    }

    fn next(&mut self) -> Value {
        self.values.next().unwrap_or(Value::Null)
    }

    /// The field that was read last is wrong.
    fn wrong(&self) -> CompactError {
        CompactError::Field(FIELDS - self.values.len())
    }

    fn text(&mut self) -> Result<String, CompactError> {
        self.next().into_text().map_err(|_| self.wrong())
    }

    fn octets<const N: usize>(&mut self) -> Result<[u8; N], CompactError> {
        let octets = self.next().into_bytes().ok().and_then(|octets| octets.try_into().ok());
        octets.ok_or_else(|| self.wrong())
    }

    fn unsigned(&mut self) -> Result<u64, CompactError> {
        let number = self.next().into_integer().ok().and_then(|number| number.try_into().ok());
        number.ok_or_else(|| self.wrong())
    }

    fn boolean(&mut self) -> Result<bool, CompactError> {
        self.next().into_bool().map_err(|_| self.wrong())
    }

    /// When it was issued, and until when it holds.
    fn span(&mut self) -> Result<(Timestamp, Timestamp), CompactError> {
        let issued_at = self.unsigned()?;
        let expires_at = issued_at.checked_add(self.unsigned()?).ok_or_else(|| self.wrong())?;
        Ok((Timestamp::from_seconds(issued_at), Timestamp::from_seconds(expires_at)))
    }

    fn place(&mut self, msp: Msp) -> Result<Reachability, CompactError> {
        match self.next() {
            Value::Integer(place) if place == 0.into() => Ok(Reachability::Nowhere),
            Value::Integer(place) if place == 1.into() => Ok(Reachability::At { msp, psi: None }),
            Value::Text(path) => match Psi::parse_canonical(&format!("{msp}{path}")) {
                Ok(psi) => Ok(Reachability::At { msp, psi: Some(psi) }),
                Err(_) => Err(self.wrong()),
            },
            _ => Err(self.wrong()),
        }
    }

    fn tags(&mut self) -> Result<Tags, CompactError> {
        let tags = self.next().into_array().map_err(|_| self.wrong())?;
        let tags: Option<Vec<String>> = tags.into_iter().map(|tag| tag.into_text().ok()).collect();
        tags.and_then(|tags| Tags::new(tags).ok()).ok_or_else(|| self.wrong())
    }
}

fn lifetime(issued_at: Timestamp, expires_at: Timestamp) -> Value {
    Value::from(expires_at.seconds().saturating_sub(issued_at.seconds()))
}

const fn code_of(method: Method) -> u64 {
    match method {
        Method::SmsOtp => 0,
        Method::EmailOtp => 1,
    }
}

#[cfg(test)]
mod tests;
