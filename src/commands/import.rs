//! `discovery import` and `discovery export`: many documents into a stopped store, and out of one.

use std::path::{Path, PathBuf};

use mapping_store::Config;
use mapping_store::command::{self, Ended, ExportArgs, ImportArgs, Trouble};

use super::Outcome;
use crate::failure::Failure;
use crate::output;

/// Publish the documents of a file in a stopped mapping store: each is verified, and the rules of every publication hold
///
/// Cut short, the same command goes on where it was. Exit status 0 if all were taken, 1 if some were refused, 2 on trouble.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  discovery import --format cbor-seq mappings.cbor-seq --config mapping-store.toml --report refused.jsonl"
)]
pub(super) struct Args {
    /// The mapping store's settings
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    import: ImportArgs,
}

/// Write the live documents of a stopped mapping store, or of a backup, as a CBOR sequence
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery export mappings.cbor-seq --config mapping-store.toml")]
pub(super) struct ExportCommand {
    /// The mapping store's settings
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    export: ExportArgs,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    ended(command::import(&read(&args.config)?.store, args.import).await)
}

pub(super) async fn export(args: ExportCommand) -> Result<Outcome, Failure> {
    ended(command::export(&read(&args.config)?.store, &args.export).await)
}

fn read(config: &Path) -> Result<Config, Failure> {
    let config: Config = service::load_config(config).map_err(Failure::new)?;
    config.check().map_err(Failure::new)?;
    Ok(config)
}

fn ended(ended: Result<Ended, Trouble>) -> Result<Outcome, Failure> {
    let Ended { well, summary } = ended.map_err(Failure::new)?;
    output::line(summary)?;
    Ok(if well { Outcome::Done } else { Outcome::NotAll })
}
