//! One user, one prover, one provider: the cast of this crate's tests and vectors.

use std::time::Duration;

use rand_core::{TryCryptoRng, TryRng};

use crate::cpi::Cpi;
use crate::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use crate::mapping::{Mapping, Reachability, State, Tags};
use crate::mimi_uri::{Msp, Psi};
use crate::trust::{TrustAnchor, TrustAnchors};
use crate::{Signed, SigningKey, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn user() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn prover() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn provider() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

pub(crate) fn cpi() -> Cpi {
    Cpi::parse("tel:+14155552671").unwrap()
}

pub(crate) fn msp() -> Msp {
    Msp::parse("mimi://a.example").unwrap()
}

pub(crate) fn credential() -> CpiCredential {
    CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: cpi(),
        msp: msp(),
        user_key: user().public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
        id: [9; 16],
    }
}

pub(crate) fn signed_credential() -> Signed<CpiCredential> {
    Signed::sign(credential(), &prover())
}

pub(crate) fn mapping() -> Mapping {
    Mapping {
        cpi: cpi(),
        reachability: Reachability::At { msp: msp(), psi: Some(Psi::parse("mimi://a.example/u/alice").unwrap()) },
        tags: Tags::new(["Default", "Business"]).unwrap(),
        seq: 1,
        credential_hash: signed_credential().hash(),
        fresh: false,
        state: State::Live,
        issued_at: NOW,
        expires_at: NOW.plus(30 * DAY),
    }
}

pub(crate) fn anchor() -> TrustAnchor {
    TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![prover().public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }
}

pub(crate) fn trust() -> TrustAnchors {
    TrustAnchors::new(vec![anchor()])
}

/// A counter in place of randomness: what is sealed with it is the same every time.
pub(crate) struct Counter(pub(crate) u8);

impl TryRng for Counter {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.0 = self.0.wrapping_add(1);
        Ok(self.0.into())
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.try_next_u32().map(u64::from)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}
