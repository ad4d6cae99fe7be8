//! `gateway --config FILE`: an Oblivious HTTP gateway in front of a target over HTTP/2. SIGHUP rotates its keys.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use gateway::{Config, HttpTarget, KeyRing};
use service::{Hangups, ServiceArgs};

fn main() -> ExitCode {
    service::process::main(ServiceArgs::parse(), Config::check, async move |config, shutdown| {
        let target = HttpTarget::new(config.http_target()?)?;
        let keys = Arc::new(KeyRing::open(&config.keys, gateway::keys::system_clock())?);
        let (mut hangups, rotated) = (Hangups::new(), Arc::clone(&keys));
        tokio::spawn(async move {
            loop {
                hangups.next().await;
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
