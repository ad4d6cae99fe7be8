//! Settings that are refused before anything is served.

use gateway::config::{AllowedTarget, HttpTargetConfig};
use gateway::{Config, ConfigError};
use service::{AdminConfig, ClientCertificates, ClientTlsConfig, ListenError};

use crate::harness::Authority;
use crate::scene;

fn refused(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let mut config = scene::config(&authority, folder.path());
    config.target = Some(HttpTargetConfig {
        url: "https://store.example:8443".to_owned(),
        tls: authority.client_tls(None),
        timeout_ms: 1000,
        max_response_bytes: 1000,
        failures_to_open: 5,
        open_seconds: 5,
    });
    change(&mut config);
    config.check().err()
}

#[test]
fn who_may_ask_must_be_said() {
    assert!(refused(|_| {}).is_none());
    assert!(matches!(refused(|config| config.relays.names.clear()), Some(ConfigError::NoRelays)));
    let unasked = refused(|config| {
        let tls = config.listener.tls.as_mut().unwrap();
        (tls.client_certificates, tls.client_ca) = (ClientCertificates::None, None);
    });
    assert!(matches!(unasked, Some(ConfigError::NoClientCertificates)));
    for text in ["12:34", "12", ""] {
        let error = refused(|config| config.relays.fingerprints = vec![text.to_owned()]);
        assert!(matches!(error, Some(ConfigError::Fingerprint)), "{text}");
    }
    let plaintext = refused(|config| {
        config.listener.tls = None;
        config.listener.address = "0.0.0.0:0".parse().unwrap();
    });
    assert!(matches!(plaintext, Some(ConfigError::Listen(_))));
}

#[test]
fn what_may_be_asked_must_be_said() {
    assert!(matches!(refused(|config| config.allowed.clear()), Some(ConfigError::NoAllowed)));
    for (authority, method, path) in [
        ("Store.example", "POST", "/a"),
        ("a", "post", "/a"),
        ("a", "POST", "a"),
        ("a", "POST", "/a?b"),
        ("a", "POST", "/a/b{c}"),
        ("a", "POST", "/a/{}"),
        ("", "POST", "/"),
    ] {
        let error = refused(|config| {
            config.allowed.push(AllowedTarget {
                authority: authority.into(),
                method: method.into(),
                path: path.into(),
            });
        });
        assert!(matches!(error, Some(ConfigError::Allowed)), "{authority} {method} {path}");
    }
    assert!(matches!(refused(|config| config.target = None), Some(ConfigError::NoTarget)));
    for url in ["http://store.example", "https://store.example/path", "store.example"] {
        let error = refused(|config| config.target.as_mut().unwrap().url = url.to_owned());
        assert!(matches!(error, Some(ConfigError::TargetUrl)), "{url}");
    }
    for seconds in [0, 3601, u64::MAX] {
        let error = refused(|config| config.target.as_mut().unwrap().open_seconds = seconds);
        assert!(matches!(error, Some(ConfigError::TargetOpen)), "{seconds}");
    }
    let untrusting = refused(|config| config.target.as_mut().unwrap().tls = ClientTlsConfig::default());
    assert!(matches!(untrusting, Some(ConfigError::TargetTls(_))));
}

#[test]
fn the_provider_has_a_name_that_clients_take() {
    for (length, is_taken) in [(0, false), (1, true), (253, true), (254, false)] {
        let error = refused(|config| config.keys.provider = "p".repeat(length));
        assert_eq!(matches!(error, Some(ConfigError::Provider)), !is_taken, "{length}");
        assert_eq!(error.is_none(), is_taken, "{length}");
    }
}

#[test]
fn the_admin_endpoint_and_the_bounds_are_checked_too() {
    let address = "0.0.0.0:9102".parse().unwrap();
    let error = refused(|config| config.admin = Some(AdminConfig { address, allow_remote: false }));
    assert!(matches!(error, Some(ConfigError::Listen(ListenError::Admin(_)))));
    assert!(refused(|config| config.admin = Some(AdminConfig { address, allow_remote: true })).is_none());
    let error = refused(|config| config.listener.bounds.max_connections = 0);
    assert!(matches!(error, Some(ConfigError::Listen(ListenError::Bound { field: "max_connections", .. }))));
}

#[test]
fn keys_times_and_buckets_must_fit_together() {
    assert!(matches!(refused(|config| config.keys.kems.clear()), Some(ConfigError::Suites)));
    assert!(matches!(refused(|config| config.keys.aeads.clear()), Some(ConfigError::Suites)));
    assert!(matches!(refused(|config| config.keys.aeads.push(config.keys.aeads[0])), Some(ConfigError::Suites)));
    assert!(matches!(refused(|config| config.keys.cache_seconds = 59), Some(ConfigError::Times)));
    assert!(matches!(refused(|config| config.keys.rotation_seconds = 24 * 3600 - 1), Some(ConfigError::Times)));
    for sizes in [&[][..], &[0], &[0, 512], &[1024, 512], &[512, 512]] {
        let error = refused(|config| config.exchange.padded_response_bytes = sizes.to_vec());
        assert!(matches!(error, Some(ConfigError::Padding)), "{sizes:?}");
    }
}
