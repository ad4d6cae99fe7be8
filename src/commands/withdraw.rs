//! `discovery withdraw`: take a mapping back.

use std::path::PathBuf;

use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::{Cpi, Region};
use protocol::mapping::State;
use protocol::mimi_uri::Msp;

use super::Outcome;
use crate::enroll::{Desk, MAPPING_LIFETIME, now};
use crate::failure::Failure;
use crate::output;
use crate::stack::Description;
use crate::wallet::Wallet;
use client::enrollment::{Enrolled, Wish};

/// Withdraw the mapping of a phone number or an email address
///
/// The withdrawal is signed by the key that published the mapping, under the same credential.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery withdraw --stack stack/stack.json --key me.key +14155550132")]
pub(super) struct Args {
    /// The stack's description, as `discovery up` wrote it
    #[arg(long, value_name = "FILE")]
    stack: PathBuf,
    /// The user's key
    #[arg(long, value_name = "FILE", default_value = "user.key")]
    key: PathBuf,
    /// Where a number without country code is at home, such as US
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The phone number or email address
    #[arg(value_name = "CPI")]
    cpi: String,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let region = args.region.as_deref().map(Region::parse).transpose()?;
    let cpi = Cpi::from_user_input(&args.cpi, region)?;
    let stack = Description::read(&args.stack)?;
    let msp = Msp::parse(&stack.msp)?;
    let wallet = Wallet::open(&args.key)?;
    let desk = Desk::open(&stack, msp.clone(), &stack.msp_identity())?;
    let bytes = wallet.mapping(&cpi, &msp)?.ok_or_else(|| Failure::new("this key has published no mapping of that"))?;
    let kept = UnverifiedMapping::parse(&bytes)
        .map_err(Failure::new)?
        .verify(&desk.trust().provers, now())
        .map_err(|error| Failure::new(format!("the kept mapping: {error}")))?;
    let mapping = kept.mapping();
    let enrolled = Enrolled::from_credential(kept.signed_credential().bytes(), &desk.trust().provers)?;
    let wish = Wish {
        reachability: mapping.reachability.clone(),
        tags: mapping.tags.clone(),
        seq: mapping.seq + 1,
        fresh: false,
        state: State::Withdrawn,
        lifetime: MAPPING_LIFETIME,
    };
    let (withdrawal, receipt) = desk.publish(&enrolled, wish, wallet.key()).await?;
    wallet.keep(&cpi, &msp, &withdrawal)?;
    let position = &receipt.document().position;
    output::line(format_args!("{cpi} is withdrawn, at position {}/{} of the log.", position.shard, position.number))?;
    Ok(Outcome::Done)
}
