//! An Oblivious HTTP relay (RFC 9458 §2): it sees who asks and never what.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`config`] | routes, limits, bounds |
//! | `answer` | one request: which route, whether it may pass |
//! | `forward` | a capsule to the gateway and its answer back, streamed within bounds |
//! | `body`, `slots` | those bounds: bytes, time, and how many may be on their way at once |
//! | `keys` | the shared copy of each gateway's key configuration |
//! | `problem` | the relay's own answers, each a constant |
//! | [`metrics`] | names and labels |
//!
//! Forwarded are the method, the media type and the body, and nothing else. This crate depends neither on `ohttp` nor on
//! `hpke` nor on the protocol: it could not open a capsule if it wished to.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod answer;
mod body;
pub mod config;
mod forward;
mod keys;
pub mod metrics;
mod problem;
mod slots;

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{CancellationToken, Readiness, install_metrics, run_admin, serve};

pub use config::{Config, ConfigError};
pub use service::Listeners;

/// Runs a relay until `shutdown`, then drains it.
///
/// # Errors
///
/// [`ConfigError`] if a route's gateway or TLS files cannot be used.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> Result<(), ConfigError> {
    let readiness = Readiness::default();
    let prometheus = install_metrics();
    metrics::describe();
    let relay = Arc::new(answer::Relay::new(&config)?);
    let admin = listeners
        .admin
        .map(|listener| tokio::spawn(run_admin(listener, readiness.clone(), prometheus, shutdown.clone())));
    let keeping = tokio::spawn(Arc::clone(&relay).keep(readiness.clone(), shutdown.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let relay = Arc::clone(&relay);
        async move { Ok::<_, Infallible>(relay.answer(request).await) }
    });
    tracing::info!("relay serving");
    let drained = serve(listeners.public, service, shutdown).await;
    readiness.set_ready(false);
    tracing::info!(finished = drained.finished, cut_off = drained.cut_off, "relay drained");
    for task in [Some(keeping), admin].into_iter().flatten() {
        // A task that panicked has said so already.
        let _ = task.await;
    }
    Ok(())
}
