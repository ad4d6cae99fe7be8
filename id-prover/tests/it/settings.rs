//! Settings that are refused, and what a prover says of itself.

use http::StatusCode;
use id_prover::{Config, ConfigError};
use protocol::SigningKey;
use serde_json::json;

use crate::server::{MSP, PROVER, Place, Server};

#[tokio::test]
async fn a_prover_describes_itself() {
    let place = Place::new();
    let server = Server::start(&place, place.file_config("[codes]\nlength = 6\ntries = 3")).await;
    let uri = format!("{}/.well-known/id-prover", server.base()).parse().unwrap();
    let response = place.http(Some(MSP)).get(&uri, "application/json").await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let description: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let key = id_prover::keys::public_signing_key(&place.path("state")).unwrap();
    let signing_keys = json!([{
        "key": hex::encode(key.as_bytes()),
        "thumbprint": key.thumbprint().to_string(),
        "state": "current",
    }]);
    assert_eq!(description["prover"], PROVER);
    assert_eq!(description["signing_keys"], signing_keys);
    assert_eq!(description["hpke_key"].as_str().map(str::len), Some(64));
    assert_eq!(description["methods"], json!(["sms-otp", "email-otp"]));
    assert_eq!(description["code"], json!({ "digits": 6, "lifetime_seconds": 600, "tries": 3 }));
    assert_eq!(description["limits"]["per_cpi_hour"], 5);
    assert!(description["languages"].as_array().unwrap().len() >= 10);
    assert_eq!(description["hpke_keys"][0]["key"], description["hpke_key"]);
    server.stop().await;
}

#[test]
fn keys_are_made_once() {
    let place = Place::new();
    let key = || id_prover::keys::public_signing_key(&place.path("state")).unwrap();
    assert_eq!(key(), key());
    assert_ne!(key(), SigningKey::from_seed(&[0; 32]).public());
    let other = Place::new();
    assert_ne!(key(), id_prover::keys::public_signing_key(&other.path("state")).unwrap());
}

fn refused(change: impl FnOnce(&mut Config)) -> ConfigError {
    let place = Place::new();
    let mut config = place.file_config("");
    config.check().unwrap();
    change(&mut config);
    config.check().unwrap_err()
}

#[test]
fn msps_must_show_certificates() {
    let without_tls = refused(|config| config.listener.tls = None);
    assert!(matches!(without_tls, ConfigError::NoClientCertificates));
    let without_authority = refused(|config| {
        let tls = config.listener.tls.as_mut().unwrap();
        tls.client_certificates = service::ClientCertificates::None;
        tls.client_ca = None;
    });
    assert!(matches!(without_authority, ConfigError::NoClientCertificates));
}

#[test]
fn settings_have_bounds() {
    assert!(matches!(refused(|config| config.name.clear()), ConfigError::Name));
    assert!(matches!(refused(|config| config.name = "a\nb".to_owned()), ConfigError::Name));
    for length in [5, 13] {
        assert!(matches!(refused(|config| config.codes.length = length), ConfigError::Codes(_)));
    }
    for lifetime in [59, 3601] {
        assert!(matches!(refused(|config| config.codes.lifetime_seconds = lifetime), ConfigError::Codes(_)));
    }
    for tries in [0, 11] {
        assert!(matches!(refused(|config| config.codes.tries = tries), ConfigError::Codes(_)));
    }
    for days in [0, 367] {
        assert!(matches!(refused(|config| config.credentials.lifetime_days = days), ConfigError::Lifetime));
    }
    let admitted = vec!["a.example".to_owned(), "B.example".to_owned()];
    assert!(matches!(refused(|config| config.msps.admitted = Some(admitted)), ConfigError::Msp(1)));
    let address = "0.0.0.0:0".parse().unwrap();
    let remote = refused(|config| config.admin = Some(service::AdminConfig { address, allow_remote: false }));
    assert!(matches!(remote, ConfigError::Listen(service::ListenError::Admin(_))));
    let no_courier = refused(|config| (config.courier.sms, config.courier.email) = (None, None));
    assert!(matches!(no_courier, ConfigError::NoCourier));
}

#[test]
fn unknown_settings_are_refused() {
    let table = "name = 'p'\nstate_folder = 's'\nlistener = { address = '127.0.0.1:0' }\ncourier.sms = ";
    assert!(toml::from_str::<Config>(&format!("{table}{{ kind = 'console' }}")).is_ok());
    for rest in ["{ kind = 'pigeon' }", "{ kind = 'file' }", "{ kind = 'file', outbox = 'o', inbox = 'i' }"] {
        assert!(toml::from_str::<Config>(&format!("{table}{rest}")).is_err(), "{rest}");
    }
    assert!(toml::from_str::<Config>(&format!("{table}{{ kind = 'console' }}\ncode.length = 8")).is_err());
}
