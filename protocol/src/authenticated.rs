//! Authenticated mappings: a credential and a mapping that together prove themselves.
//!
//! Encoded as `[bstr .cbor credential, bstr .cbor mapping]`, 4,096 bytes at most, kept and served byte for byte. The store
//! at publication and the client at lookup accept them by one and the same function, [`UnverifiedMapping::verify`].

use documents::cbor::{self, Value};
use documents::key::PublicKey;
use documents::signed::{self, DocumentError, SignatureError, Signed, Unverified};
use documents::time::{CLOCK_SKEW, Timestamp};
use sha2::{Digest, Sha256};

use crate::cpi::Cpi;
use crate::credential::CpiCredential;
use crate::mapping::Mapping;
use crate::trust::{TrustAnchor, TrustAnchors};

/// The longest authenticated mapping, in bytes.
pub const MAX_BYTES: usize = 4096;

/// A well-formed pair of documents that nobody has verified.
#[derive(Clone, Debug)]
pub struct UnverifiedMapping {
    credential: Unverified<CpiCredential>,
    mapping: Unverified<Mapping>,
    bytes: Vec<u8>,
}

/// Mappings whose credentials are said to be signed with one key of one prover: their places, and what is left of each.
struct Batch<'a> {
    anchor: &'a TrustAnchor,
    key: &'a PublicKey,
    credentials: Vec<Unverified<CpiCredential>>,
    rest: Vec<(usize, Unverified<Mapping>, Vec<u8>, Timestamp)>,
}

/// A mapping that its CPI's proven holder signed. Only verification makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMapping {
    credential: Signed<CpiCredential>,
    mapping: Signed<Mapping>,
    bytes: Vec<u8>,
}

/// The rule that an authenticated mapping broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not a pair of byte strings in deterministic CBOR.
    #[error("authenticated mapping: {0}")]
    Malformed(#[from] cbor::CborError),
    /// A CBOR item, but not a pair of byte strings.
    #[error("authenticated mapping: must be an array of two byte strings")]
    NotAPair,
    /// The first document is no credential.
    #[error("credential: {0}")]
    Credential(#[source] DocumentError),
    /// The second document is no mapping.
    #[error("mapping: {0}")]
    Mapping(#[source] DocumentError),
    /// No trust anchor has this prover with this key.
    #[error("the credential is by an ID Prover that is not trusted")]
    UntrustedProver,
    /// The prover is trusted, but not for this method.
    #[error("the ID Prover is not trusted for this method")]
    UntrustedMethod,
    /// The prover's signature does not hold.
    #[error("credential: {0}")]
    CredentialSignature(#[source] SignatureError),
    /// The user's signature does not hold.
    #[error("mapping: {0}")]
    MappingSignature(#[source] SignatureError),
    /// Mapping and credential are about different CPIs.
    #[error("mapping and credential name different CPIs")]
    OtherCpi,
    /// Mapping and credential are about different MSPs.
    #[error("mapping and credential name different MSPs")]
    OtherMsp,
    /// The mapping cites another credential.
    #[error("the mapping cites another credential")]
    OtherCredential,
    /// Issued in the future, beyond the clock skew.
    #[error("issued in the future")]
    FromTheFuture,
    /// The credential has expired.
    #[error("the credential has expired")]
    CredentialExpired,
    /// The mapping has expired.
    #[error("the mapping has expired")]
    MappingExpired,
    /// The mapping would outlive its credential.
    #[error("the mapping outlives its credential")]
    OutlivesCredential,
    /// The credential lives longer than this prover's may.
    #[error("the credential lives longer than the trust anchor allows")]
    CredentialTooLong,
}

impl UnverifiedMapping {
    /// Parses an authenticated mapping that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`MappingError`] if it is too long or malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, MappingError> {
        let Value::Array(items) = cbor::decode(bytes, MAX_BYTES)? else { return Err(MappingError::NotAPair) };
        let [Value::Bytes(credential), Value::Bytes(mapping)] = items.as_slice() else {
            return Err(MappingError::NotAPair);
        };
        Ok(Self {
            credential: Unverified::parse(credential).map_err(MappingError::Credential)?,
            mapping: Unverified::parse(mapping).map_err(MappingError::Mapping)?,
            bytes: bytes.to_vec(),
        })
    }

    /// The CPI that the mapping names, if it should verify.
    #[must_use]
    pub fn unverified_cpi(&self) -> &Cpi {
        &self.mapping.unverified_document().cpi
    }

    /// What the mapping says, if it should verify.
    #[must_use]
    pub fn unverified_mapping(&self) -> &Mapping {
        self.mapping.unverified_document()
    }

    /// The holder's key, if it should verify.
    #[must_use]
    pub fn unverified_holder(&self) -> &PublicKey {
        &self.credential.unverified_document().user_key
    }

    /// Verifies everything: a trusted prover, allowed for the method; both signatures; one CPI, MSP and key; the cited
    /// credential; the times at `now`, with five minutes of skew.
    ///
    /// # Errors
    ///
    /// The first [`MappingError`] found.
    pub fn verify(self, trust: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, MappingError> {
        let (anchor, prover_key) = self.prover(trust)?;
        let credential = self.credential.verify(prover_key);
        Self::with_credential(credential, self.mapping, self.bytes, anchor, now)
    }

    /// As [`Self::verify`] for each of `mappings` at its time, with less work: the credentials of each prover are checked together
    /// ([`signed::verify_all`]). A prover could make credentials that are taken here and refused by [`Self::verify`]; it is trusted,
    /// and nobody else can. The holders' signatures are checked one by one: nobody trusts holders.
    pub fn verify_all(
        mappings: Vec<(Self, Timestamp)>,
        trust: &TrustAnchors,
    ) -> Vec<Result<VerifiedMapping, MappingError>> {
        let mut results: Vec<_> = mappings.iter().map(|_| None).collect();
        let mut batches: Vec<Batch<'_>> = Vec::new();
        for (place, (unverified, now)) in mappings.into_iter().enumerate() {
            match unverified.prover(trust) {
                Ok((anchor, key)) => {
                    let known = batches.iter().position(|batch| std::ptr::eq(batch.key, key));
                    let batch = known.unwrap_or_else(|| {
                        batches.push(Batch { anchor, key, credentials: Vec::new(), rest: Vec::new() });
                        batches.len() - 1
                    });
                    batches[batch].credentials.push(unverified.credential);
                    batches[batch].rest.push((place, unverified.mapping, unverified.bytes, now));
                }
                Err(error) => results[place] = Some(Err(error)),
            }
        }
        for Batch { anchor, key, credentials, rest } in batches {
            for (credential, (place, mapping, bytes, now)) in signed::verify_all(credentials, key).into_iter().zip(rest)
            {
                results[place] = Some(Self::with_credential(credential, mapping, bytes, anchor, now));
            }
        }
        results.into_iter().map(|result| result.expect("each mapping is refused, or in one batch")).collect()
    }

    /// The trusted prover that is said to have signed, if it may by this method.
    fn prover<'a>(&self, trust: &'a TrustAnchors) -> Result<(&'a TrustAnchor, &'a PublicKey), MappingError> {
        let claimed = self.credential.unverified_document();
        let (anchor, key) = trust.find(&claimed.prover, self.credential.kid()).ok_or(MappingError::UntrustedProver)?;
        if !anchor.methods.contains(&claimed.method) {
            return Err(MappingError::UntrustedMethod);
        }
        Ok((anchor, key))
    }

    /// Verifies what is left once the credential's signature has been checked.
    fn with_credential(
        credential: Result<Signed<CpiCredential>, SignatureError>,
        mapping: Unverified<Mapping>,
        bytes: Vec<u8>,
        anchor: &TrustAnchor,
        now: Timestamp,
    ) -> Result<VerifiedMapping, MappingError> {
        let credential = credential.map_err(MappingError::CredentialSignature)?;
        let mapping = mapping.verify(&credential.document().user_key).map_err(MappingError::MappingSignature)?;
        let verified = VerifiedMapping { credential, mapping, bytes };
        verified.agree()?;
        verified.hold_at(now)?;
        let (credential, _) = verified.claims();
        if credential.expires_at.since(credential.issued_at) > anchor.max_credential_lifetime {
            return Err(MappingError::CredentialTooLong);
        }
        Ok(verified)
    }
}

impl VerifiedMapping {
    /// Joins a credential with a mapping that its holder has just signed, as the bytes to publish.
    #[must_use]
    pub fn encode(credential: &Signed<CpiCredential>, mapping: &Signed<Mapping>) -> Vec<u8> {
        cbor::encode(&Value::Array(vec![credential.bytes().to_vec().into(), mapping.bytes().to_vec().into()]))
    }

    /// What the prover signed.
    #[must_use]
    pub fn credential(&self) -> &CpiCredential {
        self.credential.document()
    }

    /// The credential as the prover signed it: further mappings may be signed under it.
    #[must_use]
    pub fn signed_credential(&self) -> &Signed<CpiCredential> {
        &self.credential
    }

    /// The mapping as the user signed it.
    #[must_use]
    pub fn signed_mapping(&self) -> &Signed<Mapping> {
        &self.mapping
    }

    /// What the user signed.
    #[must_use]
    pub fn mapping(&self) -> &Mapping {
        self.mapping.document()
    }

    /// The user's key: the holder of the CPI.
    #[must_use]
    pub fn holder(&self) -> &PublicKey {
        self.mapping.signer()
    }

    /// The key under which the prover signed.
    #[must_use]
    pub fn prover_key(&self) -> &PublicKey {
        self.credential.signer()
    }

    /// The encoded pair.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the encoded pair: what a receipt names.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    fn claims(&self) -> (&CpiCredential, &Mapping) {
        (self.credential.document(), self.mapping.document())
    }

    fn agree(&self) -> Result<(), MappingError> {
        let (credential, mapping) = self.claims();
        if credential.cpi != mapping.cpi {
            Err(MappingError::OtherCpi)
        } else if mapping.reachability.msp().is_some_and(|msp| *msp != credential.msp) {
            Err(MappingError::OtherMsp)
        } else if mapping.credential_hash != self.credential.hash() {
            Err(MappingError::OtherCredential)
        } else if mapping.expires_at > credential.expires_at {
            Err(MappingError::OutlivesCredential)
        } else {
            Ok(())
        }
    }

    fn hold_at(&self, now: Timestamp) -> Result<(), MappingError> {
        let (credential, mapping) = self.claims();
        let latest = now.plus(CLOCK_SKEW);
        if credential.issued_at > latest || mapping.issued_at > latest {
            Err(MappingError::FromTheFuture)
        } else if credential.expires_at.plus(CLOCK_SKEW) < now {
            Err(MappingError::CredentialExpired)
        } else if mapping.expires_at.plus(CLOCK_SKEW) < now {
            Err(MappingError::MappingExpired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
