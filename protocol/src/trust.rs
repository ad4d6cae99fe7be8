//! Whom a verifier trusts to have proven possession, and for what.

use std::time::Duration;

use documents::key::{PublicKey, Thumbprint};

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

    /// The trusted provers.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.anchors.iter()
    }
}
