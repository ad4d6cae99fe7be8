//! The stored form of an enrollment: one deterministic CBOR map (labels below), in the `enrollments` column family.
//!
//! Label 1 tells the state (0 requested, 1 challenged, 2 proven, 3 issued, 4 locked); the rest follows from it. The code is
//! there as its keyed hash alone.

use protocol::cbor::{self, CborError, FieldError, Label, MapReader, MapWriter};
use protocol::cpi::Cpi;
use protocol::credential::Method;
use protocol::enrollment::EnrollmentId;
use protocol::mimi_uri::Msp;
use protocol::{PublicKey, Thumbprint, Timestamp};

use super::{Challenged, CodeHash, Facts, Issued, Locked, Proven, Requested, Sending, Stored, Terms};

const MAX_BYTES: usize = 8192;

const STATE: Label = Label::new(1, "state");
const ID: Label = Label::new(2, "id");
const CPI: Label = Label::new(3, "cpi");
const MSP: Label = Label::new(4, "msp");
const USER_KEY: Label = Label::new(5, "user-key");
const METHOD: Label = Label::new(6, "method");
const REQUEST_ID: Label = Label::new(7, "request-id");
const REQUEST_HASH: Label = Label::new(8, "request-hash");
const SIGNED_AT: Label = Label::new(9, "signed-at");
const REQUESTED_AT: Label = Label::new(10, "requested-at");
const EXPIRES_AT: Label = Label::new(11, "expires-at");
const CODE_HASH: Label = Label::new(12, "code-hash");
const CHALLENGE: Label = Label::new(13, "challenge");
const TRIES_LEFT: Label = Label::new(14, "tries-left");
const UNDECIDED: Label = Label::new(15, "undecided");
const CREDENTIAL_ID: Label = Label::new(16, "credential-id");
const CREDENTIAL_ISSUED_AT: Label = Label::new(17, "credential-issued-at");
const CREDENTIAL_EXPIRES_AT: Label = Label::new(18, "credential-expires-at");
const SIGNER: Label = Label::new(19, "signer");
const CREDENTIAL: Label = Label::new(20, "credential");
/// A number (16) and a time (8).
const SENDING: Label = Label::new(21, "sending");

/// A stored enrollment that cannot be read; it names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damaged {
    #[error("stored enrollment: {0}")]
    Cbor(#[from] CborError),
    #[error("stored enrollment: {0}")]
    Field(#[from] FieldError),
}

impl Stored {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let map = facts(self.facts());
        let map = match self {
            Self::Requested(state) => map
                .field(STATE, 0)
                .field(CODE_HASH, state.code.0.to_vec())
                .optional(SENDING, state.sending.map(sending_bytes)),
            Self::Challenged(state) => map
                .field(STATE, 1)
                .field(CODE_HASH, state.code.0.to_vec())
                .field(CHALLENGE, state.challenge.clone())
                .field(TRIES_LEFT, u64::from(state.tries_left))
                .optional(UNDECIDED, (!state.undecided.is_empty()).then(|| state.undecided.concat())),
            Self::Proven(state) => map
                .field(STATE, 2)
                .field(CODE_HASH, state.code.0.to_vec())
                .field(CHALLENGE, state.challenge.clone())
                .field(CREDENTIAL_ID, state.terms.credential_id.to_vec())
                .field(CREDENTIAL_ISSUED_AT, state.terms.issued_at)
                .field(CREDENTIAL_EXPIRES_AT, state.terms.expires_at)
                .field(SIGNER, state.terms.signer.as_bytes().to_vec()),
            Self::Issued(state) => map
                .field(STATE, 3)
                .field(CODE_HASH, state.code.0.to_vec())
                .field(CHALLENGE, state.challenge.clone())
                .field(CREDENTIAL, state.credential.clone()),
            Self::Locked(_) => map.field(STATE, 4),
        };
        cbor::encode(&map.finish())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut map = MapReader::new(cbor::decode(bytes, MAX_BYTES)?, "enrollment")?;
        let facts = read_facts(&mut map)?;
        let stored = match map.unsigned(STATE)? {
            0 => Self::Requested(Requested {
                facts,
                code: read_code(&mut map)?,
                sending: map.take(SENDING).map(read_sending).transpose()?,
            }),
            1 => Self::Challenged(Challenged {
                facts,
                code: read_code(&mut map)?,
                challenge: map.bytes(CHALLENGE)?,
                tries_left: u8::try_from(map.unsigned(TRIES_LEFT)?).map_err(|_| broken(TRIES_LEFT))?,
                undecided: map.take(UNDECIDED).map(read_hashes).transpose()?.unwrap_or_default(),
            }),
            2 => Self::Proven(Proven {
                facts,
                code: read_code(&mut map)?,
                challenge: map.bytes(CHALLENGE)?,
                terms: Terms {
                    credential_id: map.byte_array(CREDENTIAL_ID)?,
                    issued_at: map.time(CREDENTIAL_ISSUED_AT)?,
                    expires_at: map.time(CREDENTIAL_EXPIRES_AT)?,
                    signer: Thumbprint::from_bytes(map.byte_array(SIGNER)?),
                },
            }),
            3 => Self::Issued(Issued {
                facts,
                code: read_code(&mut map)?,
                challenge: map.bytes(CHALLENGE)?,
                credential: map.bytes(CREDENTIAL)?,
            }),
            4 => Self::Locked(Locked { facts }),
            _ => return Err(broken(STATE).into()),
        };
        map.finish()?;
        Ok(stored)
    }
}

fn facts(facts: &Facts) -> MapWriter {
    MapWriter::new()
        .field(ID, facts.id.as_bytes().to_vec())
        .field(CPI, facts.cpi.as_str())
        .field(MSP, facts.msp.to_string())
        .field(USER_KEY, facts.user_key.as_bytes().to_vec())
        .field(METHOD, facts.method.as_str())
        .field(REQUEST_ID, facts.request_id.to_vec())
        .field(REQUEST_HASH, facts.request_hash.to_vec())
        .field(SIGNED_AT, facts.signed_at)
        .field(REQUESTED_AT, facts.requested_at)
        .field(EXPIRES_AT, facts.expires_at)
}

fn read_facts(map: &mut MapReader) -> Result<Facts, FieldError> {
    Ok(Facts {
        id: EnrollmentId::from_bytes(map.byte_array(ID)?),
        cpi: Cpi::parse(&map.text(CPI)?).map_err(|_| broken(CPI))?,
        msp: Msp::parse_canonical(&map.text(MSP)?).map_err(|_| broken(MSP))?,
        user_key: PublicKey::from_bytes(&map.byte_array(USER_KEY)?).map_err(|_| broken(USER_KEY))?,
        method: Method::parse(&map.text(METHOD)?).ok_or(broken(METHOD))?,
        request_id: map.byte_array(REQUEST_ID)?,
        request_hash: map.byte_array(REQUEST_HASH)?,
        signed_at: map.time(SIGNED_AT)?,
        requested_at: map.time(REQUESTED_AT)?,
        expires_at: map.time(EXPIRES_AT)?,
    })
}

fn read_code(map: &mut MapReader) -> Result<CodeHash, FieldError> {
    map.byte_array(CODE_HASH).map(CodeHash)
}

/// Hashes one after another; there is one at least.
fn read_hashes(value: cbor::Value) -> Result<Vec<[u8; 32]>, FieldError> {
    let bytes = value.into_bytes().ok().filter(|bytes| !bytes.is_empty()).ok_or(broken(UNDECIDED))?;
    let (hashes, rest) = bytes.as_chunks();
    if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(broken(UNDECIDED)) }
}

fn sending_bytes(Sending { by, until }: Sending) -> Vec<u8> {
    [by.as_slice(), &until.seconds().to_be_bytes()].concat()
}

fn read_sending(value: cbor::Value) -> Result<Sending, FieldError> {
    let read = |bytes: Vec<u8>| {
        let (by, until) = bytes.split_first_chunk()?;
        let until = Timestamp::from_seconds(u64::from_be_bytes(until.try_into().ok()?));
        Some(Sending { by: *by, until })
    };
    value.into_bytes().ok().and_then(read).ok_or(broken(SENDING))
}

fn broken(label: Label) -> FieldError {
    FieldError::Rule(label.name, "cannot be read".to_owned())
}
