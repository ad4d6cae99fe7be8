//! What several targets hold documents to: the prover and the identifier of `docs/vectors`, among which are their seeds.

use std::sync::LazyLock;

use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::trust::{TrustAnchor, TrustAnchors};

/// The prover whose key seals the vectors' credentials.
pub static TRUST: LazyLock<TrustAnchors> = LazyLock::new(|| {
    TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![SigningKey::from_seed(&[2; 32]).public()],
        methods: vec![Method::SmsOtp, Method::EmailOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
});

/// The identifier that the vectors' mappings are of.
pub static CPI: LazyLock<Cpi> = LazyLock::new(|| Cpi::parse("tel:+14155552671").expect("a canonical number"));
