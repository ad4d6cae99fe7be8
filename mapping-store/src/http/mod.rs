//! The endpoints: one file each, its name the path.

pub(crate) mod changes;
mod conflicts;
mod directory;
mod identifier_query;
mod lookup;
mod mappings;
mod problem;
mod provider;
mod removals;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;
use http::HeaderMap;
use hyper_util::service::TowerToHyperService;
use protocol::problem::ProblemType;
use service::addresses::network;
use service::body::{self, BodyError};
use service::{
    CancellationToken, Certificates, KeyedLimiter, Limiter, Listeners, Peer, Readiness, install_metrics, run_admin,
    serve,
};

use crate::config::{Config, ConfigError};
use crate::control;
use crate::store::Store;
use problem::Problem;

pub use lookup::LookupCost;

const BODY_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_PUBLISHERS: usize = 100_000;
/// How often the sweep looks for records whose time has come.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Records swept in one step; publications come between steps.
const SWEEP_STEP: usize = 256;
/// How often it is asked whether engine and writer work.
const READINESS_EVERY: Duration = Duration::from_secs(1);
/// How often the gauges are read off the engine.
const OBSERVE_EVERY: Duration = Duration::from_secs(10);
/// After a failure of a change of the hash key.
const ROTATION_PAUSE: Duration = Duration::from_secs(5);
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// Who publishes: by certificate, or by address.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Publisher {
    Certificate([u8; 32]),
    Address(IpAddr),
    Unknown,
}

/// What the endpoints share.
struct App {
    store: Store,
    gateways: Certificates,
    followers: Certificates,
    per_publisher: KeyedLimiter<Publisher>,
    total: Limiter,
    shutdown: CancellationToken,
}

impl App {
    fn limit(&self, peer: Option<&Peer>) -> Result<(), Problem> {
        let publisher = match peer {
            Some(Peer { certificate: Some(certificate), .. }) => Publisher::Certificate(certificate.fingerprint()),
            Some(peer) => Publisher::Address(network(peer.address.ip())),
            None => Publisher::Unknown,
        };
        self.per_publisher.check(&publisher, ONE).map_err(Problem::rate_limited)?;
        self.total.check(ONE).map_err(Problem::rate_limited)
    }
}

/// Serves `store` until `shutdown`, then drains.
///
/// # Errors
///
/// [`ConfigError`] if a setting cannot be used.
pub async fn run(
    store: Store,
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), ConfigError> {
    let readiness = Readiness::default();
    let prometheus = install_metrics();
    crate::metrics::describe();
    let app = Arc::new(App {
        store,
        gateways: config.gateways.read().ok_or(ConfigError::Fingerprint)?,
        followers: config.followers.read().ok_or(ConfigError::Fingerprint)?,
        per_publisher: KeyedLimiter::new(config.limits.per_publisher, MAX_PUBLISHERS),
        total: Limiter::new(config.limits.total),
        shutdown: shutdown.clone(),
    });
    let admin = listeners
        .admin
        .map(|listener| tokio::spawn(run_admin(listener, readiness.clone(), prometheus, shutdown.clone())));
    let (limits, token) = (Arc::clone(&app), shutdown.clone());
    let limits = tokio::spawn(async move { limits.per_publisher.sweep(token).await });
    let sweeping = tokio::spawn(sweep(app.store.clone(), shutdown.clone()));
    let observing = tokio::spawn(observe(app.store.clone(), readiness.clone(), shutdown.clone()));
    let rotating = tokio::spawn(rotate(app.store.clone(), shutdown.clone()));
    // What can be asked there is about an embedded database, and the folder is ours by its lock.
    let control = (!app.store.is_shared())
        .then(|| tokio::spawn(control::serve(app.store.clone(), config.store.folder, shutdown.clone())));
    readiness.set_ready(true);
    tracing::info!("mapping store serving");
    let drained = serve(listeners.public, TowerToHyperService::new(router(app)), shutdown).await;
    readiness.set_ready(false);
    tracing::info!(finished = drained.finished, cut_off = drained.cut_off, "mapping store drained");
    for task in [Some(limits), Some(sweeping), Some(observing), Some(rotating), control, admin].into_iter().flatten() {
        // A task that panicked has said so already.
        let _ = task.await;
    }
    Ok(())
}

/// Sweeps until `shutdown`, in steps between which publications come.
async fn sweep(store: Store, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
        // If the writer fails it has said why; what is due stays due.
        while let Some(Ok(swept)) = shutdown.run_until_cancelled(store.sweep(SWEEP_STEP)).await {
            ::metrics::counter!(crate::metrics::SWEPT).increment(swept as u64);
            if swept < SWEEP_STEP {
                break;
            }
        }
    }
}

/// Watches until `shutdown`, and does not wait for an engine that is silent then.
async fn observe(store: Store, readiness: Readiness, shutdown: CancellationToken) {
    shutdown.run_until_cancelled(watch(&store, &readiness)).await;
}

/// Ready as long as the store is; learns what other stores of a cluster publish; sets the gauges.
async fn watch(store: &Store, readiness: &Readiness) {
    let (mut ready, mut observed) = (true, None);
    loop {
        let is_ready = store.is_ready().await;
        if is_ready != ready {
            ready = is_ready;
            tracing::warn!(ready, "the engine's readiness has changed");
        }
        readiness.set_ready(ready);
        if observed.is_none_or(|at: Instant| at.elapsed() >= OBSERVE_EVERY) {
            observed = Some(Instant::now());
            if let Err(error) = store.look_around().await {
                tracing::warn!(%error, "what other stores publish cannot be read");
            }
            store.observe().await;
        }
        tokio::time::sleep(READINESS_EVERY).await;
    }
}

/// Carries changes of the hash key through: one that was cut short, and those that are asked for.
async fn rotate(store: Store, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(store.rotation_begun()).await.is_some() {
        match shutdown.run_until_cancelled(store.rotate(|_| {})).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "changing the hash key failed; it goes on after a pause");
                shutdown.run_until_cancelled(tokio::time::sleep(ROTATION_PAUSE)).await;
            }
        }
    }
}

fn router(app: Arc<App>) -> Router {
    let not_allowed = || async { Problem::from(ProblemType::MethodNotAllowed.problem()) };
    Router::new()
        .route("/v1/mappings", post(mappings::publish))
        .route("/v1/removals", post(removals::remove))
        .route("/v1/changes", get(changes::read))
        .route("/v1/conflicts", post(conflicts::ask))
        .route(protocol::lookup::PATH, post(lookup::over_http))
        .route(identifier_query::ROUTE, post(identifier_query::over_http))
        .route(protocol::mimi_query::DIRECTORY_PATH, get(directory::describe))
        .route("/.well-known/mimi-discovery-provider", get(provider::describe))
        .method_not_allowed_fallback(not_allowed)
        .fallback(|| async { Problem::from(ProblemType::NotFound.problem()) })
        .with_state(app)
}

/// Reads a body of `media_type`.
async fn read(request: Request, media_type: &str, max_bytes: usize) -> Result<Bytes, Problem> {
    check_type(request.headers(), media_type)?;
    body::read(request.into_body(), max_bytes, BODY_TIMEOUT).await.map_err(unread)
}

/// A body of `media_type` that is at hand.
fn at_hand(request: &Request<Bytes>, media_type: &str, max_bytes: usize) -> Result<Bytes, Problem> {
    check_type(request.headers(), media_type)?;
    let body = request.body();
    if body.len() <= max_bytes { Ok(body.clone()) } else { Err(unread(BodyError::TooLong)) }
}

fn check_type(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    if body::is_of_type(headers, media_type) {
        return Ok(());
    }
    Err(ProblemType::UnsupportedMediaType.because(format!("this endpoint takes {media_type}")).into())
}

fn unread(error: BodyError) -> Problem {
    let problem_type = match error {
        BodyError::MediaType => ProblemType::UnsupportedMediaType,
        BodyError::TooLong => ProblemType::TooLarge,
        BodyError::TooSlow | BodyError::Broken => ProblemType::Malformed,
    };
    problem_type.because(error).into()
}
