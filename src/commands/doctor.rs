//! `discovery doctor`: what an outsider can see of a deployment, and what is wrong with it.

use super::Outcome;
use crate::doctor;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Flags, Settings};

/// Check a deployment from outside, and say in words what is wrong
///
/// Looks at TLS, clocks, the key configuration in both forms, what the relay refuses, the store and the ID Prover, and asks one
/// oblivious question. Exit status 0 if all is well, 1 if something is wrong, 2 if the settings cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery doctor --stack stack/stack.json")]
pub(super) struct Args {
    #[command(flatten)]
    deployment: Flags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&args.deployment)?;
    let findings = doctor::examine(&settings).await;
    for finding in &findings {
        output::line(finding)?;
    }
    Ok(if findings.iter().all(doctor::Finding::is_well) { Outcome::Done } else { Outcome::NotAll })
}
