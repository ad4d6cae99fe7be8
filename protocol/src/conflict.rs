//! Conflicts: how a displaced holder learns *that* it was displaced, and not by whom.
//!
//! When another's fresh claim or the CPI's issuer ends the service of a mapping, its holder may ask with a
//! [`ConflictQuery`], signed by the key that was displaced, and gets a [`ConflictNotice`], signed by the provider with the
//! key of its receipts. The notice names neither the claimant nor which of the two it was.
//!
//! ```text
//! query  = {2: sub, 3: aud (the provider's name), 6: iat, 8: cnf (the asking key)}
//! notice = {1: iss, 2: sub, 6: iat, -65553: holder (32, the asking key's thumbprint), -65554: displaced-at}
//! ```

use documents::cbor::{FieldError, MapReader, MapWriter};
use documents::key::{CNF, PublicKey, Thumbprint};
use documents::signed::{Document, DocumentError, SignatureError, Signed, Unverified};
use documents::time::{CLOCK_SKEW, Timestamp};

use crate::cpi::Cpi;
use crate::credential::{read_cpi, read_name};
use crate::labels::{AUD, DISPLACED_AT, HOLDER, IAT, ISS, SUB};
use crate::media;

/// "Was a mapping of mine for this CPI displaced?"
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictQuery {
    /// The identifier.
    pub cpi: Cpi,
    /// The name of the provider that is asked.
    pub provider: String,
    /// The key that asks; it signs the query.
    pub user_key: PublicKey,
    /// When it was signed: a query holds for five minutes.
    pub issued_at: Timestamp,
}

/// "A mapping of this holder stopped being served, because another claimed the CPI or its issuer took it back."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictNotice {
    /// The provider's name.
    pub provider: String,
    /// The identifier.
    pub cpi: Cpi,
    /// The thumbprint of the displaced key.
    pub holder: Thumbprint,
    /// When its mapping stopped being served.
    pub displaced_at: Timestamp,
    /// When the notice was signed.
    pub issued_at: Timestamp,
}

/// Why a query does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Not a query.
    #[error("conflict query: {0}")]
    Malformed(#[from] DocumentError),
    /// The signature is not by the key that the query names, or does not hold.
    #[error("conflict query: {0}")]
    Signature(#[from] SignatureError),
    /// For another provider.
    #[error("the conflict query is for another provider")]
    OtherProvider,
    /// Dated in the future.
    #[error("the conflict query is dated in the future")]
    FromTheFuture,
    /// Older than five minutes.
    #[error("the conflict query is older than five minutes")]
    TooOld,
}

impl ConflictQuery {
    /// Parses and verifies a query to `provider`: signed by the key that it names, no more than five minutes from `now`.
    ///
    /// # Errors
    ///
    /// [`QueryError`] names the broken rule.
    pub fn verify(bytes: &[u8], provider: &str, now: Timestamp) -> Result<Signed<Self>, QueryError> {
        let unverified = Unverified::<Self>::parse(bytes)?;
        let key = unverified.unverified_document().user_key;
        let query = unverified.verify(&key)?;
        if query.document().provider != provider {
            Err(QueryError::OtherProvider)
        } else if query.document().issued_at > now.plus(CLOCK_SKEW) {
            Err(QueryError::FromTheFuture)
        } else if query.document().issued_at.plus(CLOCK_SKEW) < now {
            Err(QueryError::TooOld)
        } else {
            Ok(query)
        }
    }
}

impl Document for ConflictQuery {
    const TYP: &'static str = media::CONFLICT_QUERY;
    const MAX_BYTES: usize = 2048;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(SUB, self.cpi.as_str())
            .field(AUD, self.provider.as_str())
            .field(IAT, self.issued_at)
            .field(CNF, self.user_key.to_cnf())
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        Ok(Self {
            cpi: read_cpi(claims)?,
            provider: read_name(claims, AUD)?,
            user_key: PublicKey::from_cnf(claims)?,
            issued_at: claims.time(IAT)?,
        })
    }
}

impl Document for ConflictNotice {
    const TYP: &'static str = media::CONFLICT_NOTICE;
    const MAX_BYTES: usize = 2048;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(ISS, self.provider.as_str())
            .field(SUB, self.cpi.as_str())
            .field(IAT, self.issued_at)
            .field(HOLDER, self.holder.as_bytes().to_vec())
            .field(DISPLACED_AT, self.displaced_at)
    }

    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError> {
        Ok(Self {
            provider: read_name(claims, ISS)?,
            cpi: read_cpi(claims)?,
            holder: Thumbprint::from_bytes(claims.byte_array(HOLDER)?),
            displaced_at: claims.time(DISPLACED_AT)?,
            issued_at: claims.time(IAT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use documents::key::SigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn query() -> ConflictQuery {
        ConflictQuery {
            cpi: Cpi::parse("tel:+14155552671").unwrap(),
            provider: "dp.example".to_owned(),
            user_key: key().public(),
            issued_at: NOW,
        }
    }

    #[test]
    fn both_documents_round_trip() {
        let signed = Signed::sign(query(), &key());
        let parsed = Unverified::<ConflictQuery>::parse(signed.bytes()).unwrap();
        assert_eq!(*parsed.unverified_document(), query());
        let notice = ConflictNotice {
            provider: "dp.example".to_owned(),
            cpi: query().cpi,
            holder: key().public().thumbprint(),
            displaced_at: NOW,
            issued_at: NOW.plus(CLOCK_SKEW),
        };
        let signed = Signed::sign(notice.clone(), &key());
        assert_eq!(*Unverified::<ConflictNotice>::parse(signed.bytes()).unwrap().unverified_document(), notice);
    }

    #[test]
    fn a_query_is_by_its_own_key_for_this_provider_and_recent() {
        let check = |query, by: &SigningKey, now| {
            ConflictQuery::verify(Signed::sign(query, by).bytes(), "dp.example", now).err()
        };
        assert_eq!(check(query(), &key(), NOW), None);
        assert_eq!(check(query(), &key(), NOW.plus(CLOCK_SKEW)), None);
        let second = std::time::Duration::from_secs(1);
        assert_eq!(check(query(), &key(), NOW.plus(CLOCK_SKEW + second)), Some(QueryError::TooOld));
        assert_eq!(check(query(), &key(), NOW.minus(CLOCK_SKEW + second)), Some(QueryError::FromTheFuture));
        let other = SigningKey::from_seed(&[2; 32]);
        assert_eq!(check(query(), &other, NOW), Some(QueryError::Signature(SignatureError::OtherKey)));
        let elsewhere = ConflictQuery { provider: "other.example".to_owned(), ..query() };
        assert_eq!(check(elsewhere, &key(), NOW), Some(QueryError::OtherProvider));
        assert!(matches!(ConflictQuery::verify(b"\xa0", "dp.example", NOW), Err(QueryError::Malformed(_))));
    }
}
