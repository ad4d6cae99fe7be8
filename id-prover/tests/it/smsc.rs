//! A real SMSC: the Python package smpp34 (`tests/smsc`), pinned with hashes and installed into the target folder on first
//! use. It speaks plaintext; [`tls_in_front`] puts TLS before it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use crate::authority::Certified;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smsc");
/// Another process may take a free port before the server does.
const ATTEMPTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// One test installs at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

pub(crate) struct Smsc {
    process: Child,
    pub(crate) port: u16,
    events: Receiver<Value>,
}

impl Smsc {
    /// Starts it; it takes messages once this returns.
    pub(crate) fn start() -> Self {
        let python = installed();
        let free_port = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        (0..ATTEMPTS).find_map(|_| Self::start_on(&python, free_port())).expect("the SMSC does not start")
    }

    fn start_on(python: &Path, port: u16) -> Option<Self> {
        let mut process = Command::new(python)
            .arg(Path::new(SOURCE).join("smsc.py"))
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines {
                // A test that has seen enough no longer listens.
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let smsc = Self { process, port, events };
        let first = smsc.events.recv_timeout(PATIENCE).ok()?;
        (first["event"] == "listening").then_some(smsc)
    }

    /// The next thing that it has seen, which must be this.
    pub(crate) fn next(&self, event: &str) -> Value {
        let next = self.events.recv_timeout(PATIENCE).expect("the SMSC has nothing to tell");
        assert_eq!(next["event"], event, "{next}");
        next
    }

    /// Whether it has nothing more to tell.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.try_recv().is_err()
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that speaks TLS with this certificate, and passes what comes in on to `port`.
pub(crate) async fn tls_in_front(port: u16, certified: &Certified) -> u16 {
    let chain =
        CertificateDer::pem_slice_iter(certified.certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let front = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut behind = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                // Either side may break off.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    front
}

/// The interpreter that has the package.
fn installed() -> PathBuf {
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smsc-smpp34-1.5.0");
    let (python, done) = (folder.join("bin/python"), folder.join("installed"));
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
        let requirements = Path::new(SOURCE).join("requirements.txt");
        run(Command::new(&python).args(arguments).arg("--require-hashes").arg("--requirement").arg(requirements));
        std::fs::write(done, "").unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status().expect("python3 is needed (Debian: python3-venv)");
    assert!(status.success(), "{command:?}");
}
