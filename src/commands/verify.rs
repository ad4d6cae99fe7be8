//! `discovery verify`: one authenticated mapping, offline.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use client::verify::{Report, verify};
use protocol::authenticated::MAX_BYTES;

use super::Outcome;
use crate::enroll::now;
use crate::failure::Failure;
use crate::output::{self, Tone};
use crate::settings::{AskFlags, Settings};

/// Verify authenticated mappings offline: what they prove, by whom, until when; or which rule they break
///
/// Exit status 0 if all verify, 1 if one does not, 2 if one cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery lookup --stack stack/stack.json --save found +14155550132\n  \
                        discovery verify --trust stack/trust.toml found/*.mapping")]
pub(super) struct Args {
    /// The mappings, one in each file; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    deployment: AskFlags,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failure> {
    let trust = Settings::load(&args.deployment.into())?.trust()?;
    let mut outcome = Outcome::Done;
    for (index, file) in args.files.iter().enumerate() {
        if args.files.len() > 1 {
            output::line(format_args!("{}{}:", if index > 0 { "\n" } else { "" }, file.display()))?;
        }
        match verify(&read(file)?, &trust.provers, now()) {
            Ok(verified) => output::line(Report(&verified).to_string().trim_end())?,
            Err(error) => {
                outcome = Outcome::NotAll;
                output::line(Tone::Bad.paint(format_args!("does not verify: {error}")))?;
            }
        }
    }
    Ok(outcome)
}

/// Reads one byte more than the longest mapping at most: what is too long is refused by that rule.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(stdin().lock()),
        _ => {
            let unreadable = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
            Box::new(File::open(path).map_err(unreadable)?)
        }
    };
    let mut document = Vec::new();
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut document)?;
    Ok(document)
}
