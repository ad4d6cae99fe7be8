//! Who is at the other end of a connection, and whether it is let in. A [`Peer`] is inserted into the extensions of every request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use serde::Deserialize;
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

/// Who may do something, by verified certificates: a match in either list is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificatesConfig {
    /// DNS names in the certificates.
    pub names: Vec<String>,
    /// SHA-256 fingerprints of the certificates, in hexadecimal.
    pub fingerprints: Vec<String>,
}

impl CertificatesConfig {
    /// Whether nobody is named.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.fingerprints.is_empty()
    }

    /// The certificates that are named; `None` if a fingerprint is not 64 hexadecimal digits.
    #[must_use]
    pub fn read(&self) -> Option<Certificates> {
        Certificates::named(&self.names, &self.fingerprints)
    }
}

/// Certificates that are let in.
#[derive(Clone, Debug)]
pub struct Certificates {
    names: Vec<String>,
    fingerprints: Vec<[u8; 32]>,
}

impl Certificates {
    /// Those with one of these DNS names or fingerprints; `None` if a fingerprint is not 64 hexadecimal digits.
    #[must_use]
    pub fn named(names: &[String], fingerprints: &[String]) -> Option<Self> {
        let read = |text: &String| hex::decode(text).ok()?.try_into().ok();
        Some(Self {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            fingerprints: fingerprints.iter().map(read).collect::<Option<_>>()?,
        })
    }

    /// Whether this peer has presented one of them.
    #[must_use]
    pub fn admit(&self, peer: Option<&Peer>) -> bool {
        peer.and_then(|peer| peer.certificate.as_ref()).is_some_and(|certificate| {
            self.fingerprints.contains(&certificate.fingerprint())
                || certificate.dns_names().iter().any(|name| self.names.contains(name))
        })
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
