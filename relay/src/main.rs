//! `relay --config FILE`: an Oblivious HTTP relay.

use std::process::ExitCode;

use clap::Parser as _;
use service::ServiceArgs;
use service::process::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    service::process::main(
        ServiceArgs::parse(),
        |config: &relay::Config| config.check(),
        |config, shutdown| async {
            let listeners = config.bind().await?;
            Ok(relay::run(config, listeners, shutdown).await?)
        },
    )
}
