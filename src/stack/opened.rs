//! Each party of a stack with its configuration checked, its state open and its listeners bound: [`Opened`]. It does not run yet, so
//! that whoever is to reach it can be told where it is.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use gateway::KeyRing;
use mapping_store::Store;
use protocol::trust::TrustAnchors;
use service::Listeners;

use super::parties::{RELAY, anchors};
use super::{EmailRoute, Foundation, GATEWAY_PATH, url};
use crate::failure::Failure;

/// A party that can be started.
pub(super) struct Opened<C> {
    pub(super) config: C,
    pub(super) listeners: Listeners,
}

impl<C> Opened<C> {
    /// Where it is reached.
    pub(super) fn url(&self, path: &str) -> String {
        url(self.listeners.public.local_addr().port(), path)
    }
}

impl Foundation {
    /// The ID Prover, and the anchor of those who trust it.
    pub(super) async fn prover(
        &self,
        base: Option<u16>,
        outbox: &Path,
        email: &EmailRoute,
    ) -> Result<(Opened<id_prover::Config>, TrustAnchors), Failure> {
        let identity = self.server_identity("prover")?;
        let place = self.place("prover", base, 3, &identity)?;
        let config = place.prover(outbox, email);
        let provers = anchors(id_prover::keys::public_signing_key(&place.state)?);
        config.check().map_err(of("ID Prover"))?;
        let listeners = config.bind().await.map_err(of("ID Prover"))?;
        Ok((Opened { config, listeners }, provers))
    }

    /// The mapping store, with its database.
    pub(super) async fn store(
        &self,
        base: Option<u16>,
        provers: &TrustAnchors,
    ) -> Result<(Opened<mapping_store::Config>, Store), Failure> {
        let identity = self.server_identity("store")?;
        let config = self.place("store", base, 2, &identity)?.store(provers);
        config.check().map_err(of("mapping store"))?;
        let store = Store::open(&config.store, mapping_store::store::system_clock()).map_err(of("mapping store"))?;
        let listeners = config.bind().await.map_err(of("mapping store"))?;
        Ok((Opened { config, listeners }, store))
    }

    /// The gateway, with its keys.
    pub(super) async fn gateway(&self, base: Option<u16>) -> Result<(Opened<gateway::Config>, Arc<KeyRing>), Failure> {
        let identity = self.server_identity("gateway")?;
        let config = self.place("gateway", base, 1, &identity)?.gateway();
        let keys = KeyRing::open(&config.keys, gateway::keys::system_clock()).map_err(of("gateway"))?;
        let listeners = config.bind().await.map_err(of("gateway"))?;
        Ok((Opened { config, listeners }, Arc::new(keys)))
    }

    /// The relay of a gateway.
    pub(super) async fn relay(
        &self,
        base: Option<u16>,
        gateway: &Opened<gateway::Config>,
    ) -> Result<Opened<relay::Config>, Failure> {
        let (identity, client) = (self.server_identity("relay")?, self.authority.issue("relay-client", &[RELAY])?);
        let config = self.place("relay", base, 0, &identity)?.relay(&gateway.url(GATEWAY_PATH), &client);
        config.check().map_err(of("relay"))?;
        let listeners = config.bind().await.map_err(of("relay"))?;
        Ok(Opened { config, listeners })
    }
}

/// A failure of this party.
fn of<E: Display>(party: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::new(format!("{party}: {error}"))
}
