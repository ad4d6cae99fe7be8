//! Mappings: what a user signs about how a CPI's holder wishes to be found.
//!
//! A mapping names one MSP, or none ("deliberately unreachable"), optionally the identifier there, and the user's
//! [`Tags`]. It cites its credential by hash, and is replaced by a later one of the same key and MSP with a higher `seq`.

mod tags;

use documents::cbor::{FieldError, MapReader, MapWriter, Value};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::cpi::Cpi;
use crate::credential::{later_than_issued, read_cpi};
use crate::labels::{CREDENTIAL_HASH, EXP, FRESH, IAT, MSP, PSI, SEQ, STATE, SUB, TAGS};
use crate::media;
use crate::mimi_uri::{Msp, Psi};

pub use tags::{DEFAULT_TAG, MAX_TAG_BYTES, MAX_TAGS, Tags, TagsError};

/// Whether a mapping is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// To be found (0).
    Live,
    /// Taken back by its holder (1): it leaves a tombstone and is not served.
    Withdrawn,
}

/// Where the holder is reachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// At this provider, under this identifier if one is told.
    At {
        /// The provider.
        msp: Msp,
        /// The identifier there.
        psi: Option<Psi>,
    },
    /// At none: the holder has opted out.
    Nowhere,
}

/// The claims of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The identifier that is mapped.
    pub cpi: Cpi,
    /// What it is mapped to.
    pub reachability: Reachability,
    /// The holder's preferences for this MSP.
    pub tags: Tags,
    /// Grows with every mapping of the same CPI, key and MSP.
    pub seq: u64,
    /// SHA-256 of the signed credential.
    pub credential_hash: [u8; 32],
    /// "This CPI is newly mine": mappings by other keys under earlier credentials stop being served.
    pub fresh: bool,
    /// Live or withdrawn.
    pub state: State,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Until when it holds; no later than its credential.
    pub expires_at: Timestamp,
}

impl Reachability {
    /// The provider, if there is one.
    #[must_use]
    pub fn msp(&self) -> Option<&Msp> {
        match self {
            Self::At { msp, .. } => Some(msp),
            Self::Nowhere => None,
        }
    }

    /// The identifier at the provider, if one is told.
    #[must_use]
    pub fn psi(&self) -> Option<&Psi> {
        match self {
            Self::At { psi, .. } => psi.as_ref(),
            Self::Nowhere => None,
        }
    }
}

impl Document for Mapping {
    const TYP: &'static str = media::MAPPING;
    const MAX_BYTES: usize = 4096;

    fn to_claims(&self) -> MapWriter {
        let tags = self.tags.iter().map(Value::from).collect::<Vec<_>>();
        MapWriter::new()
            .field(SUB, self.cpi.as_str())
            .field(EXP, self.expires_at)
            .field(IAT, self.issued_at)
            .optional(MSP, self.reachability.msp().map(ToString::to_string))
            .optional(PSI, self.reachability.psi().map(ToString::to_string))
            .field(TAGS, Value::Array(tags))
            .field(SEQ, self.seq)
            .field(CREDENTIAL_HASH, self.credential_hash.to_vec())
            .field(FRESH, self.fresh)
            .field(STATE, self.state.code())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        let mapping = Self {
            cpi: read_cpi(claims)?,
            reachability: read_reachability(claims)?,
            tags: read_tags(claims)?,
            seq: claims.unsigned(SEQ)?,
            credential_hash: claims.byte_array(CREDENTIAL_HASH)?,
            fresh: claims.boolean(FRESH)?,
            state: State::from_code(claims.unsigned(STATE)?)
                .ok_or(FieldError::Rule(STATE.name, "must be 0 (live) or 1 (withdrawn)".to_owned()))?,
            issued_at: claims.time(IAT)?,
            expires_at: claims.time(EXP)?,
        };
        later_than_issued(mapping.issued_at, mapping.expires_at)?;
        Ok(mapping)
    }
}

impl State {
    const fn code(self) -> u64 {
        match self {
            Self::Live => 0,
            Self::Withdrawn => 1,
        }
    }

    const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Live),
            1 => Some(Self::Withdrawn),
            _ => None,
        }
    }
}

fn read_reachability(claims: &mut MapReader) -> Result<Reachability, FieldError> {
    let rule = |label: documents::cbor::Label, error: String| FieldError::Rule(label.name, error);
    let msp = claims.optional_text(MSP)?;
    let psi = claims.optional_text(PSI)?;
    let Some(msp) = msp else {
        return match psi {
            None => Ok(Reachability::Nowhere),
            Some(_) => Err(rule(PSI, "must not stand without an msp".to_owned())),
        };
    };
    let msp = Msp::parse_canonical(&msp).map_err(|error| rule(MSP, error.to_string()))?;
    let psi = psi.map(|psi| Psi::parse_canonical(&psi)).transpose().map_err(|error| rule(PSI, error.to_string()))?;
    if psi.as_ref().is_some_and(|psi| !psi.belongs_to(&msp)) {
        return Err(rule(PSI, "must belong to the msp".to_owned()));
    }
    Ok(Reachability::At { msp, psi })
}

fn read_tags(claims: &mut MapReader) -> Result<Tags, FieldError> {
    let tags = claims
        .array(TAGS)?
        .into_iter()
        .map(|tag| tag.into_text().map_err(|_| FieldError::Type(TAGS.name)))
        .collect::<Result<Vec<_>, _>>()?;
    Tags::new(tags).map_err(|error| FieldError::Rule(TAGS.name, error.to_string()))
}
