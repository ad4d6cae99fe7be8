//! `mapping-store --config FILE`: a mapping store on its own; a gateway reaches it over mutual TLS.
//! `mapping-store --config FILE COMMAND`: backups, imports, checks, the hash key, a cluster's schema; `follow` serves as well.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use mapping_store::command::{Command, FollowArgs};
use mapping_store::follow::Follower;
use mapping_store::store::system_clock;
use mapping_store::{Config, Store};
use service::logs::init_logs;
use service::process::Allocator;
use service::{CancellationToken, ServiceArgs};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[derive(Parser)]
#[command(version, about = "Publication and lookup of authenticated mappings")]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let Args { service, command } = Args::parse();
    match command.map(Command::into_follow) {
        None => service::process::main(service, Config::check, |config, shutdown| run(config, None, shutdown)),
        Some(Ok(follow)) => {
            service::process::main(service, Config::check, |config, shutdown| run(config, Some(follow), shutdown))
        }
        Some(Err(command)) => {
            init_logs(service.log_format);
            match service::load_config(&service.config) {
                Ok(config) => command.run(&config),
                Err(error) => {
                    tracing::error!(%error, "the configuration cannot be used");
                    ExitCode::from(2)
                }
            }
        }
    }
}

async fn run(config: Config, follow: Option<FollowArgs>, shutdown: CancellationToken) -> Result<(), Box<dyn Error>> {
    let store = match &follow {
        Some(_) => Store::connect_to_bring_forward(&config.store, system_clock()).await?,
        None => Store::connect(&config.store, system_clock()).await?,
    };
    let follower = follow.map(|args| Follower::new(&args.into_config(), store.clone())).transpose()?;
    if let Some(follower) = &follower
        && store.is_to_be_brought_forward().await?
        && !follower.bring_forward(&shutdown).await?
    {
        return Ok(());
    }
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
