//! `mapping-store --config FILE`: a mapping store on its own; a gateway reaches it over mutual TLS.
//! `mapping-store --config FILE follow URL --ca FILE`: the same, and it follows another provider's change feed.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mapping_store::follow::{FollowConfig, Follower};
use mapping_store::{Config, Store};
use service::{CancellationToken, ClientTlsConfig, ServiceArgs};

#[derive(Parser)]
#[command(version, about = "Publication and lookup of authenticated mappings")]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, and follow another provider's change feed: every document is verified here
    Follow {
        /// The other provider's base URL: https://dp.example
        url: String,
        /// The authorities to trust for its certificate (PEM)
        #[arg(long, value_name = "FILE")]
        ca: PathBuf,
        /// Our client certificate, if it asks for one (PEM)
        #[arg(long, value_name = "FILE", requires = "key")]
        certificate: Option<PathBuf>,
        /// Its key (PEM)
        #[arg(long, value_name = "FILE", requires = "certificate")]
        key: Option<PathBuf>,
        /// How long one request may wait for news, in seconds; 30 at most
        #[arg(long, default_value_t = 20, value_name = "SECONDS")]
        wait_seconds: u64,
    },
}

fn main() -> ExitCode {
    let Args { service, command } = Args::parse();
    service::process::main(service, Config::check, |config, shutdown| run(config, command, shutdown))
}

async fn run(config: Config, command: Option<Command>, shutdown: CancellationToken) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&config.store, mapping_store::store::system_clock())?;
    let follower = command.map(|command| Follower::new(&command.into_config(), store.clone())).transpose()?;
    let listeners = config.bind().await?;
    let following = follower.map(|follower| {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { follower.run(shutdown).await })
    });
    mapping_store::run(store, config, listeners, shutdown).await?;
    if let Some(following) = following {
        following.await?;
    }
    Ok(())
}

impl Command {
    fn into_config(self) -> FollowConfig {
        let Self::Follow { url, ca, certificate, key, wait_seconds } = self;
        FollowConfig { url, tls: ClientTlsConfig { ca: Some(ca), certificate, key }, wait_seconds }
    }
}
