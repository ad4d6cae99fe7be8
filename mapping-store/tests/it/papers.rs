//! Documents: what users, provers and carriers sign.

use std::time::Duration;

use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const PROVER: &str = "prover.example";
pub(crate) const CARRIER: &str = "carrier.example";

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn prover_key() -> SigningKey {
    key(201)
}

pub(crate) fn carrier_key() -> SigningKey {
    key(202)
}

/// One of 10,000 telephone numbers that exist only on paper.
pub(crate) fn number(n: u32) -> Cpi {
    Cpi::parse(&format!("tel:+1415555{n:04}")).unwrap()
}

/// What goes into credential and mapping; everything else follows from it.
#[derive(Clone)]
pub(crate) struct Paper {
    pub(crate) holder: u8,
    pub(crate) cpi: Cpi,
    pub(crate) msp: Option<&'static str>,
    pub(crate) seq: u64,
    pub(crate) state: State,
    pub(crate) tags: &'static [&'static str],
    pub(crate) fresh: bool,
    pub(crate) issued: Timestamp,
    pub(crate) credential_lifetime: Duration,
    pub(crate) lifetime: Duration,
}

impl Paper {
    /// A live mapping of this number, good for thirty days.
    pub(crate) fn of(n: u32) -> Self {
        Self {
            holder: 1,
            cpi: number(n),
            msp: Some("a.example"),
            seq: 1,
            state: State::Live,
            tags: &[],
            fresh: false,
            issued: NOW,
            credential_lifetime: DEFAULT_LIFETIME,
            lifetime: 30 * DAY,
        }
    }

    pub(crate) fn withdrawal(n: u32, seq: u64) -> Self {
        Self { seq, state: State::Withdrawn, ..Self::of(n) }
    }

    pub(crate) fn credential(&self) -> CpiCredential {
        CpiCredential {
            prover: PROVER.to_owned(),
            cpi: self.cpi.clone(),
            msp: Msp::from_domain(self.msp.unwrap_or("a.example")).unwrap(),
            user_key: key(self.holder).public(),
            method: Method::SmsOtp,
            issued_at: self.issued,
            expires_at: self.issued.plus(self.credential_lifetime),
            id: [7; 16],
        }
    }

    pub(crate) fn signed_credential(&self) -> Signed<CpiCredential> {
        Signed::sign(self.credential(), &prover_key())
    }

    pub(crate) fn mapping(&self) -> Mapping {
        let msp = self.msp.map(|msp| Msp::from_domain(msp).unwrap());
        Mapping {
            cpi: self.cpi.clone(),
            reachability: msp.map_or(Reachability::Nowhere, |msp| Reachability::At { msp, psi: None }),
            tags: Tags::new(self.tags.iter().copied()).unwrap(),
            seq: self.seq,
            credential_hash: self.signed_credential().hash(),
            fresh: self.fresh,
            state: self.state,
            issued_at: self.issued,
            expires_at: self.issued.plus(self.lifetime),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        join(&self.signed_credential(), &Signed::sign(self.mapping(), &key(self.holder)))
    }
}

pub(crate) fn join(credential: &Signed<CpiCredential>, mapping: &Signed<Mapping>) -> Vec<u8> {
    VerifiedMapping::encode(credential, mapping)
}

/// The carrier takes back what was proven before `issued_before`.
pub(crate) fn removal(cpi: &Cpi, issued_before: Timestamp) -> Removal {
    Removal { issuer: CARRIER.to_owned(), cpi: cpi.clone(), issued_before, issued_at: issued_before }
}

pub(crate) fn signed_removal(cpi: &Cpi, issued_before: Timestamp) -> Vec<u8> {
    Signed::sign(removal(cpi, issued_before), &carrier_key()).bytes().to_vec()
}
