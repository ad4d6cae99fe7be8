//! The key encapsulations: DHKEM(X25519, HKDF-SHA256) (RFC 9180 §4.1, §7.1) and X-Wing (draft-connolly-cfrg-xwing-kem §5, in HPKE by
//! draft-ietf-hpke-pq §4).
//!
//! Once a key, when it is made or read: its seed is expanded, for X-Wing by the crates `shake` and `ml-kem`, since aws-lc-rs
//! takes an ML-KEM key in its expanded form alone. Once a capsule: decapsulation, all of it in aws-lc.

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::digest::{self, SHA3_256};
use aws_lc_rs::kem::{self as lattice, ML_KEM_768};
#[allow(deprecated, reason = "see `lattice_key`")]
use ml_kem::ExpandedKeyEncoding as _;
use ml_kem::{KeyExport as _, ml_kem_768};
use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use zeroize::Zeroizing;

use super::KeyRefused;
use super::schedule::{Labeled, Prk, Secret};
use crate::config::KemName;

const CURVE_BYTES: usize = 32;
/// An encapsulation key, and a ciphertext, of ML-KEM-768 (FIPS 203, table 3).
const LATTICE_KEY_BYTES: usize = 1184;
const LATTICE_CIPHERTEXT_BYTES: usize = 1088;
/// `HPKE-v1` and the names of the KEMs as suites (RFC 9180 §4.1).
const VERSION: &[u8] = b"HPKE-v1";
const X25519_SUITE: &[u8] = b"KEM\x00\x20";
const X_WING_SUITE: &[u8] = b"KEM\x64\x7a";
/// What X-Wing's combiner ends with.
const X_WING_LABEL: &[u8] = br"\.//^\";

/// A key that decapsulates.
pub(super) enum PrivateKey {
    X25519(CurveKey),
    XWing(Box<HybridKey>),
}

/// X25519, with its public key.
pub(super) struct CurveKey {
    secret: agreement::PrivateKey,
    public: [u8; CURVE_BYTES],
}

/// ML-KEM-768 and X25519, with both public keys in a row.
pub(super) struct HybridKey {
    lattice: lattice::DecapsulationKey,
    curve: CurveKey,
    public: Vec<u8>,
}

impl PrivateKey {
    /// `DeriveKeyPair` of this KEM.
    pub(super) fn derive(kem: KemName, seed: &[u8; 32]) -> Result<Self, KeyRefused> {
        match kem {
            KemName::X25519 => {
                let labeled = Labeled { suite: X25519_SUITE };
                let mut secret = Secret::default();
                labeled.expand(&Prk::new(&labeled.extract(b"", "dkp_prk", seed)), "sk", b"", &mut *secret);
                Ok(Self::X25519(CurveKey::new(&secret)?))
            }
            KemName::XWing => Ok(Self::XWing(Box::new(HybridKey::derive(seed)?))),
        }
    }

    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::X25519(key) => &key.public,
            Self::XWing(key) => &key.public,
        }
    }

    /// Octets of an encapsulated key.
    pub(super) const fn enc_bytes(&self) -> usize {
        match self {
            Self::X25519(_) => CURVE_BYTES,
            Self::XWing(_) => LATTICE_CIPHERTEXT_BYTES + CURVE_BYTES,
        }
    }

    /// `Decap`: the shared secret; `None` for an `enc` of another length, or of small order.
    pub(super) fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        match self {
            Self::X25519(key) => key.decapsulate(enc),
            Self::XWing(key) => key.decapsulate(enc),
        }
    }
}

impl CurveKey {
    /// The key of these octets; X25519 clamps them by itself (RFC 7748 §5).
    pub(super) fn new(secret: &[u8; CURVE_BYTES]) -> Result<Self, KeyRefused> {
        let secret = agreement::PrivateKey::from_private_key(&X25519, secret).map_err(|_| KeyRefused)?;
        let public = secret.compute_public_key().map_err(|_| KeyRefused)?;
        let public = public.as_ref().try_into().map_err(|_| KeyRefused)?;
        Ok(Self { secret, public })
    }

    /// X25519 with a peer, handed to `then`. aws-lc refuses a result of all zeros (RFC 7748 §6.1), and with it every point of
    /// small order.
    pub(super) fn agree<T>(&self, peer: &[u8], then: impl FnOnce(&[u8]) -> T) -> Option<T> {
        agreement::agree(&self.secret, UnparsedPublicKey::new(&X25519, peer), (), |shared| Ok(then(shared))).ok()
    }

    /// `Decap` and `ExtractAndExpand` of DHKEM.
    fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        let enc: &[u8; CURVE_BYTES] = enc.try_into().ok()?;
        let labeled = Labeled { suite: X25519_SUITE };
        let extracted = self.agree(enc, |shared| labeled.extract(b"", "eae_prk", shared))?;
        let mut context = [0; 2 * CURVE_BYTES];
        context[..CURVE_BYTES].copy_from_slice(enc);
        context[CURVE_BYTES..].copy_from_slice(&self.public);
        let mut secret = Secret::default();
        labeled.expand(&Prk::new(&extracted), "shared_secret", &context, &mut *secret);
        Some(secret)
    }
}

impl HybridKey {
    /// `DeriveKeyPair` of HPKE, by SHAKE256, then X-Wing's `expandDecapsulationKey`.
    fn derive(ikm: &[u8; 32]) -> Result<Self, KeyRefused> {
        let (label, length) = (b"DeriveKeyPair", 32_u16);
        let mut seed = Secret::default();
        let labeled = [ikm, VERSION, X_WING_SUITE, &[0, 13], label, &length.to_be_bytes()];
        shake256(&labeled, &mut *seed);
        let mut expanded = Zeroizing::new([0; 64 + CURVE_BYTES]);
        shake256(&[&*seed], &mut *expanded);
        let (of_lattice, of_curve) = expanded.split_first_chunk::<64>().ok_or(KeyRefused)?;
        let (lattice, lattice_public) = lattice_key(of_lattice)?;
        let curve = CurveKey::new(of_curve.try_into().map_err(|_| KeyRefused)?)?;
        let public = [&lattice_public[..], &curve.public].concat();
        Ok(Self { lattice, curve, public })
    }

    /// `Decapsulate` and `Combiner` of X-Wing.
    fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        let (ciphertext, peer) = enc.split_at_checked(LATTICE_CIPHERTEXT_BYTES)?;
        let peer: &[u8; CURVE_BYTES] = peer.try_into().ok()?;
        let of_lattice = self.lattice.decapsulate(ciphertext.into()).ok()?;
        let mut combiner = digest::Context::new(&SHA3_256);
        combiner.update(of_lattice.as_ref());
        self.curve.agree(peer, |of_curve| combiner.update(of_curve))?;
        [peer, &self.curve.public, X_WING_LABEL].iter().for_each(|part| combiner.update(part));
        let mut secret = Secret::default();
        secret.copy_from_slice(combiner.finish().as_ref());
        Some(secret)
    }
}

fn shake256(parts: &[&[u8]], out: &mut [u8]) {
    let mut hash = shake::Shake256::default();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize_xof().read(out);
}

/// `ML-KEM.KeyGen_internal` (FIPS 203 §6.1). The key is tried before it is used: what aws-lc encapsulates to it has to
/// come out again.
#[allow(deprecated, reason = "aws-lc-rs takes the expanded form alone; here it is made of the seed, and never stored")]
fn lattice_key(seed: &[u8; 64]) -> Result<(lattice::DecapsulationKey, [u8; LATTICE_KEY_BYTES]), KeyRefused> {
    let key = ml_kem_768::DecapsulationKey::from_seed((*seed).into());
    let public: [u8; LATTICE_KEY_BYTES] = key.encapsulation_key().to_bytes().into();
    let expanded = Zeroizing::new(<[u8; 2400]>::from(key.to_expanded_bytes()));
    let secret = lattice::DecapsulationKey::new(&ML_KEM_768, &*expanded).map_err(|_| KeyRefused)?;
    let peer = lattice::EncapsulationKey::new(&ML_KEM_768, &public).map_err(|_| KeyRefused)?;
    let (ciphertext, sent) = peer.encapsulate().map_err(|_| KeyRefused)?;
    let received = secret.decapsulate(ciphertext).map_err(|_| KeyRefused)?;
    if sent.as_ref() == received.as_ref() { Ok((secret, public)) } else { Err(KeyRefused) }
}
