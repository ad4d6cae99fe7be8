// One user, one prover, one provider: the cast of the examples in the documentation and of the integration tests. Examples
// include this file into a module of their own, so that it has no inner documentation.

use std::time::Duration;

use client::trust::{ProviderTrust, Trust};
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{Signed, SigningKey, Timestamp};

/// The present time.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// The holder of [`cpi`], as a seed.
pub(crate) const HOLDER: u8 = 2;

/// The identifier of the examples.
pub(crate) fn cpi() -> Cpi {
    number(5_552_671)
}

/// A telephone number with these last seven digits.
pub(crate) fn number(digits: usize) -> Cpi {
    Cpi::parse(&format!("tel:+1415{digits:07}")).expect("a canonical number")
}

/// A key by its seed: 1 is the prover's, 9 the provider's.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// Whom to trust.
pub(crate) fn trust() -> Trust {
    let provers = TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![key(1).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }]);
    let provider = ProviderTrust {
        name: "provider.example".to_owned(),
        key_configuration_key: key(9).public(),
        receipt_key: key(9).public(),
    };
    Trust { provider, provers }
}

/// The encoded mapping of [`cpi`] to `msp`.
pub(crate) fn document(msp: &str, tags: &[&str]) -> Vec<u8> {
    signed(&cpi(), HOLDER, msp, tags, 1, State::Live)
}

/// The verified mapping of [`cpi`] to `msp`.
pub(crate) fn mapping(msp: &str, tags: &[&str]) -> VerifiedMapping {
    client::verify::verify(&document(msp, tags), &trust().provers, NOW).expect("it was just made")
}

/// A credential of `holder`'s for `cpi` at `msp`, issued at [`NOW`].
pub(crate) fn credential(cpi: &Cpi, holder: u8, msp: &str) -> Signed<CpiCredential> {
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: cpi.clone(),
        msp: Msp::parse(msp).expect("a provider"),
        user_key: key(holder).public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(DEFAULT_LIFETIME),
        id: [0; 16],
    };
    Signed::sign(credential, &key(1))
}

/// Any mapping, encoded; its credential is issued at [`NOW`], and it holds for 30 days.
pub(crate) fn signed(cpi: &Cpi, holder: u8, msp: &str, tags: &[&str], seq: u64, state: State) -> Vec<u8> {
    let credential = credential(cpi, holder, msp);
    let mapping = Mapping {
        cpi: cpi.clone(),
        reachability: Reachability::At { msp: Msp::parse(msp).expect("a provider"), psi: None },
        tags: Tags::new(tags.iter().copied()).expect("tags"),
        seq,
        credential_hash: credential.hash(),
        fresh: false,
        state,
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(30 * 24 * 3600)),
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, &key(holder)))
}

/// The certificate of some authority, as PEM.
pub(crate) fn ca_pem() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.self_signed(&key).expect("a certificate").pem().into_bytes()
}
