//! `discovery man [FOLDER]`: manual pages.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::{CommandLine, Outcome};
use crate::failure::Failure;
use crate::output;

/// Write manual pages: of all commands into a folder, or the main one to standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery man ~/.local/share/man/man1\n  discovery man | man -l -")]
pub(super) struct Args {
    /// The folder; made if missing
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let command = CommandLine::command();
    match &args.folder {
        None => clap_mangen::Man::new(command).render(&mut std::io::stdout().lock())?,
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
            output::note(format_args!("The pages are in {}.", folder.display()));
        }
    }
    Ok(Outcome::Done)
}
