//! `discovery config`: which settings hold, and where each came from.

use serde_json::json;

use super::Outcome;
use crate::failure::Failure;
use crate::output::{self, Table};
use crate::settings::{Flags, Key, Settings};

/// Print the settings that hold, and where each came from
///
/// From the configuration file (~/.config/discovery/config.toml), then environment variables (DISCOVERY_TRUST, ...), then flags;
/// the later go before the earlier. Keys are named by their files, and never read here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  DISCOVERY_REGION=US discovery config --stack stack/stack.json")]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    deployment: Flags,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&args.deployment)?;
    if args.json {
        let one = |(key, values, origin): (Key, &[String], &dyn std::fmt::Display)| {
            (key.name().to_owned(), json!({ "value": values, "from": origin.to_string() }))
        };
        let all: serde_json::Map<_, _> =
            settings.each().map(|(key, values, origin)| one((key, values, origin))).collect();
        output::line(serde_json::Value::Object(all))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(["setting", "value", "from"]);
    for (key, values, origin) in settings.each() {
        table.row(None, [key.name().to_owned(), values.join("\n"), origin.to_string()]);
    }
    table.print()?;
    Ok(Outcome::Done)
}
