//! `gateway --config FILE`: an Oblivious HTTP gateway in front of a target over HTTP/2. SIGHUP rotates its keys.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use gateway::{Config, HttpTarget, KeyRing};
use service::ServiceArgs;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    service::process::main(ServiceArgs::parse(), Config::check, |config, shutdown| async move {
        let target = HttpTarget::new(config.http_target()?)?;
        let keys = Arc::new(KeyRing::open(&config.keys, gateway::keys::system_clock())?);
        let (mut hangup, rotated) = (signal(SignalKind::hangup())?, Arc::clone(&keys));
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                match rotated.rotate() {
                    Ok(()) => tracing::info!("keys rotated on demand"),
                    Err(error) => tracing::error!(%error, "keys cannot be rotated; the old ones stay"),
                }
            }
        });
        let listeners = config.bind().await?;
        Ok(gateway::run(config, keys, listeners, target, shutdown).await?)
    })
}
