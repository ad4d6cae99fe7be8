//! Fresh certificates for a local stack: one authority, and what it issues to the five parties.
//!
//! For development and tests. Every start makes new keys; nothing outside the stack trusts them.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use service::secret_file::{self, SecretFileError};

/// An authority that lives as long as the stack.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    certificate: PathBuf,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate (PEM).
    pub certificate: PathBuf,
    /// The key (PEM, mode 0600).
    pub key: PathBuf,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate itself.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Its file.
    #[error("cannot write a certificate: {0}")]
    Write(#[from] io::Error),
    /// The file of its key.
    #[error(transparent)]
    Key(#[from] SecretFileError),
}

impl Authority {
    /// Makes an authority whose files live in `folder`.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn create(folder: &Path) -> Result<Self, CertificateError> {
        std::fs::create_dir_all(folder)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "MIMI discovery local stack");
        let key = KeyPair::generate()?;
        let certificate = folder.join("ca.pem");
        std::fs::write(&certificate, params.self_signed(&key)?.pem())?;
        Ok(Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), certificate })
    }

    /// The authority's certificate (PEM).
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Issues a certificate for `names` (DNS names or IP addresses), good for both ends of a connection.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn issue(&self, label: &str, names: &[&str]) -> Result<Identity, CertificateError> {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, label);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.folder.join(format!("{label}.pem")),
            key: self.folder.join(format!("{label}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem())?;
        secret_file::write(&identity.key, key.serialize_pem().as_bytes())?;
        Ok(identity)
    }
}
