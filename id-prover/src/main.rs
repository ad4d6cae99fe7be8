//! `id-prover --config FILE`: an ID Prover on its own; MSPs reach it over mutual TLS.

use std::process::ExitCode;

use clap::Parser as _;
use id_prover::Config;
use service::ServiceArgs;

fn main() -> ExitCode {
    service::process::main(ServiceArgs::parse(), Config::check, |config, shutdown| async move {
        let listeners = config.bind().await?;
        Ok(id_prover::run(config, listeners, shutdown).await?)
    })
}
