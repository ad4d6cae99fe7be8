//! `discovery inspect`: takes one of our documents, a capsule or a key configuration apart.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;

use super::Outcome;
use crate::failure::Failure;
use crate::inspect;
use crate::output;

const MAX_BYTES: u64 = 1 << 20;

/// Take a document, a capsule or a key configuration apart, item by item
///
/// Reads octets, or hexadecimal digits, and shows signed documents in diagnostic notation with the names of their claims and
/// their times. Nothing is verified: `discovery verify` does that.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  curl -s --cacert stack/certificates/ca.pem $(jq -r .keys_url stack/stack.json) | discovery inspect\n  \
                        discovery inspect user.key.d/*.mapping"
)]
pub(super) struct Args {
    /// What to look at; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    for (index, file) in args.files.iter().enumerate() {
        if args.files.len() > 1 {
            output::line(format_args!("{}{}:", if index > 0 { "\n" } else { "" }, file.display()))?;
        }
        let source: Box<dyn Read> = match file.to_str() {
            Some("-") => Box::new(stdin().lock()),
            _ => Box::new(
                File::open(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?,
            ),
        };
        let mut bytes = Vec::new();
        source.take(MAX_BYTES).read_to_end(&mut bytes)?;
        output::line(inspect::describe(&bytes)?.trim_end())?;
    }
    Ok(Outcome::Done)
}
