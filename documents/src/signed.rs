//! Signed documents: a tagged COSE_Sign1 (RFC 9052 §4.2) whose payload is a CWT claims set (RFC 8392).
//!
//! ```text
//! 18([ << {1: -19, 4: kid, 16: typ} >>, {}, << claims >>, signature ])
//! ```
//!
//! The protected header holds exactly `alg` (Ed25519, RFC 9864), `kid` (the thumbprint of the signer's key) and
//! `typ` (RFC 9596); the unprotected header is empty. No two kinds of document share a `typ`, so no signature
//! can be replayed as another kind.
//!
//! [`Unverified`] is what parsing yields; only a signature that holds turns it into [`Signed`].

use std::convert::Infallible;
use std::fmt;

use ciborium::Value;
use coset::{CoseSign1, Header, HeaderBuilder, TaggedCborSerializable as _, iana};
use sha2::{Digest, Sha256};

use crate::cbor::{self, CborError, FieldError, MapReader, MapWriter};
use crate::key::{PublicKey, SigningKey, Thumbprint};

const HEADER_TYP: i64 = 16;
/// Below this, signatures cost less one by one.
const SMALL_BATCH: usize = 32;

/// One kind of document: its claims, their encoding, and the `typ` that no other kind has.
pub trait Document: Sized {
    /// The media type in the protected `typ` header.
    const TYP: &'static str;
    /// The longest encoding of the signed document, in bytes.
    const MAX_BYTES: usize;

    /// The claims set.
    fn to_claims(&self) -> MapWriter;

    /// Reads the claims set; the caller refuses what is left in `claims`.
    ///
    /// # Errors
    ///
    /// [`FieldError`] names the claim and the rule it broke.
    fn from_claims(claims: &mut MapReader) -> Result<Self, FieldError>;
}

/// Why bytes are not a signed document of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not deterministic CBOR within the size bound.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// Not a tagged COSE_Sign1 with exactly the headers of this profile.
    #[error("COSE_Sign1: {0}")]
    Cose(&'static str),
    /// A header parameter marked critical that this profile does not know (RFC 9052 §3.1).
    #[error("COSE_Sign1: an unknown critical header parameter")]
    UnknownCritical,
    /// A document of another kind.
    #[error("the document's typ is not {expected}")]
    Typ {
        /// The `typ` that was asked for.
        expected: &'static str,
    },
    /// A claim is missing, unknown, of the wrong type or against a rule.
    #[error("claims: {0}")]
    Claim(#[from] FieldError),
}

/// The signature does not hold under the key it was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The document names another key in `kid`.
    #[error("the document is signed by another key")]
    OtherKey,
    /// The Ed25519 signature does not verify.
    #[error("the signature does not verify")]
    Invalid,
}

/// A well-formed document whose signature nobody has checked.
#[derive(Clone, Debug)]
pub struct Unverified<D> {
    document: D,
    kid: Thumbprint,
    to_be_signed: Vec<u8>,
    signature: [u8; 64],
    bytes: Vec<u8>,
}

/// A document whose signature holds: it was verified, or has just been made.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<D> {
    document: D,
    signer: PublicKey,
    bytes: Vec<u8>,
}

impl<D: Document> Unverified<D> {
    /// Parses one signed document that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] names the broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        cbor::check(bytes, D::MAX_BYTES)?;
        let sign1 = CoseSign1::from_tagged_slice(bytes).map_err(|_| DocumentError::Cose("not a tagged COSE_Sign1"))?;
        let protected = sign1.protected.original_data.as_deref().unwrap_or_default();
        cbor::check(protected, D::MAX_BYTES)?;
        if !sign1.unprotected.is_empty() {
            return Err(DocumentError::Cose("the unprotected header must be empty"));
        }
        let kid = kid_of_this_profile::<D>(&sign1.protected.header)?;
        let signature =
            sign1.signature.as_slice().try_into().map_err(|_| DocumentError::Cose("the signature must be 64 bytes"))?;
        let payload = sign1.payload.as_deref().ok_or(DocumentError::Cose("the payload must not be detached"))?;
        let mut claims = MapReader::new(cbor::decode(payload, D::MAX_BYTES)?, "claims set")?;
        let document = D::from_claims(&mut claims)?;
        claims.finish()?;
        Ok(Self { document, kid, to_be_signed: sign1.tbs_data(&[]), signature, bytes: bytes.to_vec() })
    }

    /// The document whose claims, `kid` and signature these are: encoded anew, which yields the octets that were signed, and held
    /// to the rules of [`Self::parse`].
    ///
    /// # Errors
    ///
    /// [`DocumentError`] names the broken rule.
    pub fn from_parts(document: &D, kid: Thumbprint, signature: [u8; 64]) -> Result<Self, DocumentError> {
        let Ok(bytes) = sign1(document, &kid, |_| Ok::<_, Infallible>(signature));
        Self::parse(&bytes)
    }

    /// What the document says, if its signature should hold. Use it to find the key, and for nothing else.
    #[must_use]
    pub fn unverified_document(&self) -> &D {
        &self.document
    }

    /// The thumbprint of the key that is said to have signed.
    #[must_use]
    pub fn kid(&self) -> &Thumbprint {
        &self.kid
    }

    /// The bytes that were parsed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks the signature against `key` (Ed25519, strict).
    ///
    /// # Errors
    ///
    /// [`SignatureError`] if the document names another key, or the signature does not verify.
    pub fn verify(self, key: &PublicKey) -> Result<Signed<D>, SignatureError> {
        if self.kid != key.thumbprint() {
            return Err(SignatureError::OtherKey);
        }
        if !key.verifies(&self.to_be_signed, &self.signature) {
            return Err(SignatureError::Invalid);
        }
        Ok(Signed { document: self.document, signer: *key, bytes: self.bytes })
    }
}

/// As [`Unverified::verify`] for each of `documents`, with a third of the work where all of them hold.
///
/// Only for documents by somebody who is trusted. Nobody without the secret key can have one accepted that [`Unverified::verify`]
/// refuses; who has it can. Each document of a batch that does not hold as a whole is checked by itself, in the end.
pub fn verify_all<D: Document>(
    documents: Vec<Unverified<D>>,
    key: &PublicKey,
) -> Vec<Result<Signed<D>, SignatureError>> {
    let kid = key.thumbprint();
    let mut hold = vec![false; documents.len()];
    holding(&documents, &kid, key, &mut hold);
    let settle = |(document, holds): (Unverified<D>, bool)| {
        if document.kid != kid {
            Err(SignatureError::OtherKey)
        } else if holds {
            Ok(Signed { document: document.document, signer: *key, bytes: document.bytes })
        } else {
            Err(SignatureError::Invalid)
        }
    };
    documents.into_iter().zip(hold).map(settle).collect()
}

/// Marks those whose signature holds: all at once, and by halves where not all do.
fn holding<D>(documents: &[Unverified<D>], kid: &Thumbprint, key: &PublicKey, hold: &mut [bool]) {
    let signed = |document: &Unverified<D>| document.kid == *kid;
    if documents.len() <= SMALL_BATCH {
        for (document, holds) in documents.iter().zip(hold) {
            *holds = signed(document) && key.verifies(&document.to_be_signed, &document.signature);
        }
        return;
    }
    let batch: Vec<_> = documents
        .iter()
        .filter(|document| signed(document))
        .map(|document| (document.to_be_signed.as_slice(), &document.signature))
        .collect();
    if key.verifies_all(&batch) {
        documents.iter().zip(hold).for_each(|(document, holds)| *holds = signed(document));
        return;
    }
    let middle = documents.len() / 2;
    let (left, right) = hold.split_at_mut(middle);
    holding(&documents[..middle], kid, key, left);
    holding(&documents[middle..], kid, key, right);
}

impl<D: Document> Signed<D> {
    /// Signs `document` with `key`. Ed25519 is deterministic: the same document and key give the same bytes.
    #[must_use]
    pub fn sign(document: D, key: &SigningKey) -> Self {
        let signer = key.public();
        let Ok(bytes) = sign1(&document, &signer.thumbprint(), |message| Ok::<_, Infallible>(key.sign(message)));
        Self { document, signer, bytes }
    }
}

/// An encoded document, its signature made by `sign` of the octets to be signed: by a token that keeps its key, for one. Whether
/// the signature holds is not looked at.
///
/// # Errors
///
/// What `sign` says.
pub fn sign1<D: Document, E>(
    document: &D,
    kid: &Thumbprint,
    sign: impl FnOnce(&[u8]) -> Result<[u8; 64], E>,
) -> Result<Vec<u8>, E> {
    let protected = HeaderBuilder::new()
        .algorithm(iana::Algorithm::Ed25519)
        .key_id(kid.as_bytes().to_vec())
        .value(HEADER_TYP, Value::from(D::TYP))
        .build();
    let signed = coset::CoseSign1Builder::new()
        .protected(protected)
        .payload(cbor::encode(&document.to_claims().finish()))
        .try_create_signature(&[], |message| sign(message).map(Vec::from))?;
    Ok(signed.build().to_tagged_vec().expect("writing to a vector does not fail"))
}

impl<D> Signed<D> {
    /// What the document says.
    #[must_use]
    pub fn document(&self) -> &D {
        &self.document
    }

    /// The key whose signature holds.
    #[must_use]
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// The encoded document.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature, which ends the encoding.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        self.bytes.last_chunk().expect("a signed document ends in its signature of 64 octets")
    }

    /// SHA-256 of the encoded document.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }
}

impl<D: fmt::Debug> fmt::Debug for Signed<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("document", &self.document).field("signer", &self.signer).finish_non_exhaustive()
    }
}

/// Holds the protected header to the profile and returns its `kid`.
fn kid_of_this_profile<D: Document>(header: &Header) -> Result<Thumbprint, DocumentError> {
    if !header.crit.is_empty() {
        return Err(DocumentError::UnknownCritical);
    }
    if header.alg != Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::Ed25519)) {
        return Err(DocumentError::Cose("alg must be Ed25519 (-19)"));
    }
    let kid =
        header.key_id.as_slice().try_into().map_err(|_| DocumentError::Cose("kid must be a 32-byte key thumbprint"))?;
    let [(coset::Label::Int(HEADER_TYP), Value::Text(typ))] = header.rest.as_slice() else {
        return Err(DocumentError::Cose("the protected header must hold alg, kid and typ alone"));
    };
    if typ != D::TYP {
        return Err(DocumentError::Typ { expected: D::TYP });
    }
    let expected = Header {
        alg: header.alg.clone(),
        key_id: header.key_id.clone(),
        rest: header.rest.clone(),
        ..Header::default()
    };
    if *header != expected {
        return Err(DocumentError::Cose("the protected header must hold alg, kid and typ alone"));
    }
    Ok(Thumbprint::from_bytes(kid))
}

/// The `typ` of a signed document, for tools that have to tell what they are looking at.
///
/// # Errors
///
/// [`DocumentError`] if `bytes` are not a COSE_Sign1 with a text `typ`.
pub fn typ(bytes: &[u8], max_bytes: usize) -> Result<String, DocumentError> {
    cbor::check(bytes, max_bytes)?;
    let sign1 = CoseSign1::from_tagged_slice(bytes).map_err(|_| DocumentError::Cose("not a tagged COSE_Sign1"))?;
    let typ = sign1.protected.header.rest.into_iter().find_map(|(label, value)| match (label, value) {
        (coset::Label::Int(HEADER_TYP), Value::Text(typ)) => Some(typ),
        _ => None,
    });
    typ.ok_or(DocumentError::Cose("no typ in the protected header"))
}

#[cfg(test)]
mod tests;
