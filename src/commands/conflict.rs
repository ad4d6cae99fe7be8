//! `discovery conflict`: was a mapping of one's own displaced?

use std::path::PathBuf;

use protocol::cpi::Cpi;
use serde_json::json;

use super::Outcome;
use crate::failure::Failure;
use crate::output;
use crate::settings::{Flags, Key, Settings};
use crate::wallet::Wallet;

/// Ask whether a mapping stopped being found because another claimed the identifier, or its issuer took it back
///
/// The question is signed by the key that published the mapping; nobody else gets an answer. The provider's signed notice says that
/// and when, but not by whom. Exit status: 0 if nothing was displaced, as far as the provider remembers, 1 if something was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery conflict --stack stack/stack.json --key me.key +14155550132")]
pub(super) struct Args {
    /// The key that published the mapping
    #[arg(long, value_name = "FILE", default_value = "user.key")]
    key: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Where a number without country code is at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The phone number or email address
    #[arg(value_name = "CPI")]
    cpi: String,
    #[command(flatten)]
    deployment: Flags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let settings = Settings::load(&args.deployment.with(Key::Region, args.region.as_deref()))?;
    let cpi = Cpi::from_user_input(&args.cpi, settings.region()?)?;
    let (desk, wallet) = (settings.desk()?, Wallet::open(&args.key)?);
    let notice = desk.conflict(&cpi, wallet.key()).await?;
    let displaced_at = notice.map(|notice| notice.document().displaced_at);
    if args.json {
        let displaced_at = displaced_at.map(|time| time.to_string());
        output::line(json!({ "cpi": cpi.as_str(), "displaced_at": displaced_at }))?;
    } else {
        match displaced_at {
            None => {
                output::line(format_args!("{cpi}: no mapping of this key was displaced, as far as is remembered."))?
            }
            Some(time) => output::line(format_args!("{cpi}: a mapping of this key was displaced at {time}."))?,
        }
    }
    Ok(if displaced_at.is_none() { Outcome::Done } else { Outcome::NotAll })
}
