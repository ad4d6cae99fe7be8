//! An Oblivious HTTP gateway (RFC 9458): it sees what is asked and never who asks.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`config`] | settings |
//! | `answer` | one request in the clear: keys, or a capsule and who may bring it |
//! | `capsule` | what is inside: opened, asked of the target, padded, sealed |
//! | `budget` | how often a relay may ask |
//! | `binary_http` | binary HTTP (RFC 9292), held to what HTTP allows |
//! | [`keys`] | the gateway's HPKE keys: rotation with overlap, persistence, publication |
//! | [`target`] | the one thing a capsule can reach: in process, or over HTTP/2 with TLS |
//! | `problem` | constant answers, outside and inside |
//! | [`metrics`] | names and labels |
//! | `fuzzing` | doors for the fuzz targets, closed unless the feature of that name is on |
//!
//! The gateway does not depend on the protocol: it could not tell an identifier if it saw one.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod answer;
mod binary_http;
mod budget;
mod capsule;
pub mod config;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod keys;
pub mod metrics;
mod problem;
pub mod target;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{CancellationToken, Readiness, install_metrics, run_admin, serve};

pub use config::{Config, ConfigError};
pub use keys::KeyRing;
pub use service::Listeners;
pub use target::{Cost, HttpTarget, Target, TargetError};

/// How often the age of the keys is looked at.
const ROTATION_CHECK: Duration = Duration::from_secs(1);

/// Runs a gateway in front of `target` until `shutdown`, then drains it. `keys` may be rotated meanwhile.
///
/// # Errors
///
/// [`ConfigError`] if a setting cannot be used.
pub async fn run<T: Target>(
    config: Config,
    keys: Arc<KeyRing>,
    listeners: Listeners,
    target: T,
    shutdown: CancellationToken,
) -> Result<(), ConfigError> {
    let readiness = Readiness::default();
    let prometheus = install_metrics();
    metrics::describe();
    let gateway = Arc::new(answer::Gateway::new(&config, Arc::clone(&keys), target)?);
    let admin = listeners
        .admin
        .map(|listener| tokio::spawn(run_admin(listener, readiness.clone(), prometheus, shutdown.clone())));
    let rotating = tokio::spawn(rotate(keys, shutdown.clone()));
    let (sweeping, token) = (Arc::clone(&gateway), shutdown.clone());
    let sweeping = tokio::spawn(async move { sweeping.sweep(token).await });
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.answer(request).await) }
    });
    readiness.set_ready(true);
    tracing::info!("gateway serving");
    let drained = serve(listeners.public, service, shutdown).await;
    readiness.set_ready(false);
    tracing::info!(finished = drained.finished, cut_off = drained.cut_off, "gateway drained");
    for task in [Some(rotating), Some(sweeping), admin].into_iter().flatten() {
        // A task that panicked has said so already.
        let _ = task.await;
    }
    Ok(())
}

async fn rotate(keys: Arc<KeyRing>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(ROTATION_CHECK)).await.is_some() {
        match keys.tend() {
            Ok(true) => tracing::info!("keys rotated"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "keys cannot be rotated; the old ones stay"),
        }
        ::metrics::gauge!(metrics::KEY_AGE).set(keys.age().as_secs_f64());
        ::metrics::gauge!(metrics::KEY_ID).set(f64::from(keys.newest_id()));
    }
}
