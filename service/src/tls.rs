//! TLS by rustls with aws-lc-rs: version 1.3, and 1.2 by choice; post-quantum key agreement preferred.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Deserialize;

static TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
static TLS13_AND_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// TLS of a listener, from PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose client certificates are accepted.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether clients present a certificate.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// Whether TLS 1.2 is spoken as well.
    #[serde(default)]
    pub allow_tls12: bool,
}

/// Whether clients present a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    None,
    /// They may; one that does not verify ends the handshake.
    Optional,
    /// They must.
    Required,
}

/// TLS of an outgoing connection, from PEM files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// The authorities to trust. No set of public authorities is built in.
    pub ca: Option<PathBuf>,
    /// Our certificate chain, where the other side asks for one.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM of the kind.
    #[error("cannot read {what} from {path}: {reason}")]
    File {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Two settings do not go together.
    #[error("{0}")]
    Setting(&'static str),
    /// rustls refuses the certificate or key.
    #[error("certificate and key: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsConfig {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file.
    pub fn load(&self) -> Result<ServerConfig, TlsError> {
        let versions = if self.allow_tls12 { TLS13_AND_12 } else { TLS13 };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
        let builder = match (self.client_certificates, &self.client_ca) {
            (ClientCertificates::None, None) => builder.with_no_client_auth(),
            (ClientCertificates::None, Some(_)) => {
                return Err(TlsError::Setting("client_ca is set, but client_certificates is not optional or required"));
            }
            (_, None) => return Err(TlsError::Setting("client_certificates needs client_ca")),
            (mode, Some(ca)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider);
                let verifier =
                    if mode == ClientCertificates::Optional { verifier.allow_unauthenticated() } else { verifier };
                let verifier = verifier.build().map_err(|error| unreadable("client CA", ca, error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain(&self.certificate)?, private_key(&self.key)?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.client_certificates != ClientCertificates::None {
            // In a session that is resumed nobody looks at a certificate again: it may have ended, or its authority may be gone.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }
}

impl ClientTlsConfig {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, or says that a CA file is needed.
    pub fn load(&self) -> Result<ClientConfig, TlsError> {
        let ca = self.ca.as_ref().ok_or(TlsError::Setting("ca is needed: no public authorities are built in"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(TLS13_AND_12)?
            .with_root_certificates(roots(ca)?);
        let mut config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => builder.with_client_auth_cert(chain(certificate)?, private_key(key)?)?,
            _ => return Err(TlsError::Setting("certificate and key go together")),
        };
        // Whoever has ended is not talked to again: in a session that is resumed its certificate would not be looked at.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// The TLS configuration in force, exchanged as a whole when its files change.
#[derive(Clone, Debug)]
pub struct TlsReloader {
    files: Arc<TlsConfig>,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl TlsReloader {
    pub(crate) fn new(files: TlsConfig) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(files.load()?);
        Ok(Self { files: Arc::new(files), current: Arc::new(current) })
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files anew; connections made from here on use them.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if they cannot be used; what was in force stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(self.files.load()?));
        Ok(())
    }

    /// When the files were last written, as far as that can be told.
    pub(crate) fn modified(&self) -> Vec<Option<SystemTime>> {
        self.files.files().map(|file| file.metadata().and_then(|metadata| metadata.modified()).ok()).collect()
    }
}

fn unreadable(what: &'static str, path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { what, path: path.to_owned(), reason: reason.to_string() }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |error| unreadable("a certificate", path, error);
    let chain = CertificateDer::pem_file_iter(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    if chain.is_empty() { Err(unreadable("a certificate", path, "no certificate in it")) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("a private key", path, error))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|error| unreadable("a CA certificate", path, error))?;
    }
    Ok(roots)
}
