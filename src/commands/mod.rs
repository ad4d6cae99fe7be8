//! The command line. Exit statuses: 0 done and found, 1 something was not found or does not verify, 2 usage or trouble.

mod answers;
mod asked;
mod audit;
mod completions;
mod config;
mod conflict;
mod demo;
mod doctor;
mod enroll;
mod import;
mod inspect;
mod keys;
mod lookup;
mod man;
mod publish;
mod sync;
mod up;
mod user;
mod verify;
mod watch;
mod withdraw;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::output;

pub(crate) use answers::is_found;
pub(crate) use lookup::client;

/// Finds out at which messaging providers a phone number or an email address can be reached, without telling anybody who
/// asks, and verifies every answer.
#[derive(Debug, Parser)]
#[command(name = "discovery", version, max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Args),
    Demo(demo::Args),
    Enroll(enroll::Args),
    Publish(publish::Args),
    Withdraw(withdraw::Args),
    Conflict(conflict::Args),
    Lookup(lookup::Args),
    Sync(sync::Args),
    Watch(watch::Args),
    Verify(verify::Args),
    Audit(audit::Args),
    Keys(keys::Args),
    Import(import::Args),
    Export(import::ExportCommand),
    Inspect(inspect::Args),
    Doctor(doctor::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Done,
    /// Something was not found, did not verify, or was not as expected.
    NotAll,
}

/// The `main` of the `discovery` command.
#[must_use]
pub fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let ended =
        tokio::runtime::Runtime::new().map_err(Failure::from).and_then(|runtime| runtime.block_on(command.run()));
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NotAll) => ExitCode::from(1),
        Err(failure) => {
            output::note(format_args!("discovery: {failure}"));
            ExitCode::from(2)
        }
    }
}

impl Command {
    async fn run(self) -> Result<Outcome, Failure> {
        match self {
            Self::Up(args) => up::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Enroll(args) => enroll::run(args).await,
            Self::Lookup(args) => lookup::run(args).await,
            Self::Publish(args) => publish::run(args).await,
            Self::Withdraw(args) => withdraw::run(args).await,
            Self::Conflict(args) => conflict::run(args).await,
            Self::Sync(args) => sync::run(args).await,
            Self::Watch(args) => watch::run(args).await,
            Self::Verify(args) => verify::run(args),
            Self::Audit(args) => audit::run(args).await,
            Self::Keys(args) => keys::run(args).await,
            Self::Import(args) => import::run(args).await,
            Self::Export(args) => import::export(args).await,
            Self::Inspect(args) => inspect::run(&args),
            Self::Doctor(args) => doctor::run(args).await,
            Self::Config(args) => config::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        for command in CommandLine::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("discovery {}", command.get_name())), "{}", command.get_name());
        }
    }
}
