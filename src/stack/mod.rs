//! A local stack: relay, gateway, mapping store and ID Prover on loopback in one process, each the production library with
//! TLS on every hop, for development, demonstration and tests.
//!
//! The gateway embeds the store: a capsule's content reaches it in process. Certificates are fresh at every start; keys and
//! databases stay in the stack's folder:
//!
//! ```text
//! stack.json        what anything outside needs (`Description`)
//! trust.toml        whom clients believe
//! certificates/     ca.pem, and a certificate and key for each party
//! outbox/           messages of the development courier
//! gateway/ store/ prover/   state, 0700
//! ```

mod description;
mod opened;
mod parties;

use std::fs::DirBuilder;
use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::http::{Bounds, HttpClient, TlsIdentity};
use gateway::{Cost, KeyRing, Target, TargetError};
use http::{Request, Response};
use mapping_store::{LookupCost, Store};
use protocol::mimi_uri::Msp;
use service::CancellationToken;
use tokio::task::JoinHandle;

use crate::certificates::{Authority, Identity};
use crate::failure::Failure;
use crate::page::Bound;
use crate::page::recorder::Recorder;
use crate::page::recordings::Recordings;
use parties::{FOLLOWER, PROVER, PROVIDER, Place, RELAY, address};

pub use description::Description;

/// Names under which the parties' certificates are good.
const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];
/// The MSP of `stack.json`.
const MSP: &str = "msp.example";
const GATEWAY_PATH: &str = "/.well-known/ohttp-gateway";
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// What a stack is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder; made if missing.
    pub folder: PathBuf,
    /// The relay's port; gateway, store, prover and page take the next four. The system's choice if not set.
    pub base_port: Option<u16>,
    /// How codes get to email addresses.
    pub email: EmailRoute,
}

/// How codes get to email addresses.
#[derive(Clone, Debug)]
pub enum EmailRoute {
    /// As to telephone numbers: files in the outbox.
    Outbox,
    /// By SMTP with STARTTLS, to localhost.
    Smtp {
        /// The server's port; its certificate is of the stack's authority.
        port: u16,
    },
}

/// A running stack.
pub struct Stack {
    description: Description,
    file: PathBuf,
    authority: Arc<Authority>,
    keys: Arc<KeyRing>,
    /// In the order in which they stop: who asks stops before who answers.
    parties: Vec<Party>,
}

struct Party {
    name: &'static str,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
}

/// The folder and certificates of a stack that is about to start, so that a mail server can be started before it.
pub struct Foundation {
    folder: PathBuf,
    authority: Arc<Authority>,
    page: bool,
}

impl Foundation {
    /// Makes the folder and the certificate authority.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the folder cannot be used.
    pub fn lay(folder: &Path) -> Result<Self, Failure> {
        let unusable = |error| Failure::new(format!("cannot use the folder {}: {error}", folder.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        let folder = folder.canonicalize().map_err(unusable)?;
        let authority = Arc::new(Authority::create(&folder.join("certificates"))?);
        Ok(Self { folder, authority, page: false })
    }

    /// A stack on this foundation also serves the page, on the port after the others, and records the last few lookups for it.
    #[must_use]
    pub fn with_page(self) -> Self {
        Self { page: true, ..self }
    }

    /// The stack's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A certificate for a server on loopback.
    ///
    /// # Errors
    ///
    /// [`Failure`] if its files cannot be written.
    pub fn server_identity(&self, label: &str) -> Result<Identity, Failure> {
        Ok(self.authority.issue(label, &LOOPBACK)?)
    }

    fn state(&self, party: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(party);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(folder)
    }

    fn place<'a>(
        &'a self,
        party: &str,
        base: Option<u16>,
        offset: u16,
        identity: &'a Identity,
    ) -> Result<Place<'a>, Failure> {
        let (address, ca) = (address(base, offset), self.authority.certificate());
        Ok(Place { address, identity, ca, state: self.state(party)? })
    }
}

impl Stack {
    /// Starts all parties, waits until each answers, and writes `stack.json`.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the party and what is wrong.
    pub async fn start(options: &Options) -> Result<Self, Failure> {
        Self::start_on(Foundation::lay(&options.folder)?, options).await
    }

    /// As [`Self::start`], on a foundation laid before; `options.folder` is not looked at.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_on(foundation: Foundation, options: &Options) -> Result<Self, Failure> {
        let (folder, authority, base) = (&foundation.folder, &foundation.authority, options.base_port);
        let outbox = folder.join("outbox");
        let (prover, provers) = foundation.prover(base, &outbox, &options.email).await?;
        let (store, mappings) = foundation.store(base, &provers).await?;
        let (gateway, keys) = foundation.gateway(base).await?;
        let relay = foundation.relay(base, &gateway).await?;
        let page = if foundation.page { Some(Bound::bind(address(base, 4)).await?) } else { None };
        let recordings = page.is_some().then(Recordings::default);

        let trust_file = folder.join("trust.toml");
        let trust = parties::trust(keys.signing_key(), *mappings.receipt_key(), provers);
        std::fs::write(&trust_file, trust.to_toml())?;
        let (msp, follower) = (authority.issue("msp", &[MSP])?, authority.issue("follower", &[FOLLOWER])?);
        let description = Description {
            relay_url: relay.url("/"),
            keys_url: relay.url(GATEWAY_PATH),
            lookup_url: format!("https://{PROVIDER}{}", protocol::lookup::PATH),
            gateway_url: gateway.url(GATEWAY_PATH),
            store_url: store.url(""),
            prover_url: prover.url(""),
            prover: PROVER.to_owned(),
            ca_cert: authority.certificate().to_owned(),
            trust: trust_file,
            msp_cert: msp.certificate,
            msp_key: msp.key,
            follower_cert: follower.certificate,
            follower_key: follower.key,
            msp: format!("mimi://{MSP}"),
            outbox,
            page_url: page.as_ref().map(Bound::url),
        };

        let target = Recorder::new(EmbeddedStore(mappings.clone()), RELAY, recordings.clone());
        let mut parties = Vec::new();
        if let (Some(page), Some(recordings)) = (page, recordings) {
            let description = description.clone();
            parties.push(Party::start("page", |token| page.run(description, recordings, token)));
        }
        parties.extend([
            Party::start("relay", |token| relay::run(relay.config, relay.listeners, token)),
            Party::start("gateway", {
                let keys = Arc::clone(&keys);
                |token| gateway::run(gateway.config, keys, gateway.listeners, target, token)
            }),
            Party::start("mapping store", |token| mapping_store::run(mappings, store.config, store.listeners, token)),
            Party::start("ID Prover", |token| id_prover::run(prover.config, prover.listeners, token)),
        ]);
        let file = folder.join("stack.json");
        let stack = Self { description, file, authority: Arc::clone(authority), keys, parties };
        if let Err(failure) = stack.wait_until_ready().await {
            return Err(stack.stop().await.err().unwrap_or(failure));
        }
        stack.description.write(&stack.file)?;
        Ok(stack)
    }

    /// Where everything is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// `stack.json`.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The gateway's keys, which may be rotated meanwhile.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A client certificate for another MSP.
    ///
    /// # Errors
    ///
    /// [`Failure`] if its files cannot be written.
    pub fn msp_identity(&self, msp: &Msp) -> Result<Identity, Failure> {
        Ok(self.authority.issue(&format!("msp-{}", msp.domain()), &[msp.domain()])?)
    }

    /// Ends once a party has ended by itself, with its name.
    pub async fn first_to_end(&self) -> &'static str {
        loop {
            if let Some(party) = self.parties.iter().find(|party| party.task.is_finished()) {
                return party.name;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the page, the relay, then the gateway, then the rest; each finishes what is under way.
    ///
    /// # Errors
    ///
    /// [`Failure`] of the first party that had failed.
    pub async fn stop(self) -> Result<(), Failure> {
        let mut first = Ok(());
        for Party { name, shutdown, task } in self.parties {
            shutdown.cancel();
            let ended = match task.await {
                Ok(ended) => ended.map_err(|failure| Failure::new(format!("{name}: {failure}"))),
                Err(_) => Err(Failure::new(format!("{name} broke down"))),
            };
            first = first.and(ended);
        }
        first
    }

    /// Asks each party until it answers.
    async fn wait_until_ready(&self) -> Result<(), Failure> {
        let Description { ca_cert, msp_cert, msp_key, keys_url, store_url, prover_url, .. } = &self.description;
        let client = Some((std::fs::read(msp_cert)?, std::fs::read(msp_key)?));
        let http = HttpClient::new(&TlsIdentity { ca_pem: std::fs::read(ca_cert)?, client }, Bounds::default())?;
        let described = format!("{store_url}/.well-known/mimi-discovery-provider");
        let urls = [keys_url.clone(), described, format!("{prover_url}/.well-known/id-prover")];
        let answered = async {
            for url in urls {
                let uri = url.parse().map_err(Failure::new)?;
                while !http.get(&uri, "*/*").await.is_ok_and(|response| response.status().is_success()) {
                    tokio::time::sleep(POLL).await;
                }
            }
            Ok(())
        };
        tokio::select! {
            answered = answered => answered,
            name = self.first_to_end() => Err(Failure::new(format!("{name} does not start"))),
            () = tokio::time::sleep(PATIENCE) => Err(Failure::new("the stack does not come up")),
        }
    }
}

impl Party {
    fn start<F, E>(name: &'static str, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let running = run(shutdown.clone());
        Self { name, shutdown, task: tokio::spawn(async move { running.await.map_err(Failure::new) }) }
    }
}

fn url(port: u16, path: &str) -> String {
    format!("https://127.0.0.1:{port}{path}")
}

/// The store in the gateway's process: what a capsule asks for needs no further hop.
struct EmbeddedStore(Store);

impl Target for EmbeddedStore {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TargetError> {
        let mut response = self.0.lookup_in_process(request).await;
        if let Some(LookupCost(cost)) = response.extensions_mut().remove() {
            response.extensions_mut().insert(Cost(cost));
        }
        Ok(response)
    }
}
