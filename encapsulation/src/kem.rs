//! The key encapsulations: DHKEM(X25519, HKDF-SHA256) (RFC 9180 §4.1, §7.1) and X-Wing (draft-connolly-cfrg-xwing-kem §5, in HPKE by
//! draft-ietf-hpke-pq §4).
//!
//! Once a key, when it is made or read: its seed is expanded, for X-Wing by the crates `shake` and `ml-kem`, since aws-lc-rs
//! takes an ML-KEM key in its expanded form alone. Once a capsule: encapsulation and decapsulation, all of it in aws-lc.

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::digest::{self, SHA3_256};
use aws_lc_rs::kem::{self as lattice, ML_KEM_768};
#[allow(deprecated, reason = "see `lattice_key`")]
use ml_kem::ExpandedKeyEncoding as _;
use ml_kem::{KeyExport as _, ml_kem_768};
use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use zeroize::Zeroizing;

use crate::schedule::{Labeled, Prk, Secret};
use crate::{KemName, KeyRefused};

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
pub(crate) enum PrivateKey {
    X25519(CurveKey),
    XWing(Box<HybridKey>),
}

/// X25519, with its public key.
pub(crate) struct CurveKey {
    secret: agreement::PrivateKey,
    public: [u8; CURVE_BYTES],
}

/// ML-KEM-768 and X25519, with both public keys in a row.
pub(crate) struct HybridKey {
    lattice: lattice::DecapsulationKey,
    curve: CurveKey,
    public: Vec<u8>,
}

/// A key to encapsulate to.
pub(crate) enum PublicKey {
    X25519([u8; CURVE_BYTES]),
    XWing { lattice: Box<lattice::EncapsulationKey>, curve: [u8; CURVE_BYTES] },
}

impl PrivateKey {
    /// `DeriveKeyPair` of this KEM.
    pub(crate) fn derive(kem: KemName, seed: &[u8; 32]) -> Result<Self, KeyRefused> {
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

    pub(crate) fn public(&self) -> &[u8] {
        match self {
            Self::X25519(key) => &key.public,
            Self::XWing(key) => &key.public,
        }
    }

    /// Octets of an encapsulated key (`enc`).
    pub(crate) const fn enc_bytes(&self) -> usize {
        match self {
            Self::X25519(_) => CURVE_BYTES,
            Self::XWing(_) => LATTICE_CIPHERTEXT_BYTES + CURVE_BYTES,
        }
    }

    /// `Decap`: the shared secret; `None` for an `enc` of another length, or of small order.
    pub(crate) fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        match self {
            Self::X25519(key) => key.decapsulate(enc),
            Self::XWing(key) => key.decapsulate(enc),
        }
    }
}

impl CurveKey {
    /// The key of these octets; X25519 clamps them by itself (RFC 7748 §5).
    pub(crate) fn new(secret: &[u8; CURVE_BYTES]) -> Result<Self, KeyRefused> {
        let secret = agreement::PrivateKey::from_private_key(&X25519, secret).map_err(|_| KeyRefused)?;
        let public = secret.compute_public_key().map_err(|_| KeyRefused)?;
        let public = public.as_ref().try_into().map_err(|_| KeyRefused)?;
        Ok(Self { secret, public })
    }

    /// X25519 with a peer, handed to `then`. aws-lc refuses a result of all zeros (RFC 7748 §6.1), and with it every point of
    /// small order.
    pub(crate) fn agree<T>(&self, peer: &[u8], then: impl FnOnce(&[u8]) -> T) -> Option<T> {
        agreement::agree(&self.secret, UnparsedPublicKey::new(&X25519, peer), (), |shared| Ok(then(shared))).ok()
    }

    /// `Decap` of DHKEM.
    fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        let enc: &[u8; CURVE_BYTES] = enc.try_into().ok()?;
        self.agree(enc, |shared| extract_and_expand(shared, enc, &self.public))
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

    /// `Decapsulate` of X-Wing.
    fn decapsulate(&self, enc: &[u8]) -> Option<Secret> {
        let (ciphertext, peer) = enc.split_at_checked(LATTICE_CIPHERTEXT_BYTES)?;
        let peer: &[u8; CURVE_BYTES] = peer.try_into().ok()?;
        let of_lattice = self.lattice.decapsulate(ciphertext.into()).ok()?;
        self.curve.agree(peer, |of_curve| combine(of_lattice.as_ref(), of_curve, peer, &self.curve.public))
    }
}

impl PublicKey {
    /// Octets of a public key.
    pub(crate) const fn octets(kem: KemName) -> usize {
        match kem {
            KemName::X25519 => CURVE_BYTES,
            KemName::XWing => LATTICE_KEY_BYTES + CURVE_BYTES,
        }
    }

    /// The key of these octets. A point of the curve is looked at when it is used.
    pub(crate) fn decode(kem: KemName, octets: &[u8]) -> Result<Self, KeyRefused> {
        let (lattice, curve) = octets.split_last_chunk::<CURVE_BYTES>().ok_or(KeyRefused)?;
        match kem {
            KemName::X25519 if lattice.is_empty() => Ok(Self::X25519(*curve)),
            KemName::X25519 => Err(KeyRefused),
            KemName::XWing => {
                let lattice = lattice::EncapsulationKey::new(&ML_KEM_768, lattice).map_err(|_| KeyRefused)?;
                Ok(Self::XWing { lattice: Box::new(lattice), curve: *curve })
            }
        }
    }

    /// `Encap` with this ephemeral key of the curve: the shared secret, and what the holder of the private key needs for it.
    pub(crate) fn encapsulate(&self, ephemeral: &[u8; CURVE_BYTES]) -> Result<(Secret, Vec<u8>), KeyRefused> {
        let ephemeral = CurveKey::new(ephemeral)?;
        let agreed = match self {
            Self::X25519(key) => ephemeral
                .agree(key, |shared| extract_and_expand(shared, &ephemeral.public, key))
                .map(|secret| (secret, ephemeral.public.to_vec())),
            Self::XWing { lattice, curve } => {
                let (ciphertext, of_lattice) = lattice.encapsulate().map_err(|_| KeyRefused)?;
                ephemeral
                    .agree(curve, |of_curve| combine(of_lattice.as_ref(), of_curve, &ephemeral.public, curve))
                    .map(|secret| (secret, [ciphertext.as_ref(), &ephemeral.public].concat()))
            }
        };
        agreed.ok_or(KeyRefused)
    }
}

/// `ExtractAndExpand` of DHKEM.
fn extract_and_expand(shared: &[u8], enc: &[u8; CURVE_BYTES], public: &[u8; CURVE_BYTES]) -> Secret {
    let labeled = Labeled { suite: X25519_SUITE };
    let extracted = labeled.extract(b"", "eae_prk", shared);
    let mut context = [0; 2 * CURVE_BYTES];
    context[..CURVE_BYTES].copy_from_slice(enc);
    context[CURVE_BYTES..].copy_from_slice(public);
    let mut secret = Secret::default();
    labeled.expand(&Prk::new(&extracted), "shared_secret", &context, &mut *secret);
    secret
}

/// `Combiner` of X-Wing.
fn combine(of_lattice: &[u8], of_curve: &[u8], enc: &[u8; CURVE_BYTES], public: &[u8; CURVE_BYTES]) -> Secret {
    let mut combiner = digest::Context::new(&SHA3_256);
    [of_lattice, of_curve, enc, public, X_WING_LABEL].iter().for_each(|part| combiner.update(part));
    let mut secret = Secret::default();
    secret.copy_from_slice(combiner.finish().as_ref());
    secret
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
