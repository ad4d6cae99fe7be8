//! `gateway --config FILE`: an Oblivious HTTP gateway in front of a target over HTTP/2. SIGHUP rotates its keys; shared ones are read again.
//!
//! `gateway --config FILE --make-shared-keys` makes the key files for several gateways behind one name, and ends.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gateway::{Config, HttpTarget, KeyRing};
use service::process::Allocator;
use service::{Hangups, ServiceArgs};

/// The command line.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
    /// Make the key files for several gateways to share, then exit: copy them to each of them
    #[arg(long)]
    make_shared_keys: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let makes_keys = arguments.make_shared_keys;
    service::process::main(arguments.service, Config::check, async move |config, shutdown| {
        let clock = gateway::keys::system_clock();
        if makes_keys {
            KeyRing::make_shared(&config.keys, &clock)?;
            tracing::info!("shared keys made");
            return Ok(());
        }
        let target = HttpTarget::new(config.http_target()?)?;
        let keys = Arc::new(KeyRing::open(&config.keys, clock)?);
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
