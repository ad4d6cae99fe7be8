//! Certificates that end when they are told to, for the system test.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// The authority of one system.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A moment by the clock of whoever verifies, so many seconds from now by ours, which differ by `clock`.
pub(crate) fn moment(seconds: i64, clock: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    now.saturating_add_signed(clock + seconds)
}

impl Authority {
    pub(crate) fn create(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "system test");
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Writes `name.pem` and `name.key`, in place of those that were there; good until `ends`, in seconds since 1970.
    pub(crate) fn issue(&self, name: &str, names: &[String], ends: u64) {
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ends);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        // Both in one rename each: whoever reads between them finds a pair that does not fit, and keeps what it has.
        service::secret_file::write(&self.folder.join(format!("{name}.key")), key.serialize_pem().as_bytes()).unwrap();
        service::secret_file::write(&self.folder.join(format!("{name}.pem")), certificate.pem().as_bytes()).unwrap();
    }

    /// Certificate and key, as a client presents them.
    pub(crate) fn pair(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let read = |end: &str| std::fs::read(self.folder.join(format!("{name}.{end}"))).unwrap();
        (read("pem"), read("key"))
    }
}
