//! Certificates, made for one test: shared by the integration tests of all that listen.

#![allow(dead_code, reason = "each of the test binaries uses a part of it")]

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority with its name and key.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) parsed: Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        self.issuer.as_ref()
    }

    /// For both ends of a connection, under these names or addresses.
    pub(crate) fn certify(&self, names: &[&str]) -> Certified {
        self.sign(names, &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// For a server of this name or address.
    pub(crate) fn server(&self, name: &str) -> Certified {
        self.sign(&[name], &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// For a client of this name.
    pub(crate) fn client(&self, name: &str) -> Certified {
        self.sign(&[name], &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn sign(&self, names: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> Certified {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate().unwrap();
        let parsed = params.signed_by(&key, &self.issuer).unwrap();
        Certified { certificate: parsed.pem(), key: key.serialize_pem(), parsed }
    }
}

impl Certified {
    /// Writes both to files whose names begin with `name`: certificate, key.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (certificate, key)
    }
}
