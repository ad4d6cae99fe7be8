//! What the `main` of every service does: command line, configuration file, signals.

use std::error::Error;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
/// The allocator of every server, for the `#[global_allocator]` of its `main.rs`: it gives back what a burst of connections took
/// (`docs/decisions/0077-mimalloc.md`).
pub use mimalloc::MiMalloc as Allocator;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::hangup;
use crate::logs::{LogFormat, init_logs};

/// The command line of a service.
#[derive(Clone, Debug, Parser)]
pub struct ServiceArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Check the configuration and the files it names, then exit: 0 if all is well, 2 if not
    #[arg(long)]
    pub check: bool,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// Not TOML of the expected form; the reason names line and key.
    #[error("{path}: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: toml::de::Error,
    },
}

/// The `main` of a service: reads the configuration, checks it, and runs until a signal; SIGHUP
/// ends nothing ([`Hangups`](crate::Hangups)). Exit status 0 after a clean
/// shutdown, 2 for a configuration that cannot be used, 1 if running failed.
pub fn main<C, E, F>(
    args: ServiceArgs,
    check: impl FnOnce(&C) -> Result<(), E>,
    run: impl FnOnce(C, CancellationToken) -> F,
) -> ExitCode
where
    C: DeserializeOwned,
    E: Error + 'static,
    F: Future<Output = Result<(), Box<dyn Error>>>,
{
    init_logs(args.log_format);
    let checked = load_config::<C>(&args.config).map_err(Box::<dyn Error>::from).and_then(|config| {
        check(&config)?;
        Ok(config)
    });
    let config = match checked {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "the configuration cannot be used");
            return ExitCode::from(2);
        }
    };
    if args.check {
        tracing::info!("the configuration is good");
        return ExitCode::SUCCESS;
    }
    let running = tokio::runtime::Runtime::new().map_err(Box::from).and_then(|runtime| {
        runtime.block_on(async {
            hangup::listen()?;
            let shutdown = shutdown_signal()?;
            run(config, shutdown).await
        })
    });
    match running {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the service cannot run");
            ExitCode::FAILURE
        }
    }
}

/// Reads a TOML configuration.
///
/// # Errors
///
/// [`ConfigError`] names the file, and the line and key at fault.
pub fn load_config<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Read { path: path.to_owned(), reason })?;
    toml::from_str(&text).map_err(|reason| ConfigError::Parse { path: path.to_owned(), reason })
}

/// A token that SIGTERM or SIGINT cancels: the service then drains. A second signal ends the process at once.
///
/// # Errors
///
/// If the system refuses signal handlers.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
            if first {
                tracing::info!("shutting down; a second signal ends at once");
                cancelled.cancel();
            } else {
                std::process::exit(130);
            }
        }
    });
    Ok(token)
}
