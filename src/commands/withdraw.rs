//! `discovery withdraw`: take a mapping back.

use client::enrollment::{Enrolled, Wish};
use protocol::authenticated::UnverifiedMapping;
use protocol::mapping::State;

use super::Outcome;
use super::user::{User, UserArgs};
use crate::enroll::{MAPPING_LIFETIME, now};
use crate::failure::Failure;
use crate::output;
use crate::wallet::Wallet;

/// Withdraw the mapping of a phone number or an email address
///
/// The withdrawal is signed by the key that published the mapping, under the same credential.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  discovery withdraw --stack stack/stack.json --key me.key +14155550132")]
pub(super) struct Args {
    #[command(flatten)]
    user: UserArgs,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let User { cpi, msp, desk, .. } = args.user.read()?;
    let wallet = Wallet::open(&args.user.key)?;
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
