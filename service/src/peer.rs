//! Who is at the other end of a connection. Inserted into the extensions of every request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The other end of a connection. `Debug` does not show its address.
#[derive(Clone)]
pub struct Peer {
    /// Its socket address.
    pub address: SocketAddr,
    /// Its certificate, verified against the listener's client CA, if it presented one.
    pub certificate: Option<PeerCertificate>,
}

/// What a listener remembers of a verified client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    dns_names: Arc<[String]>,
    fingerprint: [u8; 32],
}

impl PeerCertificate {
    pub(crate) fn from_der(certificate: &CertificateDer<'_>) -> Self {
        Self { dns_names: dns_names(certificate).into(), fingerprint: Sha256::digest(certificate).into() }
    }

    /// Its subject alternative names of type DNS, in lower case.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// SHA-256 of its DER encoding.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("certificate", &self.certificate.is_some()).finish_non_exhaustive()
    }
}

fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}
