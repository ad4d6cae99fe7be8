//! What may be bound.

use std::net::SocketAddr;

use service::{AdminConfig, Bounds, ClientCertificates, ListenError, Listener, ListenerConfig, TlsError};

use crate::harness::Authority;

fn everywhere() -> SocketAddr {
    "0.0.0.0:0".parse().unwrap()
}

#[tokio::test]
async fn plaintext_beyond_loopback_is_refused_unless_asked_for() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let config = ListenerConfig { address: address.parse().unwrap(), ..ListenerConfig::loopback() };
        assert!(matches!(config.check(), Err(ListenError::Plaintext(_))), "{address}");
        assert!(matches!(Listener::bind(&config).await, Err(ListenError::Plaintext(_))), "{address}");
    }
    let asked = ListenerConfig { address: everywhere(), allow_plaintext: true, ..ListenerConfig::loopback() };
    assert_ne!(Listener::bind(&asked).await.unwrap().local_addr().port(), 0);
}

#[tokio::test]
async fn tls_may_be_spoken_everywhere() {
    let authority = Authority::new();
    let tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let config = ListenerConfig { address: everywhere(), tls: Some(tls), ..ListenerConfig::loopback() };
    assert!(Listener::bind(&config).await.unwrap().tls_reloader().is_some());
}

#[tokio::test]
async fn the_admin_endpoint_stays_on_loopback_unless_asked_for() {
    let mut config = AdminConfig { address: everywhere(), allow_remote: false };
    let refused = config.check().unwrap_err();
    assert_eq!(refused.to_string(), "admin: 0.0.0.0:0 is no loopback address: set allow_remote = true");
    assert!(matches!(config.bind().await, Err(ListenError::Admin(_))));
    config.allow_remote = true;
    assert!(config.check().is_ok() && config.bind().await.is_ok());
}

#[tokio::test]
async fn bounds_within_which_nothing_can_be_served_are_refused_by_name() {
    let refused = |rule: &str, change: fn(&mut Bounds)| {
        let mut config = ListenerConfig::loopback();
        change(&mut config.bounds);
        assert_eq!(config.check().unwrap_err().to_string(), format!("bounds: {rule}"));
        config
    };
    refused("max_connections is too large to be counted", |bounds| bounds.max_connections = usize::MAX);
    refused("max_connections_per_address must be at least 1", |bounds| bounds.max_connections_per_address = 0);
    refused("max_streams_per_connection must be at least 1", |bounds| bounds.max_streams_per_connection = 0);
    refused("max_header_bytes must be at least 8192", |bounds| bounds.max_header_bytes = 8191);
    refused("max_headers must be at least 1", |bounds| bounds.max_headers = 0);
    refused("tls_handshake_timeout_ms must be at least 1", |bounds| bounds.tls_handshake_timeout_ms = 0);
    refused("header_timeout_ms must be at least 1", |bounds| bounds.header_timeout_ms = 0);
    refused("idle_timeout_ms must be at least 1", |bounds| bounds.idle_timeout_ms = 0);
    let config = refused("max_connections must be at least 1", |bounds| bounds.max_connections = 0);
    assert!(matches!(Listener::bind(&config).await, Err(ListenError::Bound { field: "max_connections", .. })));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = Listener::bind(&ListenerConfig::loopback()).await.unwrap();
    let config = ListenerConfig { address: first.local_addr(), ..ListenerConfig::loopback() };
    let Err(ListenError::Bind { address, .. }) = Listener::bind(&config).await else { panic!("bound twice") };
    assert_eq!(address, first.local_addr());
}

#[tokio::test]
async fn a_tls_file_that_cannot_be_used_is_named() {
    let authority = Authority::new();
    let good = authority.server_tls(&authority.issue_server("server"), ClientCertificates::Required);
    let refused = |tls| {
        let config = ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() };
        let Err(ListenError::Tls(error)) = config.check() else { panic!("accepted") };
        error
    };
    let mut missing = good.clone();
    missing.key = "/nowhere/server.key".into();
    assert!(
        matches!(refused(missing), TlsError::File { what: "a private key", path, .. } if path.ends_with("server.key"))
    );
    let mut swapped = good.clone();
    std::mem::swap(&mut swapped.certificate, &mut swapped.key);
    assert!(matches!(refused(swapped), TlsError::File { what: "a certificate", .. }));
    let mut of_another = good.clone();
    of_another.key = authority.issue_server("other").key;
    assert!(matches!(refused(of_another), TlsError::Rustls(_)));
    let mut without_ca = good.clone();
    without_ca.client_ca = None;
    assert!(matches!(refused(without_ca), TlsError::Setting(_)));
    let mut without_mode = good;
    without_mode.client_certificates = ClientCertificates::None;
    assert!(matches!(refused(without_mode), TlsError::Setting(_)));
}
