//! Settings as what they stand for: trust, a client, a desk, connections.

use std::path::{Path, PathBuf};

use client::http::{Bounds, HttpClient, TlsIdentity};
use client::lookup::{Builder, Client};
use client::relays::Relay;
use client::trust::Trust;
use http::Uri;
use protocol::cpi::Region;
use protocol::lookup;
use protocol::mimi_uri::Msp;

use super::{Key, Settings};
use crate::enroll::{Desk, read_trust_file};
use crate::failure::Failure;

/// Where a relay serves the gateway's keys, below the path for capsules.
const KEYS_PATH: &str = "/.well-known/ohttp-gateway";

impl Settings {
    /// A setting that has one value, as text.
    #[must_use]
    pub fn text(&self, key: Key) -> Option<&str> {
        self.values.get(&key).and_then(|(values, _)| values.first()).map(String::as_str)
    }

    /// A setting that names a file or a folder.
    #[must_use]
    pub fn path(&self, key: Key) -> Option<&Path> {
        self.text(key).map(Path::new)
    }

    /// A setting without which it cannot be done.
    ///
    /// # Errors
    ///
    /// [`Failure`] says how to give it.
    pub fn required(&self, key: Key) -> Result<&str, Failure> {
        self.text(key).ok_or_else(|| missing(key))
    }

    /// Where numbers without country code are at home.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it is no region.
    pub fn region(&self) -> Result<Option<Region>, Failure> {
        let read = |text| Region::parse(text).map_err(|error| self.wrong(Key::Region, error));
        self.text(Key::Region).map(read).transpose()
    }

    /// Whom to believe.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is no trust file, or it cannot be read.
    pub fn trust(&self) -> Result<Trust, Failure> {
        read_trust_file(Path::new(self.required(Key::Trust)?)).map_err(|error| self.wrong(Key::Trust, error))
    }

    /// The relays, at least one.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is none, or one is no `https` URL.
    pub fn relays(&self) -> Result<Vec<Relay>, Failure> {
        let (urls, _) = self.values.get(&Key::Relays).ok_or_else(|| missing(Key::Relays))?;
        let relay = |url: &String| {
            let capsules = self.https(Key::Relays, url)?;
            let keys = self.https(Key::Relays, &format!("{}{KEYS_PATH}", url.trim_end_matches('/')))?;
            Ok(Relay { capsules, keys })
        };
        let relays = urls.iter().map(relay).collect::<Result<Vec<_>, Failure>>()?;
        if relays.is_empty() { Err(missing(Key::Relays)) } else { Ok(relays) }
    }

    /// A client through these relays, to be built.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the setting that is missing or wrong.
    pub fn client(&self) -> Result<Builder, Failure> {
        let trust = self.trust()?;
        let target = match self.text(Key::Lookup) {
            Some(url) => self.https(Key::Lookup, url)?,
            None => self.https(Key::Trust, &format!("https://{}{}", trust.provider.name, lookup::PATH))?,
        };
        let mut relays = self.relays()?.into_iter();
        let Relay { capsules, keys } = relays.next().ok_or_else(|| missing(Key::Relays))?;
        let builder = Client::builder(capsules, keys, target, trust, self.ca()?);
        Ok(relays.fold(builder, Builder::relay))
    }

    /// The MSP.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is none, or it is no such URI.
    pub fn msp(&self) -> Result<Msp, Failure> {
        Msp::parse(self.required(Key::Msp)?).map_err(|error| self.wrong(Key::Msp, error))
    }

    /// The desk of the MSP. The ID Prover is left out where it is not set: then nobody can be enrolled.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the setting that is missing or wrong.
    pub fn desk(&self) -> Result<Desk, Failure> {
        let trust = self.trust()?;
        let prover_name = match self.text(Key::ProverName) {
            Some(name) => name.to_owned(),
            None => {
                let mut names = trust.provers.iter().map(|anchor| anchor.prover.clone());
                names.next().filter(|_| names.next().is_none()).ok_or_else(|| missing(Key::ProverName))?
            }
        };
        let http = self.http((Key::MspCertificate, Key::MspKey), Bounds::default())?;
        let (prover, store) = (self.text(Key::Prover), self.required(Key::Store)?);
        Ok(Desk::at(self.msp()?, http, prover.unwrap_or_default(), &prover_name, store, trust))
    }

    /// HTTPS with a client certificate.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the setting that is missing or wrong.
    pub fn http(&self, (certificate, key): (Key, Key), bounds: Bounds) -> Result<HttpClient, Failure> {
        let client = Some((self.content(certificate)?, self.content(key)?));
        Ok(HttpClient::new(&TlsIdentity { ca_pem: self.ca()?, client }, bounds)?)
    }

    /// HTTPS as anybody has it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the certificate authorities cannot be read.
    pub fn http_as_anybody(&self, bounds: Bounds) -> Result<HttpClient, Failure> {
        Ok(HttpClient::new(&TlsIdentity { ca_pem: self.ca()?, client: None }, bounds)?)
    }

    /// Where `sync` keeps what it found in `book`: as set, else a file of this book and provider in the user's cache folder.
    ///
    /// # Errors
    ///
    /// [`Failure`] if there is no such folder.
    pub fn cache(&self, book: &Path, provider: &str) -> Result<PathBuf, Failure> {
        use sha2::Digest as _;
        if let Some(path) = self.path(Key::Cache) {
            return Ok(path.to_owned());
        }
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        let folder = folder.ok_or_else(|| missing(Key::Cache))?.join("discovery");
        std::fs::create_dir_all(&folder)?;
        let book = book.canonicalize()?;
        let name = sha2::Sha256::digest(format!("{provider}\n{}", book.display()));
        Ok(folder.join(format!("{}.cache", hex::encode(&name[..8]))))
    }

    /// What is wrong with a setting, and where it was given.
    fn wrong(&self, key: Key, rule: impl std::fmt::Display) -> Failure {
        match self.values.get(&key) {
            Some((_, origin)) => Failure::new(format!("{} (from {origin}): {rule}", key.name())),
            None => Failure::new(format!("{}: {rule}", key.name())),
        }
    }

    fn ca(&self) -> Result<Vec<u8>, Failure> {
        self.content(Key::Ca)
    }

    fn content(&self, key: Key) -> Result<Vec<u8>, Failure> {
        let path = self.required(key)?;
        std::fs::read(path).map_err(|error| self.wrong(key, format!("cannot read {path}: {error}")))
    }

    fn https(&self, key: Key, url: &str) -> Result<Uri, Failure> {
        let uri: Option<Uri> = url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("https"));
        uri.ok_or_else(|| self.wrong(key, format!("{url} is no https URL")))
    }
}

fn missing(key: Key) -> Failure {
    Failure::new(format!(
        "{} is not set: give {}, {}, or {} in the configuration file; or --stack",
        key.name(),
        key.flag(),
        key.variable(),
        key.name()
    ))
}
