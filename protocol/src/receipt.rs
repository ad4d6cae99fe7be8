//! Receipts: the provider's signed promise that a publication is durable, and where it stands in its log.

use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::signed::Document;
use documents::time::Timestamp;

use crate::credential::read_name;
use crate::labels::{IAT, ISS, POSITION, PUBLISHED_HASH, SHARD};
use crate::media;

/// A place in a provider's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The shard; 0 where there is but one.
    pub shard: u32,
    /// The number within the shard, from 1.
    pub number: u64,
}

/// The claims of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's name.
    pub provider: String,
    /// SHA-256 of the published bytes: an authenticated mapping, or a removal.
    pub published_hash: [u8; 32],
    /// Where it stands in the log.
    pub position: Position,
    /// When it was made durable.
    pub issued_at: Timestamp,
}

impl Document for Receipt {
    const TYP: &'static str = media::RECEIPT;
    const MAX_BYTES: usize = 1024;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.provider.as_str())
            .field(IAT, self.issued_at)
            .field(PUBLISHED_HASH, self.published_hash.to_vec())
            .field(SHARD, u64::from(self.position.shard))
            .field(POSITION, self.position.number)
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        let shard = claims.unsigned(SHARD)?;
        Ok(Self {
            provider: read_name(claims, ISS)?,
            published_hash: claims.byte_array(PUBLISHED_HASH)?,
            position: Position {
                shard: u32::try_from(shard)
                    .map_err(|_| FieldError::Rule(SHARD.name, "must be below 2^32".to_owned()))?,
                number: claims.unsigned(POSITION)?,
            },
            issued_at: claims.time(IAT)?,
        })
    }
}
