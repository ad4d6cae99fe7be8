//! The configuration of each party of a local stack, as its own binary would read it from a file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use client::trust::{ProviderTrust, Trust};
use protocol::PublicKey;
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::trust::{TrustAnchor, TrustAnchorTable, TrustAnchors};
use service::{CertificatesConfig, ClientCertificates, ClientTlsConfig, ListenerConfig, Rate, TlsConfig};

use crate::certificates::Identity;

use super::EmailRoute;

/// The provider's name: in receipts, in the key configuration, and as the authority that capsules name.
pub(super) const PROVIDER: &str = "provider.example";
/// The ID Prover's name.
pub(super) const PROVER: &str = "prover.example";
/// The name in the relay's client certificate.
pub(super) const RELAY: &str = "relay.example";
/// The name in the certificate of who may read the change feed.
pub(super) const FOLLOWER: &str = "follower.example";

const HOUR: u64 = 3600;
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// So high that no person at a terminal meets them; the shipped defaults are in `docs/samples/`.
const NO_LIMIT: u32 = 1_000_000;

/// Where a party listens, how it shows itself, and where it keeps its state.
pub(super) struct Place<'a> {
    pub(super) address: SocketAddr,
    pub(super) identity: &'a Identity,
    pub(super) ca: &'a Path,
    pub(super) state: PathBuf,
}

impl Place<'_> {
    fn listener(&self, client_certificates: ClientCertificates) -> ListenerConfig {
        let client_ca = (client_certificates != ClientCertificates::None).then(|| self.ca.to_owned());
        let tls = TlsConfig {
            certificate: self.identity.certificate.clone(),
            key: self.identity.key.clone(),
            client_ca,
            client_certificates,
            allow_tls12: false,
        };
        ListenerConfig { address: self.address, tls: Some(tls), ..ListenerConfig::loopback() }
    }

    pub(super) fn relay(&self, gateway_url: &str, client: &Identity) -> relay::Config {
        let tls = ClientTlsConfig {
            ca: Some(self.ca.to_owned()),
            certificate: Some(client.certificate.clone()),
            key: Some(client.key.clone()),
        };
        let limits = relay::config::Limits {
            per_address: Rate::new(NO_LIMIT, 60),
            total: Rate::new(NO_LIMIT, 60),
            ..relay::config::Limits::default()
        };
        relay::Config {
            listener: self.listener(ClientCertificates::None),
            admin: None,
            routes: vec![relay::config::RouteConfig { path: "/".to_owned(), gateway: gateway_url.to_owned(), tls }],
            limits,
            exchange: relay::config::Exchange::default(),
        }
    }

    pub(super) fn gateway(&self) -> gateway::Config {
        use gateway::config::{AeadName, AllowedTarget, KemName, KeysConfig, RelaysConfig};
        gateway::Config {
            listener: self.listener(ClientCertificates::Required),
            admin: None,
            relays: RelaysConfig { names: vec![RELAY.to_owned()], ..RelaysConfig::default() },
            keys: KeysConfig {
                state_file: self.state.join("keys.json"),
                shared: false,
                provider: PROVIDER.to_owned(),
                signing_key_file: self.state.join("key-configuration.key"),
                rotation_seconds: 24 * HOUR,
                cache_seconds: HOUR,
                kems: vec![KemName::X25519],
                aeads: vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305],
            },
            allowed: [protocol::lookup::PATH.to_owned(), format!("{}{{domain}}", protocol::mimi_query::PATH_PREFIX)]
                .map(|path| AllowedTarget { authority: PROVIDER.to_owned(), method: "POST".to_owned(), path })
                .to_vec(),
            target: None,
            limits: gateway::config::Limits::default(),
            exchange: gateway::config::Exchange::default(),
        }
    }

    pub(super) fn store(&self, provers: &TrustAnchors) -> mapping_store::Config {
        use mapping_store::config::{Limits, StoreConfig};
        mapping_store::Config {
            listener: self.listener(ClientCertificates::Optional),
            admin: None,
            store: StoreConfig {
                provider: PROVIDER.to_owned(),
                folder: self.state.join("database"),
                hash_key_file: self.state.join("hash.key"),
                receipt_key_file: self.state.join("receipt.key"),
                provers: provers.iter().map(TrustAnchorTable::from).collect(),
                issuers: Vec::new(),
                cluster: None,
                cache_bytes: CACHE_BYTES,
                max_answer_bytes: 900 * 1024,
            },
            gateways: CertificatesConfig::default(),
            followers: CertificatesConfig { names: vec![FOLLOWER.to_owned()], ..CertificatesConfig::default() },
            limits: Limits { per_publisher: Rate::new(NO_LIMIT, 60), total: Rate::new(NO_LIMIT, 60) },
        }
    }

    pub(super) fn prover(&self, outbox: &Path, email: &EmailRoute) -> id_prover::Config {
        use id_prover::config::{
            CourierConfig, CouriersConfig, FileCourierConfig, LimitsConfig, SmtpConfig, SmtpSecurity,
        };
        let files = CourierConfig::File(FileCourierConfig { outbox: outbox.to_owned() });
        let email = match email {
            EmailRoute::Outbox => files.clone(),
            EmailRoute::Smtp { port } => CourierConfig::Smtp(SmtpConfig {
                host: "localhost".to_owned(),
                port: Some(*port),
                security: SmtpSecurity::Starttls,
                allow_plaintext: false,
                ca_file: Some(self.ca.to_owned()),
                from: format!("ID Prover <codes@{PROVER}>"),
                user: None,
                password_file: None,
                connections: 16,
                timeout_ms: 10_000,
                delivery_timeout_ms: 30_000,
            }),
        };
        let limits = LimitsConfig {
            total: Rate::new(NO_LIMIT, 60),
            per_msp: Rate::new(NO_LIMIT, 60),
            per_number_range: Rate::new(NO_LIMIT, 60),
            ..LimitsConfig::default()
        };
        id_prover::Config {
            name: PROVER.to_owned(),
            state_folder: self.state.clone(),
            listener: self.listener(ClientCertificates::Required),
            admin: None,
            courier: CouriersConfig { sms: Some(files), email: Some(email) },
            codes: id_prover::config::CodesConfig::default(),
            credentials: id_prover::config::CredentialsConfig::default(),
            msps: id_prover::config::MspsConfig::default(),
            limits,
            cluster: None,
            cache_bytes: CACHE_BYTES,
        }
    }
}

/// Where ports begin, or the system's choice.
pub(super) fn address(base_port: Option<u16>, offset: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, base_port.map_or(0, |base| base.saturating_add(offset))))
}

/// The stack's own prover as a trust anchor.
pub(super) fn anchors(key: PublicKey) -> TrustAnchors {
    TrustAnchors::new(vec![TrustAnchor {
        prover: PROVER.to_owned(),
        keys: vec![key],
        methods: vec![Method::SmsOtp, Method::EmailOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }])
}

/// The trust file of the stack's clients.
pub(super) fn trust(key_configuration_key: PublicKey, receipt_key: PublicKey, provers: TrustAnchors) -> Trust {
    let provider = ProviderTrust { name: PROVIDER.to_owned(), key_configuration_key, receipt_key };
    Trust { provider, provers }
}
