//! Mappings to hold and to publish, and stores of them: [`Setup`], [`Store`].

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use load::place::Place;
use load::process::Usage;
use load::server::{Server, free_address};
use load::{Result, ensure};
use protocol::cbor;

const CACHE_BYTES: usize = 256 << 20;
const MAX_MAPPING_BYTES: usize = 8192;
const KEYSPACE: &str = "load";
const BUCKETS: &str = "1024";

/// Certificates, mappings, a folder for the stores.
pub(crate) struct Setup {
    binaries: PathBuf,
    folder: PathBuf,
    place: Place,
    held: PathBuf,
    pub(crate) unpublished: Vec<Bytes>,
}

/// A store that runs.
pub(crate) struct Store {
    server: Server,
    pub(crate) address: SocketAddr,
}

impl Setup {
    /// Makes `records` mappings to hold and some more to publish.
    pub(crate) fn lay(binaries: &Path, folder: &Path, records: u64, more: u64) -> Result<Self> {
        let binaries = binaries.canonicalize()?;
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let place = Place::lay(&binaries, folder, CACHE_BYTES)?;
        let folder = folder.canonicalize()?;
        let made = folder.join("made");
        let mut command = Command::new(binaries.join("examples/make_mappings"));
        run(command.arg((records + more).to_string()).arg(&made))?;
        let all = fs::read(made.join("mappings.cbor-seq"))?;
        let (mut rest, mut unpublished) = (all.as_slice(), Vec::new());
        for n in 0..records + more {
            let (item, after) = cbor::split_first(rest, MAX_MAPPING_BYTES)?;
            if n >= records {
                unpublished.push(Bytes::copy_from_slice(item));
            }
            rest = after;
        }
        let held = folder.join("held.cbor-seq");
        let held_bytes = all.len() - unpublished.iter().map(Bytes::len).sum::<usize>();
        fs::write(&held, &all[..held_bytes])?;
        Ok(Self { binaries, folder, place, held, unpublished })
    }

    /// As a gateway speaks to a store.
    pub(crate) fn tls(&self) -> Result<rustls::ClientConfig> {
        Ok(self.place.client_tls(true).load()?)
    }

    /// A new database with the mappings that are to be held, and a store of it.
    pub(crate) fn fill_and_start(&self, name: &str, nodes: Option<&[String]>) -> Result<Store> {
        let (settings, ..) = self.settings(name, nodes)?;
        let command = || {
            let mut command = Command::new(self.binaries.join("mapping-store"));
            command.arg("--config").arg(&settings);
            command
        };
        if nodes.is_some() {
            run(command().args(["schema", "--replication", "3", "--buckets", BUCKETS]))?;
        }
        run(command().arg("import").arg(&self.held))?;
        self.start(name, nodes)
    }

    /// A store of a database that is there.
    pub(crate) fn start(&self, name: &str, nodes: Option<&[String]>) -> Result<Store> {
        let (settings, address, admin) = self.settings(name, nodes)?;
        let mut command = Command::new(self.binaries.join("mapping-store"));
        command.arg("--config").arg(settings);
        let cores = load::cores::available()?;
        let server = Server::start("mapping-store", &mut command, &cores, &self.folder, (admin, "/ready"))?;
        Ok(Store { server, address })
    }

    fn settings(&self, name: &str, nodes: Option<&[String]>) -> Result<(PathBuf, SocketAddr, SocketAddr)> {
        let (address, admin) = (free_address()?, free_address()?);
        let made = fs::read_to_string(self.folder.join("made/store.toml"))?;
        let prover = made.find("[[store.prover]]").ok_or("make_mappings names no prover")?;
        let (identity, folder) = (self.place.server_identity(), self.folder.display());
        fs::create_dir_all(self.folder.join(name))?;
        let mut text = format!(
            "[listener]\naddress = '{address}'\n[listener.bounds]\nmax_streams_per_connection = 1024\n\
             [listener.tls]\ncertificate = '{}'\nkey = '{}'\nclient_ca = '{}'\nclient_certificates = 'required'\n\
             [admin]\naddress = '{admin}'\n[gateways]\nnames = ['relay.example']\n\
             [limits]\nper_publisher = {{ count = 1000000, seconds = 1 }}\ntotal = {{ count = 1000000, seconds = 1 }}\n\
             [store]\nprovider = 'provider.example'\nfolder = '{folder}/{name}'\nhash_key_file = '{folder}/hash.key'\n\
             receipt_key_file = '{folder}/receipt.key'\ncache_bytes = {CACHE_BYTES}\n",
            identity.certificate.display(),
            identity.key.display(),
            self.place.ca().display(),
        );
        if let Some(nodes) = nodes {
            let _ = writeln!(text, "[store.cluster]\nnodes = {nodes:?}\nkeyspace = '{KEYSPACE}'");
        }
        text += &made[prover..];
        let file = self.folder.join(format!("{name}.toml"));
        fs::write(&file, text)?;
        Ok((file, address, admin))
    }
}

impl Store {
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.server.stop()
    }
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    ensure(done.status.success(), format_args!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)))
}
