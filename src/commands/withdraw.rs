//! `discovery withdraw`: take a mapping back.

use client::enrollment::{Enrolled, Wish};
use protocol::mapping::State;

use super::Outcome;
use super::user::{UserArgs, wish_of};
use crate::failure::Failure;

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
    let user = args.user.read()?;
    let last = user.last()?.ok_or_else(|| Failure::new("this key has published no mapping of that"))?;
    let enrolled = Enrolled::from_credential(last.signed_credential().bytes(), &user.desk.trust().provers)?;
    let wish = Wish { state: State::Withdrawn, ..wish_of(last.mapping()) };
    let position = user.publish(&enrolled, wish, Some(last.mapping()), None).await?;
    user.tell("withdrawn", position)?;
    Ok(Outcome::Done)
}
