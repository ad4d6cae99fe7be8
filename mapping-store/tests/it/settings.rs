//! The sample configuration is complete and right; wrong settings are refused by name.

use mapping_store::{Config, ConfigError};

use crate::place::Place;

#[test]
fn the_sample_is_read() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/mapping-store.toml");
    let config: Config = service::load_config(sample.as_ref()).unwrap();
    assert_eq!(config.store.provers.len(), 1);
    assert_eq!(config.store.issuers.len(), 1);
    assert_eq!(config.gateways.names.len(), 1);
    assert_eq!(config.store.cache_bytes, 256 << 20);
    assert!(config.admin.is_some() && config.listener.tls.is_some());
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let place = Place::new();
    let refusal = |change: fn(&mut Config)| {
        let mut config = place.config();
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(matches!(refusal(|config| config.store.provers.clear()), ConfigError::NoProver));
    assert!(matches!(refusal(|config| config.store.provers[0].keys.clear()), ConfigError::Prover { .. }));
    assert!(matches!(refusal(|config| config.store.issuers[0].key = "00".to_owned()), ConfigError::Issuer { .. }));
    let range = |config: &mut Config| config.store.issuers[0].number_prefixes = vec!["1415".to_owned()];
    assert!(matches!(refusal(range), ConfigError::IssuerRange { .. }));
    assert!(matches!(refusal(|config| config.gateways.fingerprints = vec!["x".to_owned()]), ConfigError::Fingerprint));
    assert!(matches!(refusal(|config| config.listener.tls = None), ConfigError::NoClientCertificates));
}
