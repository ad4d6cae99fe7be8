//! One user, one prover, two providers: the cast of this crate's unit tests.

use std::time::Duration;

use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{Signed, SigningKey, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) fn trust() -> TrustAnchors {
    TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![SigningKey::from_seed(&[1; 32]).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

pub(crate) fn cpi() -> Cpi {
    at(1)
}

pub(crate) fn at(number: u8) -> Cpi {
    Cpi::parse(&format!("tel:+14155552{number:03}")).unwrap()
}

/// A mapping of [`cpi`] by the usual holder, for `lifetime` from [`NOW`].
pub(crate) fn mapping(msp: &str, tags: &[&str], lifetime: Duration) -> VerifiedMapping {
    mapping_by(2, msp, tags, lifetime)
}

pub(crate) fn mapping_by(holder: u8, msp: &str, tags: &[&str], lifetime: Duration) -> VerifiedMapping {
    let (prover, holder) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[holder; 32]));
    let msp = Msp::parse(msp).unwrap();
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: cpi(),
        msp: msp.clone(),
        user_key: holder.public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
        id: [0; 16],
    };
    let credential = Signed::sign(credential, &prover);
    let mapping = Mapping {
        cpi: cpi(),
        reachability: Reachability::At { msp, psi: None },
        tags: Tags::new(tags.iter().copied()).unwrap(),
        seq: 1,
        credential_hash: credential.hash(),
        fresh: false,
        state: State::Live,
        issued_at: NOW,
        expires_at: NOW.plus(lifetime),
    };
    let document = VerifiedMapping::encode(&credential, &Signed::sign(mapping, &holder));
    crate::verify::verify(&document, &trust(), NOW).unwrap()
}
