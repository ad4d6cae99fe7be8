//! What the `main` of every service does: command line, configuration file, signals.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::logs::LogFormat;

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
