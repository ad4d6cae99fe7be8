//! Settings that are refused before anything is served.

use std::net::SocketAddr;

use relay::{Config, ConfigError};
use service::{AdminConfig, ListenError};

use crate::harness::Authority;
use crate::scene;

fn refused(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
    let authority = Authority::new();
    let mut config = scene::config(&authority, SocketAddr::from(([127, 0, 0, 1], 443)));
    change(&mut config);
    config.check().err()
}

#[test]
fn what_cannot_work_is_named() {
    assert!(refused(|_| {}).is_none());
    assert!(matches!(refused(|config| config.routes.clear()), Some(ConfigError::NoRoute)));
    for path in ["provider", "/provider/", "/provider?a", "/provider#a", ""] {
        let error = refused(|config| config.routes[0].path = path.to_owned());
        assert!(matches!(error, Some(ConfigError::Path(named)) if named == path), "{path}");
    }
    let twice = refused(|config| config.routes.push(config.routes[0].clone()));
    assert!(matches!(twice, Some(ConfigError::Path(_))));
    for gateway in ["http://gateway.example/", "gateway.example", "/", "https://"] {
        let error = refused(|config| config.routes[0].gateway = gateway.to_owned());
        assert!(matches!(error, Some(ConfigError::Gateway(_))), "{gateway}");
    }
    assert!(matches!(refused(|config| config.routes[0].tls.ca = None), Some(ConfigError::Tls { .. })));
    assert!(matches!(refused(|config| config.routes[0].tls.key = None), Some(ConfigError::Tls { .. })));
    let plaintext = refused(|config| {
        config.listener.tls = None;
        config.listener.address = "0.0.0.0:0".parse().unwrap();
    });
    assert!(matches!(plaintext, Some(ConfigError::Listen(_))));
    let admin = AdminConfig { address: "0.0.0.0:9101".parse().unwrap(), allow_remote: false };
    let remote = refused(|config| config.admin = Some(admin));
    assert!(matches!(remote, Some(ConfigError::Listen(ListenError::Admin(_)))));
}
