//! Connections to the parties, and whom to trust.

use std::time::Duration;

use client::http::{Bounds, HttpClient, TlsIdentity};
use client::lookup::Client;
use client::msp::{ProverConnection, StoreConnection};
use client::trust::Trust;

use crate::system::parties::{MSPS, PROVIDER, System};

/// Connections, and whom to trust.
pub(crate) struct Contacts {
    pub(crate) trust: Trust,
    pub(super) prover: [ProverConnection; 2],
    pub(super) store: [StoreConnection; 2],
    pub(crate) asker: Client,
}

impl Contacts {
    pub(crate) fn new(system: &System) -> Self {
        let trust = system.trust();
        let receipt_key = trust.provider.receipt_key;
        let bounds = Bounds { timeout: system.patience() + Duration::from_secs(2), ..Bounds::default() };
        let ca_pem = std::fs::read(system.authority.path()).unwrap();
        let https = MSPS.map(|msp| {
            let client = Some(system.authority.pair(msp));
            HttpClient::new(&TlsIdentity { ca_pem: ca_pem.clone(), client }, bounds).unwrap()
        });
        let lookup = format!("https://{PROVIDER}/v1/lookup");
        let [relay, keys, lookup] =
            [system.relay_url(), system.keys_url(), lookup].map(|url| url.parse::<http::Uri>().unwrap());
        let asker = Client::builder(relay, keys, lookup, trust.clone(), ca_pem).bounds(bounds).build().unwrap();
        Self {
            prover: [0, 1].map(|msp| ProverConnection::new(https[msp].clone(), &system.prover_url())),
            store: [0, 1].map(|msp| StoreConnection::new(https[msp].clone(), &system.store_url(), receipt_key)),
            trust,
            asker,
        }
    }

    /// The mapping store, as the first MSP reaches it.
    pub(crate) fn store(&self) -> &StoreConnection {
        &self.store[0]
    }
}
