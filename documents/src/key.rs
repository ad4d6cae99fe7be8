//! Ed25519 keys as documents name them.
//!
//! A key is called by its COSE Key Thumbprint (RFC 9679) with SHA-256, 32 bytes, and stands in
//! documents as the `cnf` claim (RFC 8747) with one `COSE_Key` (RFC 9052 §7): `{1: {1: 1, -1: 6, -2: x}}`.

use std::fmt;
use std::sync::LazyLock;

use ciborium::Value;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, Verifier as _, VerifyingKey};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cbor::{self, FieldError, Label, MapReader, MapWriter};

/// The confirmation claim (RFC 8747 §3.1).
pub const CNF: Label = Label::new(8, "cnf");
const COSE_KEY: Label = Label::new(1, "cnf.COSE_Key");
const KTY: Label = Label::new(1, "cnf.kty");
const CRV: Label = Label::new(-1, "cnf.crv");
const X: Label = Label::new(-2, "cnf.x");
const KTY_OKP: u64 = 1;
const CRV_ED25519: u64 = 6;

/// The COSE Key Thumbprint of a public key (RFC 9679 §3, SHA-256): 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// From its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first five bytes in hexadecimal, in pairs, for people to compare: `a1b2-c3d4-e5`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hex = hex::encode(&self.0[..5]);
        format!("{}-{}-{}", &hex[..4], &hex[4..8], &hex[8..])
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// An Ed25519 public key that is a valid point of large order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why bytes are not a usable Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid Ed25519 public key")]
pub struct KeyError;

impl PublicKey {
    /// From the 32 bytes of RFC 8032 §5.1.5.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if they encode no point, or one of small order (under which anybody could sign).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?;
        if key.is_weak() { Err(KeyError) } else { Ok(Self(key)) }
    }

    /// The 32 bytes of RFC 8032 §5.1.5.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its COSE Key Thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(Sha256::digest(cbor::encode(&self.cose_key())).into())
    }

    /// Strict verification (no small-order points, canonical `s`), so that all verifiers agree.
    ///
    /// What the library calls strict, for a sixth less: it compares `R` with the one encoding of the point that it computes, so
    /// that comparing octets tells whether `R` is of small order, without taking it apart; no [`PublicKey`] is.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        is_strict(signature.r_bytes()) && self.0.verify(message, &signature).is_ok()
    }

    /// Whether each of `signed`, messages with their signatures, was signed with this key, all checked at once: a third of the work.
    ///
    /// Only for the key of somebody who is trusted: who has the secret key can make signatures that hold here, by chance or always,
    /// and not in [`Self::verifies`] (with components of small order). Nobody else can: it would be a forgery either way.
    pub(crate) fn verifies_all(&self, signed: &[(&[u8], &[u8; 64])]) -> bool {
        let messages: Vec<_> = signed.iter().map(|(message, _)| *message).collect();
        let signatures: Vec<_> =
            signed.iter().map(|(_, signature)| ed25519_dalek::Signature::from_bytes(signature)).collect();
        signatures.iter().all(|signature| is_strict(signature.r_bytes()))
            && ed25519_dalek::verify_batch(&messages, &signatures, &vec![self.0; signed.len()]).is_ok()
    }

    fn cose_key(&self) -> Value {
        MapWriter::new().field(KTY, KTY_OKP).field(CRV, CRV_ED25519).field(X, self.as_bytes().to_vec()).finish()
    }

    /// The value of the `cnf` claim for this key.
    #[must_use]
    pub fn to_cnf(&self) -> Value {
        MapWriter::new().field(COSE_KEY, self.cose_key()).finish()
    }

    /// Takes the `cnf` claim out of `fields`.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if it is missing, or anything but an Ed25519 `COSE_Key` in the one form of this module.
    pub fn from_cnf(fields: &mut MapReader) -> Result<Self, FieldError> {
        let mut cnf = MapReader::new(fields.required(CNF)?, CNF.name)?;
        let mut key = MapReader::new(cnf.required(COSE_KEY)?, COSE_KEY.name)?;
        cnf.finish()?;
        if key.unsigned(KTY)? != KTY_OKP || key.unsigned(CRV)? != CRV_ED25519 {
            return Err(FieldError::Rule(COSE_KEY.name, "must be an Ed25519 key (kty OKP)".to_owned()));
        }
        let x = key.byte_array(X)?;
        key.finish()?;
        Self::from_bytes(&x).map_err(|error| FieldError::Rule(X.name, error.to_string()))
    }
}

/// Whether these octets can be the one encoding of a point whose order does not divide the cofactor: `y` below the prime, and no point of
/// small order. Where `x` is 0, which is so at two of those, its sign has no say: they are refused with either.
fn is_strict(point: &[u8; 32]) -> bool {
    static SMALL: LazyLock<[CompressedEdwardsY; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress()));
    let [first, middle @ .., last] = point;
    let y_is_below_the_prime = last & 0x7f != 0x7f || *first < 0xed || middle.iter().any(|octet| *octet != 0xff);
    let is_small = |small: &CompressedEdwardsY| small.0[..31] == point[..31] && (small.0[31] ^ last) & 0x7f == 0;
    y_is_below_the_prime && !SMALL.iter().any(is_small)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(self.as_bytes()))
    }
}

/// An Ed25519 signing key; its secret is wiped when it is dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// From the 32-byte secret of RFC 8032 §5.1.5.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The 32-byte secret, for storing it in a file that only its owner can read.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(secret of {:?})", self.public())
    }
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use curve25519_dalek::{EdwardsPoint, Scalar};

    use super::*;

    /// RFC 8037 Appendix A.3 publishes this key; the thumbprint is over `a3 01 01 20 06 21 58 20 x`.
    #[test]
    fn thumbprint_hashes_the_deterministic_cose_key() {
        let x = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let key = PublicKey::from_bytes(&x.clone().try_into().unwrap()).unwrap();
        let mut input = hex::decode("a301012006215820").unwrap();
        input.extend_from_slice(&x);
        assert_eq!(cbor::encode(&key.cose_key()), input);
        assert_eq!(key.thumbprint().as_bytes().as_slice(), Sha256::digest(&input).as_slice());
    }

    #[test]
    fn refuses_weak_and_invalid_points() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(KeyError));
        let not_on_curve = (0..=u8::MAX).find(|first| {
            let mut bytes = [0; 32];
            bytes[0] = *first;
            VerifyingKey::from_bytes(&bytes).is_err()
        });
        let mut bytes = [0; 32];
        bytes[0] = not_on_curve.unwrap();
        assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError));
    }

    /// Signatures by somebody who has the key, with parts of small order in `R` and in the key: those that are malleable, and those
    /// that verifiers take or refuse as they please (Chalkias, Garillot, Nikolaenko: Taming the many EdDSAs, 2020).
    #[test]
    fn is_as_strict_as_the_library() {
        let good = SigningKey::from_seed(&[7; 32]);
        let secret = good.0.to_scalar();
        let (mut strict, mut loose) = (0, 0);
        for (in_key, r, in_r) in cases() {
            let point = (good.0.verifying_key().to_edwards() + in_key).compress();
            let key = PublicKey::from_bytes(point.as_bytes()).unwrap();
            let start = (EdwardsPoint::mul_base(&r) + in_r).compress();
            for message in 0..64_u8 {
                let hash = sha2::Sha512::new().chain_update(start.0).chain_update(point.0).chain_update([message]);
                let s = r + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * secret;
                let signature = [start.to_bytes(), s.to_bytes()].concat().try_into().unwrap();
                let theirs = ed25519_dalek::Signature::from_bytes(&signature);
                let ours = key.verifies(&[message], &signature);
                assert_eq!(ours, key.0.verify_strict(&[message], &theirs).is_ok(), "{message} {signature:?}");
                strict += usize::from(ours);
                loose += usize::from(key.0.verify(&[message], &theirs).is_ok());
            }
        }
        assert_eq!((strict, loose), (512, 1007));
    }

    /// A part of small order for the key, a random scalar (none in every second), a part of small order for `R`.
    fn cases() -> impl Iterator<Item = (EdwardsPoint, Scalar, EdwardsPoint)> {
        let scalars = [Scalar::ZERO, Scalar::from(12345_u64)];
        let points = EIGHT_TORSION.into_iter().flat_map(|key| EIGHT_TORSION.map(|r| (key, r)));
        points.flat_map(move |(key, r)| scalars.map(|scalar| (key, scalar, r)))
    }

    #[test]
    fn many_hold_together_or_not_at_all() {
        let key = SigningKey::from_seed(&[7; 32]);
        let messages: Vec<_> = (0..100_u8).map(|n| vec![n; usize::from(n)]).collect();
        let mut signatures: Vec<_> = messages.iter().map(|message| key.sign(message)).collect();
        let hold = |signatures: &[[u8; 64]]| {
            let signed: Vec<_> = messages.iter().map(Vec::as_slice).zip(signatures).collect();
            key.public().verifies_all(&signed)
        };
        assert!(hold(&signatures));
        for place in [0, 50, 99] {
            let good = signatures[place];
            for octet in [0, 31, 32, 63] {
                signatures[place][octet] ^= 1;
                assert!(!hold(&signatures), "{place} {octet}");
                signatures[place] = good;
            }
        }
        signatures.swap(3, 4);
        assert!(!hold(&signatures));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert!(!format!("{key:?}").contains(&hex::encode([7; 32])));
    }

    #[test]
    fn cnf_round_trip_and_refusals() {
        let key = SigningKey::from_seed(&[7; 32]).public();
        let read = |value: Value| PublicKey::from_cnf(&mut MapReader::new(value, "claims").unwrap());
        let claims = |cnf: Value| MapWriter::new().field(CNF, cnf).finish();
        assert_eq!(read(claims(key.to_cnf())), Ok(key));
        assert_eq!(read(MapWriter::new().finish()), Err(FieldError::Missing("cnf")));
        let x25519 = MapWriter::new().field(KTY, 1).field(CRV, 4).field(X, vec![9; 32]).finish();
        let wrong = read(claims(MapWriter::new().field(COSE_KEY, x25519).finish()));
        assert!(matches!(wrong, Err(FieldError::Rule("cnf.COSE_Key", _))));
    }
}
