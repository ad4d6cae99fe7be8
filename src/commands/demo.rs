//! `discovery demo`: a contact book enrolls and is found.

use std::path::PathBuf;

use super::Outcome;
use crate::demo::{self, Setting};
use crate::failure::Failure;
use crate::output;
use crate::stack::Foundation;

/// Enroll the people of a contact book, then find them all through the relay and check every answer
///
/// Starts a stack with fresh keys and a real SMTP server, enrolls the people of the book as their CATEGORIES say, publishes
/// their mappings, looks the whole book up as a stranger would, and verifies what comes back. Exit status 0 if every
/// expectation held, 1 if one did not, 2 if something did not work.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery demo --contacts docs/samples/contacts.vcf")]
pub(super) struct Args {
    /// The contact book (vCard)
    #[arg(long, value_name = "FILE", default_value = "docs/samples/contacts.vcf")]
    contacts: PathBuf,
    /// Keep the stack's folder here [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let temporary = tempfile::tempdir()?;
    let foundation = Foundation::lay(args.dir.as_deref().unwrap_or(temporary.path()))?;
    let report = demo::run(foundation, &Setting { contacts: args.contacts }).await?;
    output::line(&report)?;
    Ok(if report.all_as_expected() { Outcome::Done } else { Outcome::NotAll })
}
