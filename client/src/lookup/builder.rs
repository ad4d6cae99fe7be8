//! Sets a [`Client`] up: where to ask, whom to believe, how fast, how patiently.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Uri;
use protocol::Timestamp;

use super::client::Client;
use super::pace::Pace;
use crate::error::Error;
use crate::http::{Bounds, HttpClient, TlsIdentity};
use crate::oblivious::{Clock, ObliviousClient};
use crate::relays::{Relay, Relays};
use crate::retry::Retry;
use crate::trust::Trust;

/// How many requests are under way at once, unless set.
const CONCURRENCY: usize = 4;
/// How many may be under way at once at most.
const MAX_CONCURRENCY: usize = 64;

/// Sets a [`Client`] up.
#[must_use]
pub struct Builder {
    relay: Relay,
    more_relays: Vec<Relay>,
    lookup_url: Uri,
    trust: Trust,
    tls: TlsIdentity,
    bounds: Bounds,
    clock: Clock,
    concurrency: usize,
    pace: Duration,
    retry: Option<Retry>,
}

impl Builder {
    pub(super) fn new(relay: Relay, lookup_url: Uri, trust: Trust, ca_pem: Vec<u8>) -> Self {
        Self {
            relay,
            more_relays: Vec::new(),
            lookup_url,
            trust,
            tls: TlsIdentity { ca_pem, client: None },
            bounds: Bounds::default(),
            clock: Arc::new(|| SystemTime::now().into()),
            concurrency: CONCURRENCY,
            pace: Duration::ZERO,
            retry: None,
        }
    }

    /// Bounds on each exchange.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Another source of time than the system's clock.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// One more relay of the same gateway. Each request goes through one of them, picked at random; one that fails is left
    /// alone for a while.
    pub fn relay(mut self, relay: Relay) -> Self {
        self.more_relays.push(relay);
        self
    }

    /// How many requests of one lookup are under way at once: 4 unless set, 64 at most.
    pub fn concurrency(mut self, requests: NonZeroUsize) -> Self {
        self.concurrency = requests.get().min(MAX_CONCURRENCY);
        self
    }

    /// The least time between the starts of two requests, over all lookups of the client and its clones: none unless set,
    /// a year at most.
    pub fn pace(mut self, interval: Duration) -> Self {
        self.pace = interval;
        self
    }

    /// Tries again after passing faults. Without this, every fault is the caller's to handle.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// The finished client.
    ///
    /// # Errors
    ///
    /// [`crate::Fault::Caller`] if the CA certificate cannot be read.
    pub fn build(self) -> Result<Client, Error> {
        let http = HttpClient::new(&self.tls, self.bounds)?;
        let relays = Relays::new(self.relay, self.more_relays);
        let key = self.trust.provider.key_configuration_key;
        Ok(Client {
            oblivious: ObliviousClient::through(http, relays, key, Arc::clone(&self.clock)),
            lookup_url: self.lookup_url,
            provers: Arc::new(self.trust.provers),
            clock: self.clock,
            concurrency: self.concurrency,
            pace: Arc::new(Pace::new(self.pace)),
            retry: self.retry,
        })
    }
}
