//! What the tests share: a stack of their own, the command as a child process, and users who enroll.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use client::enrollment::{Enrolled, Wish};
use client::lookup::{Client, Found};
use client::msp::ProverConnection;
use discovery::certificates::Identity;
use discovery::codes::{CodeSource, Outbox};
use discovery::enroll::{Desk, MAPPING_LIFETIME, read_trust};
use discovery::stack::{Description, EmailRoute, Options, Stack};
use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use tempfile::TempDir;

/// A running stack in a folder of its own.
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().join("stack"), base_port: None, email: EmailRoute::Outbox };
        let stack = Stack::start(&options).await.unwrap();
        Self { stack, folder }
    }

    pub(crate) fn description(&self) -> &Description {
        self.stack.description()
    }

    /// A file of the test's own.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The desk of an MSP, with a certificate in its name.
    pub(crate) fn desk(&self, domain: &str) -> Desk {
        let msp = Msp::from_domain(domain).unwrap();
        let identity = self.stack.msp_identity(&msp).unwrap();
        Desk::open(self.description(), msp, &identity).unwrap()
    }

    /// The ID Prover, as an MSP reaches it.
    pub(crate) fn prover(&self, domain: &str) -> ProverConnection {
        let identity = self.stack.msp_identity(&Msp::from_domain(domain).unwrap()).unwrap();
        let client = Some((std::fs::read(identity.certificate).unwrap(), std::fs::read(identity.key).unwrap()));
        ProverConnection::new(self.http(client), &self.description().prover_url)
    }

    pub(crate) fn http(&self, client: Option<(Vec<u8>, Vec<u8>)>) -> client::http::HttpClient {
        let ca_pem = std::fs::read(&self.description().ca_cert).unwrap();
        client::http::HttpClient::new(&client::http::TlsIdentity { ca_pem, client }, client::http::Bounds::default())
            .unwrap()
    }

    /// A certificate for a name, by the stack's authority.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.stack.msp_identity(&Msp::from_domain(name).unwrap()).unwrap()
    }

    /// By which the gateway knows the relay.
    pub(crate) fn relay_identity(&self) -> Identity {
        let file = |end: &str| self.folder.path().join(format!("stack/certificates/relay-client.{end}"));
        Identity { certificate: file("pem"), key: file("key") }
    }

    /// Ends all parties; what they left behind stays in the folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.stack.stop().await.unwrap();
        self.folder
    }

    pub(crate) fn codes(&self) -> CodeSource {
        CodeSource::Outbox(Outbox::new(&self.description().outbox))
    }

    /// Somebody who knows the relay and whom to trust, and nothing else.
    pub(crate) fn asker(&self) -> Client {
        asker(self.description())
    }

    pub(crate) async fn look_up(&self, cpi: &str) -> Found {
        let found = self.asker().lookup(&[Cpi::parse(cpi).unwrap()], |_| ()).await.unwrap();
        assert_eq!(found.len(), 1);
        found.into_iter().next().unwrap()
    }

    /// Enrolls and publishes with default wishes; returns the credential.
    pub(crate) async fn publish(&self, msp: &str, cpi: &str, key: &SigningKey) -> Enrolled {
        let desk = self.desk(msp);
        let enrolled = desk.enroll(&Cpi::parse(cpi).unwrap(), key, &self.codes()).await.unwrap();
        desk.publish(&enrolled, wish(msp, 1), key).await.unwrap();
        enrolled
    }

    /// Runs the `discovery` command; `STACK` stands for the stack's description.
    pub(crate) async fn discovery(&self, args: &[&str]) -> Ran {
        let stack = self.stack.file().to_str().unwrap().to_owned();
        let args: Vec<String> = args.iter().map(|arg| arg.replace("STACK", &stack)).collect();
        let folder = self.folder.path().to_owned();
        tokio::task::spawn_blocking(move || run_in(&folder, &args)).await.unwrap()
    }
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the `discovery` command in a folder.
pub(crate) fn run_in(folder: &Path, args: &[impl AsRef<std::ffi::OsStr>]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discovery"));
    command.args(args).current_dir(folder).stdin(std::process::Stdio::null()).output().unwrap().into()
}

pub(crate) fn asker(description: &Description) -> Client {
    let uri = |text: &str| text.parse().unwrap();
    let (relay, keys, lookup) = (uri(&description.relay_url), uri(&description.keys_url), uri(&description.lookup_url));
    let ca = std::fs::read(&description.ca_cert).unwrap();
    Client::builder(relay, keys, lookup, read_trust(description).unwrap(), ca).build().unwrap()
}

/// To be found at `msp`, under no identifier there, with no tags.
pub(crate) fn wish(msp: &str, seq: u64) -> Wish {
    Wish {
        reachability: Reachability::At { msp: Msp::from_domain(msp).unwrap(), psi: None },
        tags: Tags::new(Vec::<String>::new()).unwrap(),
        seq,
        fresh: false,
        state: State::Live,
        lifetime: MAPPING_LIFETIME,
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(&mut rand::rng())
}
