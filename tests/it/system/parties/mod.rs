//! The four servers as processes of their own, each on a loopback address and a clock of its own, with a [`Link`] before every
//! one of them.

mod configuration;
mod process;

use std::fs::{DirBuilder, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use client::trust::{ProviderTrust, Trust};
use protocol::credential::{DEFAULT_LIFETIME, Method};
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{PublicKey, SigningKey};
use tempfile::TempDir;

use process::{Process, Usage, is_ready, usage};
pub(crate) use process::{faketime, program};

use super::certificates::{Authority, moment};
use super::proxy::{Done, Link};

pub(crate) const PROVIDER: &str = "provider.example";
pub(crate) const PROVER: &str = "prover.example";
pub(crate) const ISSUER: &str = "carrier.example";
pub(crate) const MSPS: [&str; 2] = ["a.example", "b.example"];
const RELAY: &str = "relay.example";
const GATEWAY: &str = "gateway.example";
const YEAR: i64 = 365 * 24 * 3600;
/// How long the certificates hold that parties start with: they look for others once a minute.
const FIRST_SECONDS: i64 = 70;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Relay,
    Gateway,
    Store,
    Prover,
}

impl Who {
    pub(crate) const ALL: [Self; 4] = [Self::Relay, Self::Gateway, Self::Store, Self::Prover];

    pub(crate) const fn binary(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Gateway => "gateway",
            Self::Store => "mapping-store",
            Self::Prover => "id-prover",
        }
    }

    /// Whose clock decides whether its certificate has ended: the first that connects to it.
    const fn verified_by(self) -> Option<Self> {
        match self {
            Self::Gateway => Some(Self::Relay),
            Self::Relay | Self::Store | Self::Prover => None,
        }
    }
}

/// A server, running or not.
struct Party {
    address: SocketAddr,
    admin: SocketAddr,
    /// By how many seconds its clock is ahead.
    clock: i64,
    /// The names of its certificate.
    names: Vec<String>,
    process: Option<Process>,
}

/// How a system differs from the ordinary.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// By how many seconds each party's clock is ahead.
    pub(crate) clocks: [i64; 4],
    /// What the relay lets through, as lines of its `limits`.
    pub(crate) relay_limits: String,
    /// How long a gateway waits for the store; the relay waits a second longer for the gateway.
    pub(crate) patience_ms: u64,
}

impl Default for Settings {
    /// All clocks the same, and no limit that anybody meets.
    fn default() -> Self {
        let much = "{ count = 1000000, seconds = 1 }";
        Self { clocks: [0; 4], relay_limits: format!("per_address = {much}\ntotal = {much}"), patience_ms: 20_000 }
    }
}

/// The whole system.
pub(crate) struct System {
    parties: [Party; 4],
    /// Clients to relay, relay to gateway, gateway to store, MSPs to store, MSPs to prover.
    links: Vec<Link>,
    pub(crate) done: Arc<Done>,
    pub(crate) authority: Authority,
    pub(crate) issuer: SigningKey,
    key_configuration_key: PublicKey,
    receipt_key: PublicKey,
    prover_keys: Vec<PublicKey>,
    settings: Settings,
    folder: TempDir,
}

fn free(host: &str) -> SocketAddr {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

fn secret(path: &Path) -> SigningKey {
    let key = SigningKey::generate(&mut rand::rng());
    service::secret_file::write(path, hex::encode(*key.to_seed()).as_bytes()).unwrap();
    key
}

impl System {
    /// Lays everything out and starts it.
    pub(crate) async fn start(seed: u64, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["prover", "outbox"] {
            DirBuilder::new().mode(0o700).create(path(name)).unwrap();
        }
        let authority = Authority::create(folder.path());
        // Addresses of the loopback network that no other run has.
        let block = std::process::id() % 200 + 20;
        let host = |last: u32| format!("127.{block}.{}.{last}", std::process::id() / 200 % 250);
        let (done, mut links) = (Arc::new(Done::default()), Vec::new());
        let addresses = [1, 2, 3, 4].map(|last| free(&host(last)));
        let admins = [1, 2, 3, 4].map(|last| free(&host(last)));
        // From clients to the relay, from it to the gateway, to the store, from MSPs to the store and to the prover.
        for (last, to) in (11..).zip([0, 1, 2, 2, 3]) {
            let seed = seed.wrapping_add(u64::from(last));
            links.push(Link::open(&host(last), addresses[to], seed, Arc::clone(&done)).await);
        }
        let names = |links: &[&Link]| links.iter().map(|link| link.address().ip().to_string()).collect::<Vec<_>>();
        let shown = [names(&[&links[0]]), names(&[&links[1]]), names(&[&links[2], &links[3]]), names(&[&links[4]])];
        let mut shown = shown.into_iter();
        let parties = std::array::from_fn(|index| Party {
            address: addresses[index],
            admin: admins[index],
            clock: settings.clocks[index],
            names: shown.next().unwrap(),
            process: None,
        });
        let key_configuration_key = secret(&path("key-configuration.key")).public();
        let receipt_key = secret(&path("receipt.key")).public();
        drop(secret(&path("hash.key")));
        let prover_keys = vec![id_prover::keys::public_signing_key(&path("prover")).unwrap()];
        let issuer = SigningKey::generate(&mut rand::rng());
        let mut system = Self {
            parties,
            links,
            done,
            authority,
            issuer,
            key_configuration_key,
            receipt_key,
            prover_keys,
            settings,
            folder,
        };
        for (name, names) in [("relay-client", RELAY), ("gateway-client", GATEWAY)] {
            system.authority.issue(name, &[names.to_owned()], moment(YEAR, 0));
        }
        for msp in MSPS {
            system.authority.issue(msp, &[msp.to_owned()], moment(YEAR, 0));
        }
        system.write_configurations();
        for who in [Who::Store, Who::Prover, Who::Gateway, Who::Relay] {
            system.renew_certificate(who, FIRST_SECONDS);
            system.run(who).await;
        }
        system
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn clock(&self, who: Who) -> i64 {
        self.parties[who as usize].clock
    }

    /// How long a gateway waits for the store.
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_millis(self.settings.patience_ms)
    }

    /// Where a party listens, behind its link.
    pub(crate) fn address(&self, who: Who) -> SocketAddr {
        self.parties[who as usize].address
    }

    /// What its certificate is for: the address of its link.
    pub(crate) fn name(&self, who: Who) -> String {
        self.parties[who as usize].names[0].clone()
    }

    /// What a party says to a configuration that it does not take.
    pub(crate) async fn check(&self, who: Who, configuration: &str) -> String {
        let path = self.path("refused.toml");
        std::fs::write(&path, configuration).unwrap();
        let mut command = tokio::process::Command::new(program(who.binary()));
        let output = command.arg("--config").arg(path).arg("--check").output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{who:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    fn url(&self, link: usize) -> String {
        format!("https://{}", self.links[link].address())
    }

    pub(crate) fn relay_url(&self) -> String {
        format!("{}/", self.url(0))
    }

    pub(crate) fn keys_url(&self) -> String {
        format!("{}/.well-known/ohttp-gateway", self.url(0))
    }

    pub(crate) fn store_url(&self) -> String {
        self.url(3)
    }

    pub(crate) fn prover_url(&self) -> String {
        self.url(4)
    }

    pub(crate) fn trust(&self) -> Trust {
        let provers = TrustAnchors::new(vec![TrustAnchor {
            prover: PROVER.to_owned(),
            keys: self.prover_keys.clone(),
            methods: vec![Method::SmsOtp, Method::EmailOtp],
            max_credential_lifetime: DEFAULT_LIFETIME,
        }]);
        let provider = ProviderTrust {
            name: PROVIDER.to_owned(),
            key_configuration_key: self.key_configuration_key,
            receipt_key: self.receipt_key,
        };
        Trust { provider, provers }
    }

    /// A certificate that ends so many seconds from now by the clock of who verifies it. It is taken up within a minute, or
    /// at the next start.
    pub(crate) fn renew_certificate(&self, who: Who, seconds: i64) {
        self.issue_until(who, seconds, i64::max);
    }

    /// A certificate that has ended so many seconds from now for whoever verifies it.
    pub(crate) fn end_certificate(&self, who: Who, seconds: i64) {
        self.issue_until(who, seconds, i64::min);
    }

    fn issue_until(&self, who: Who, seconds: i64, of_two: fn(i64, i64) -> i64) {
        // The store is verified by the gateway and by MSPs, whose clock is ours.
        let clock = who.verified_by().map_or(0, |by| self.clock(by));
        let clock = if who == Who::Store { of_two(clock, self.clock(Who::Gateway)) } else { clock };
        self.authority.issue(who.binary(), &self.parties[who as usize].names, moment(seconds, clock));
    }

    /// Starts a party that does not run, and waits until it serves.
    pub(crate) async fn run(&mut self, who: Who) {
        let config = self.config(who);
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true).open(self.path(&format!("{}.log", who.binary()))).unwrap();
        let party = &mut self.parties[who as usize];
        assert!(party.process.is_none(), "{who:?} runs");
        let mut command = Command::new(program(who.binary()));
        command.arg("--config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let (1.. | ..=-1, Some(library)) = (party.clock, faketime()) {
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("{:+}", party.clock));
            command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        }
        party.process = Some(Process { child: command.spawn().unwrap(), usage: Vec::new() });
        let admin = party.admin;
        let ready = async {
            while !is_ready(admin).await {
                self.assert_running(who);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, ready).await.is_ok(), "{who:?} does not come up: {}", self.log(who));
    }

    /// What a party said last.
    pub(crate) fn log(&self, who: Who) -> String {
        let log = std::fs::read_to_string(self.path(&format!("{}.log", who.binary()))).unwrap();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn assert_running(&mut self, who: Who) {
        let ended = self.parties[who as usize].process.as_mut().unwrap().child.try_wait().unwrap();
        assert!(ended.is_none(), "{who:?} has ended by itself: {ended:?}\n{}", self.log(who));
    }

    pub(crate) fn assert_all_running(&mut self) {
        for who in Who::ALL {
            self.assert_running(who);
        }
    }

    pub(crate) fn signal(&self, who: Who, signal: &str) {
        let process = self.parties[who as usize].process.as_ref().unwrap();
        let id = process.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, who: Who) {
        self.assert_running(who);
        self.parties[who as usize].process = None;
    }

    /// SIGTERM; it ends what is under way, and says that all was well.
    pub(crate) async fn stop(&mut self, who: Who) {
        self.signal(who, "TERM");
        let mut process = self.parties[who as usize].process.take().unwrap();
        let end = async {
            loop {
                if let Some(status) = process.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let status = tokio::time::timeout(PATIENCE, end).await.expect("it ends when it is told to");
        assert!(status.success(), "{who:?}: {status}\n{}", self.log(who));
    }

    /// A command of a party's own program, beside the running one.
    pub(crate) async fn command(&self, who: Who, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(program(who.binary()));
        match who {
            Who::Prover => command.args(arguments).arg("--config").arg(self.config(who)),
            _ => command.arg("--config").arg(self.config(who)).args(arguments),
        };
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{who:?} {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The prover makes its next signing key, and the store takes it in.
    pub(crate) async fn announce_signing_key(&mut self) {
        let keys = self.command(Who::Prover, &["keys", "prepare"]).await;
        let next = keys.lines().find_map(|line| line.strip_prefix("next ")).unwrap();
        let next = PublicKey::from_bytes(&hex::decode(next.trim()).unwrap().try_into().unwrap()).unwrap();
        self.prover_keys.push(next);
        self.write_configurations();
        self.stop(Who::Store).await;
        self.run(Who::Store).await;
    }

    /// The prover signs with the key that was announced.
    pub(crate) async fn activate_signing_key(&self) {
        self.command(Who::Prover, &["keys", "activate"]).await;
        self.signal(Who::Prover, "HUP");
    }

    /// How often a party took up new certificates while it ran, by itself or because it was asked to by SIGHUP.
    pub(crate) fn reloads(&self, who: Who, asked: bool) -> usize {
        let log = std::fs::read_to_string(self.path(&format!("{}.log", who.binary()))).unwrap();
        let reloads = log.lines().filter(|line| line.contains("certificates reloaded"));
        reloads.filter(|line| line.contains("at SIGHUP") == asked).count()
    }

    /// Notes what each party holds.
    pub(crate) fn measure(&mut self) {
        for party in &mut self.parties {
            let process = party.process.as_mut().unwrap();
            let usage = usage(process.child.id());
            process.usage.push(usage);
        }
    }

    /// What each party held since its last start.
    pub(crate) fn usage(&self, who: Who) -> &[Usage] {
        self.parties[who as usize].process.as_ref().map_or(&[], |process| &process.usage)
    }

    /// What the store says of its stopped database.
    pub(crate) async fn verify_database(&mut self) -> String {
        self.stop(Who::Store).await;
        self.command(Who::Store, &["verify"]).await.trim().to_owned()
    }
}
