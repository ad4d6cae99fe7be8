//! `mapping-store --config FILE`: a mapping store on its own; a gateway reaches it over mutual TLS.

use std::process::ExitCode;

use clap::Parser as _;
use mapping_store::{Config, Store};
use service::ServiceArgs;

fn main() -> ExitCode {
    service::process::main(ServiceArgs::parse(), Config::check, |config, shutdown| async move {
        let store = Store::open(&config.store, mapping_store::store::system_clock())?;
        let listeners = config.bind().await?;
        Ok(mapping_store::run(store, config, listeners, shutdown).await?)
    })
}
