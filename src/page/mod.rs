//! The page that `discovery up` serves on loopback: type a number, watch the question travel, and see what each party could
//! see of it (`docs/page.md`).
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`recordings`] | what relay and gateway saw of the last few lookups, in memory |
//! | [`recorder`] | a [`gateway::Target`] that records; of this stack alone, never of the shipped gateway |
//! | `relay` | one connection to the relay for each question, with all that goes over it kept |
//! | `routes` | the endpoints, under `/api/` |
//! | `guard` | who may ask: the `Host`, the token, the origin; and what every answer says to the browser |
//! | `bundle` | the files, compiled in |
//!
//! The browser does the cryptography (`page/`, WebAssembly); this server is its network: a browser does not trust the stack's
//! certificates, and an enrollment goes by way of an MSP, which this server plays. What passes through here is what passes
//! through any network: sealed or signed.

mod bundle;
mod guard;
pub mod recorder;
pub mod recordings;
mod relay;
mod routes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use client::http::{Bounds as ExchangeBounds, HttpClient, TlsIdentity};
use hyper_util::service::TowerToHyperService;
use rand::Rng as _;
use service::{Bounds, CancellationToken, Listener, ListenerConfig, serve};

use crate::failure::Failure;
use crate::stack::Description;
use guard::Guard;
use recordings::Recordings;
use relay::RelayLine;

/// A browser opens half a dozen connections.
const MAX_CONNECTIONS: usize = 64;

/// A bound socket and the token of this run: the page's address is known before what it is about.
pub struct Bound {
    listener: Listener,
    token: String,
}

/// What every request of the page works with.
struct Page {
    guard: Guard,
    relay: RelayLine,
    /// With the MSP's certificate.
    msp: HttpClient,
    stack: Description,
    trust: String,
    outbox: PathBuf,
    recordings: Recordings,
}

impl Bound {
    /// Binds a loopback address and makes the token.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let bounds = Bounds { max_connections: MAX_CONNECTIONS, ..Bounds::default() };
        let listener = Listener::bind(&ListenerConfig { address, bounds, ..ListenerConfig::loopback() }).await?;
        let mut token = [0; 16];
        rand::rng().fill_bytes(&mut token);
        Ok(Self { listener, token: hex::encode(token) })
    }

    /// Where to point a browser. The token is in the fragment, which no browser sends anywhere.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/#{}", self.listener.local_addr(), self.token)
    }

    /// Serves the page of `stack` until `shutdown`; the recordings are forgotten then.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a file of the stack cannot be read.
    pub async fn run(
        self,
        stack: Description,
        recordings: Recordings,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let client = Some((std::fs::read(&stack.msp_cert)?, std::fs::read(&stack.msp_key)?));
        let tls = TlsIdentity { ca_pem: std::fs::read(&stack.ca_cert)?, client };
        let page = Page {
            guard: Guard::new(self.listener.local_addr(), &self.token),
            relay: RelayLine::new(&stack)?,
            msp: HttpClient::new(&tls, ExchangeBounds::default())?,
            trust: std::fs::read_to_string(&stack.trust)?,
            outbox: stack.outbox.clone(),
            stack,
            recordings,
        };
        let page = Arc::new(page);
        serve(self.listener, TowerToHyperService::new(routes::router(Arc::clone(&page))), shutdown).await;
        page.recordings.forget();
        Ok(())
    }
}
