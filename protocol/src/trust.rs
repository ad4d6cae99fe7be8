//! Whom a verifier trusts to have proven possession, and for what.

use std::time::Duration;

use documents::key::{PublicKey, Thumbprint};
use serde::{Deserialize, Serialize};

use crate::credential::Method;

/// One trusted ID Prover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// Its name, as in the `iss` of its credentials.
    pub prover: String,
    /// Its signing keys: current, next, and retired ones whose credentials still live.
    pub keys: Vec<PublicKey>,
    /// The methods it is trusted for.
    pub methods: Vec<Method>,
    /// The longest lifetime of a credential that is accepted from it.
    pub max_credential_lifetime: Duration,
}

/// All trusted ID Provers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor>,
}

impl TrustAnchors {
    /// From a list of provers.
    #[must_use]
    pub fn new(anchors: Vec<TrustAnchor>) -> Self {
        Self { anchors }
    }

    /// The prover of this name that has a key of this thumbprint, and the key.
    #[must_use]
    pub fn find(&self, prover: &str, kid: &Thumbprint) -> Option<(&TrustAnchor, &PublicKey)> {
        let anchors = self.anchors.iter().filter(|anchor| anchor.prover == prover);
        anchors
            .flat_map(|anchor| anchor.keys.iter().map(move |key| (anchor, key)))
            .find(|(_, key)| key.thumbprint() == *kid)
    }

    /// The longest life of any credential that is accepted.
    #[must_use]
    pub fn max_credential_lifetime(&self) -> Duration {
        self.anchors.iter().map(|anchor| anchor.max_credential_lifetime).max().unwrap_or_default()
    }

    /// The trusted provers.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.anchors.iter()
    }
}

/// A trust anchor as configuration files have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustAnchorTable {
    /// The prover's name.
    pub name: String,
    /// Its signing keys, each of 64 hexadecimal digits.
    pub keys: Vec<String>,
    /// `sms-otp`, `email-otp`.
    pub methods: Vec<String>,
    /// The longest lifetime of a credential, in days: 45 without it.
    #[serde(default = "default_days")]
    pub max_credential_days: u32,
}

/// Why a trust anchor was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustAnchorError {
    /// Not 64 hexadecimal digits of a valid key.
    #[error("a key has 64 hexadecimal digits and must be a valid Ed25519 public key")]
    Key,
    /// No such method.
    #[error("a method is sms-otp or email-otp")]
    Method,
    /// No key at all.
    #[error("a prover needs at least one key")]
    NoKey,
}

const SECONDS_A_DAY: u64 = 24 * 3600;

const fn default_days() -> u32 {
    45
}

/// Reads an Ed25519 public key of 64 hexadecimal digits.
///
/// # Errors
///
/// [`TrustAnchorError::Key`].
pub fn parse_key(text: &str) -> Result<PublicKey, TrustAnchorError> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(TrustAnchorError::Key)?;
    PublicKey::from_bytes(&bytes).map_err(|_| TrustAnchorError::Key)
}

impl TryFrom<TrustAnchorTable> for TrustAnchor {
    type Error = TrustAnchorError;

    fn try_from(table: TrustAnchorTable) -> Result<Self, TrustAnchorError> {
        if table.keys.is_empty() {
            return Err(TrustAnchorError::NoKey);
        }
        let method = |name: &String| Method::parse(name).ok_or(TrustAnchorError::Method);
        Ok(Self {
            prover: table.name,
            keys: table.keys.iter().map(|key| parse_key(key)).collect::<Result<_, _>>()?,
            methods: table.methods.iter().map(method).collect::<Result<_, _>>()?,
            max_credential_lifetime: Duration::from_secs(u64::from(table.max_credential_days) * SECONDS_A_DAY),
        })
    }
}

impl From<&TrustAnchor> for TrustAnchorTable {
    fn from(anchor: &TrustAnchor) -> Self {
        let days = anchor.max_credential_lifetime.as_secs() / SECONDS_A_DAY;
        Self {
            name: anchor.prover.clone(),
            keys: anchor.keys.iter().map(|key| hex::encode(key.as_bytes())).collect(),
            methods: anchor.methods.iter().map(|method| method.as_str().to_owned()).collect(),
            max_credential_days: u32::try_from(days).unwrap_or(u32::MAX),
        }
    }
}
