//! The sample configuration is complete and right; wrong settings are refused by name.

use std::path::PathBuf;

use mapping_store::config::StoreConfig;
use mapping_store::storage::ClusterConfig;
use mapping_store::{Config, ConfigError, OpenError, Store};
use service::{ClientTlsConfig, ListenError};

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

/// Without a folder: the database is in the cluster.
#[test]
fn the_sample_of_a_cluster_is_read() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/mapping-store-cluster.toml");
    let config: Config = service::load_config(sample.as_ref()).unwrap();
    assert_eq!(config.store.folder, PathBuf::new());
    let cluster = config.store.cluster.unwrap();
    assert_eq!(cluster.check(), Ok(()));
    assert!(cluster.tls.is_some() && cluster.password_file.is_some());
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
    let remote = |config: &mut Config| config.admin.as_mut().unwrap().address = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(refusal(remote), ConfigError::Listen(ListenError::Admin(_))));
    assert!(matches!(refusal(|config| config.store.folder = PathBuf::new()), ConfigError::NoFolder));
    for provider in [String::new(), "p".repeat(254), "dp\n.example".to_owned()] {
        let config = Config { store: StoreConfig { provider, ..place.config().store }, ..place.config() };
        assert!(matches!(config.check(), Err(ConfigError::Provider)));
        assert!(matches!(Store::open(&config.store, place.clock()), Err(OpenError::Config(ConfigError::Provider))));
    }
    let longest = StoreConfig { provider: "p".repeat(253), ..place.config().store };
    Config { store: longest, ..place.config() }.check().unwrap();
}

/// As far as it goes without a connection.
#[test]
fn wrong_settings_of_a_cluster_are_refused_by_name() {
    let place = Place::new();
    let refusal = |change: fn(&mut ClusterConfig, &Place)| {
        let mut cluster = ClusterConfig::of(vec!["127.0.0.1:1".to_owned()], "store");
        change(&mut cluster, &place);
        let store = StoreConfig { cluster: Some(cluster), folder: PathBuf::new(), ..place.config().store };
        Config { store, ..place.config() }.check()
    };
    refusal(|_, _| {}).unwrap();
    let error = refusal(|cluster, _| cluster.nodes.clear()).unwrap_err();
    assert!(matches!(error, ConfigError::Cluster(_)) && error.to_string().contains("nodes"), "{error}");
    refusal(|cluster, place| trust(cluster, place.path("ca.pem"))).unwrap();
    let error = refusal(|cluster, place| trust(cluster, place.path("no-ca.pem"))).unwrap_err();
    assert!(matches!(error, ConfigError::ClusterTls(_)) && error.to_string().contains("no-ca.pem"), "{error}");
    let error = refusal(|cluster, place| {
        (cluster.username, cluster.password_file) = (Some("store".to_owned()), Some(place.path("no-password")));
    });
    assert!(matches!(error, Err(ConfigError::ClusterPassword { path, .. }) if path == place.path("no-password")));
}

fn trust(cluster: &mut ClusterConfig, ca: PathBuf) {
    cluster.tls = Some(ClientTlsConfig { ca: Some(ca), certificate: None, key: None });
}
