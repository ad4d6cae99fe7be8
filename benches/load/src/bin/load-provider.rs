//! `load-provider --config GATEWAY --store STORE`: gateway and mapping store in one process, by the libraries of both, as the local
//! stack composes them; each with the configuration of its own binary. Publications come in at a port of the system's choice.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use gateway::{Config, Cost, KeyRing, Target, TargetError};
use http::{Request, Response};
use mapping_store::store::system_clock;
use mapping_store::{LookupCost, Store};
use service::process::Allocator;
use service::{ListenError, ListenerConfig, ServiceArgs};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[derive(Parser)]
#[command(about = "Gateway and mapping store in one process, to be measured")]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// The store's configuration (TOML)
    #[arg(long, value_name = "FILE")]
    store: PathBuf,
}

fn main() -> ExitCode {
    let Args { service, store } = Args::parse();
    let check = |config: &Config| -> Result<(), ListenError> { config.listener.check() };
    service::process::main(service, check, |config: Config, shutdown| async move {
        let mut settings: mapping_store::Config = service::load_config(&store)?;
        settings.listener = ListenerConfig::loopback();
        let store = Store::open(&settings.store, system_clock())?;
        let keys = Arc::new(KeyRing::open(&config.keys, gateway::keys::system_clock())?);
        let publications = settings.bind().await?;
        let listeners = config.bind().await?;
        let serving = tokio::spawn(mapping_store::run(store.clone(), settings, publications, shutdown.clone()));
        gateway::run(config, keys, listeners, Embedded(store), shutdown).await?;
        Ok(serving.await??)
    })
}

/// The store in the gateway's process.
struct Embedded(Store);

impl Target for Embedded {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TargetError> {
        let mut response = self.0.lookup_in_process(request).await;
        if let Some(LookupCost(cost)) = response.extensions_mut().remove() {
            response.extensions_mut().insert(Cost(cost));
        }
        Ok(response)
    }
}
