//! Serving: the listeners, the background work, and the end of both.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use service::{CancellationToken, Listeners, Readiness, install_metrics, run_admin, serve};
use tokio::sync::mpsc;

use crate::clock::{Clock, system_clock};
use crate::config::Config;
use crate::handlers;
use crate::keys::Token;
use crate::keys::files::SigningFiles;
use crate::prover::{OpenError, Prover};

const READINESS_EVERY: Duration = Duration::from_secs(1);

/// Why an ID Prover cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting, a key or the database.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Runs an ID Prover until `shutdown`, then drains.
///
/// # Errors
///
/// [`RunError`] if it cannot start.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> Result<(), RunError> {
    run_with_clock(config, listeners, system_clock(), shutdown).await
}

/// As [`run`], by another clock.
///
/// # Errors
///
/// As [`run`].
pub async fn run_with_clock(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let (_, reloads) = mpsc::channel(1);
    run_reloading(config, listeners, clock, reloads, shutdown).await
}

/// Configurations to take up while a prover runs ([`Prover::reload`]).
pub type Reloads = mpsc::Receiver<Config>;

/// As [`run_with_clock`]; each configuration that comes by `reloads` is taken up.
///
/// # Errors
///
/// As [`run`].
pub async fn run_reloading(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    reloads: Reloads,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let token = Arc::new(SigningFiles::new(&config.state_folder));
    run_with_token(config, listeners, clock, token, reloads, shutdown).await
}

/// As [`run_reloading`], with the signing keys of `token` in place of the files.
///
/// # Errors
///
/// As [`run`].
pub async fn run_with_token(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    token: Arc<dyn Token>,
    reloads: Reloads,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let (readiness, prometheus) = (Readiness::default(), install_metrics());
    crate::metrics::describe();
    let prover = Prover::open_with_token(config, clock, token).await?;
    let admin = listeners
        .admin
        .map(|listener| tokio::spawn(run_admin(listener, readiness.clone(), prometheus, shutdown.clone())));
    let (sweeping, token) = (prover.clone(), shutdown.clone());
    let sweeping = tokio::spawn(async move { sweeping.sweep(token).await });
    let reloading = tokio::spawn(take_up(prover.clone(), reloads, shutdown.clone()));
    readiness.set_ready(true);
    let (watched, token, shown) = (prover.clone(), shutdown.clone(), readiness.clone());
    let watching = tokio::spawn(async move { watch_readiness(|| watched.is_ready(), shown, token).await });
    tracing::info!("ID prover serving");
    let router = handlers::router(Arc::new(prover.clone()));
    let drained = serve(listeners.public, TowerToHyperService::new(router), shutdown).await;
    readiness.set_ready(false);
    tracing::info!(finished = drained.finished, cut_off = drained.cut_off, "ID prover drained");
    prover.close().await;
    for task in [Some(sweeping), Some(reloading), Some(watching), admin].into_iter().flatten() {
        // A task that panicked has said so already.
        let _ = task.await;
    }
    Ok(())
}

/// Ready as long as the database is. What it is asked at shutdown is given up: a silent one would hold up the end.
async fn watch_readiness<A>(is_ready: impl Fn() -> A, readiness: Readiness, shutdown: CancellationToken)
where
    A: Future<Output = bool>,
{
    let mut ready = true;
    let ask = || async {
        tokio::time::sleep(READINESS_EVERY).await;
        is_ready().await
    };
    while let Some(is_ready) = shutdown.run_until_cancelled(ask()).await {
        if is_ready != ready {
            ready = is_ready;
            tracing::warn!(ready, "the database's readiness has changed");
        }
        if !shutdown.is_cancelled() {
            readiness.set_ready(ready);
        }
    }
}

/// What is being taken up at shutdown is given up.
async fn take_up(prover: Prover, mut reloads: Reloads, shutdown: CancellationToken) {
    while let Some(Some(config)) = shutdown.run_until_cancelled(reloads.recv()).await {
        match shutdown.run_until_cancelled(prover.reload(config)).await {
            Some(Ok(())) => tracing::info!("MSPs, limits and keys are taken up anew"),
            Some(Err(error)) => {
                tracing::error!(%error, "the configuration cannot be taken up; the former stays in force");
            }
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_silent_database_does_not_hold_up_the_end() {
        let (asked, mut asking) = mpsc::unbounded_channel();
        let is_ready = move || {
            asked.send(()).unwrap();
            std::future::pending()
        };
        let shutdown = CancellationToken::new();
        let watching = tokio::spawn(watch_readiness(is_ready, Readiness::default(), shutdown.clone()));
        asking.recv().await.unwrap();
        shutdown.cancel();
        tokio::time::timeout(DEADLINE, watching).await.unwrap().unwrap();
    }
}
