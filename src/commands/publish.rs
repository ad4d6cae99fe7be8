//! `discovery publish`: a new mapping under the credential that is at hand.

use client::enrollment::{Enrolled, Wish};
use protocol::mapping::{Reachability, Tags};
use protocol::mimi_uri::Psi;

use super::Outcome;
use super::user::{UserArgs, wish_of};
use crate::failure::Failure;

/// Publish a new mapping for an identifier that was enrolled before: other tags, another name there, or the same anew
///
/// What is not said stays as it was in the last mapping of this key here. It holds for as long as the credential does; after
/// that, `discovery enroll` is needed. A mapping that was withdrawn is live again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  discovery publish --stack stack/stack.json --key me.key --tag Business --tag Default +14155550132\n  \
                        discovery publish --stack stack/stack.json --key me.key --opt-out bob@example.com"
)]
pub(super) struct Args {
    /// How the user prefers to be found there, in place of all earlier tags; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Without tags
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,
    /// The user's identifier at the provider, such as mimi://msp.example/u/bob
    #[arg(long, value_name = "URI")]
    psi: Option<String>,
    /// Without an identifier at the provider
    #[arg(long, conflicts_with = "psi")]
    no_psi: bool,
    /// Publish that the user wishes to be found nowhere
    #[arg(long, conflicts_with_all = ["psi", "no_psi"])]
    opt_out: bool,
    /// Wish to be found again
    #[arg(long, conflicts_with = "opt_out")]
    opt_in: bool,
    /// Say that the identifier is newly the user's: mappings of earlier holders stop being served
    #[arg(long)]
    fresh: bool,
    /// The number of this mapping, higher than that of any before [default: the next]
    #[arg(long, value_name = "NUMBER")]
    seq: Option<u64>,
    #[command(flatten)]
    user: UserArgs,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let psi = args.psi.as_deref().map(Psi::parse).transpose()?;
    let tags = Tags::new(args.tags)?;
    let user = args.user.read()?;
    let last = user.last()?.ok_or_else(|| Failure::new("this key has published nothing of that here: enroll first"))?;
    let enrolled = Enrolled::from_credential(last.signed_credential().bytes(), &user.desk.trust().provers)?;
    let last = last.mapping();
    let at = |psi| Reachability::At { msp: user.msp.clone(), psi };
    let reachability = match (args.opt_out, psi, &last.reachability) {
        (true, _, _) => Reachability::Nowhere,
        (false, Some(psi), _) => at(Some(psi)),
        (false, None, Reachability::Nowhere) if !args.opt_in => Reachability::Nowhere,
        (false, None, known) => at(known.psi().filter(|_| !args.no_psi).cloned()),
    };
    let tags = if tags.is_empty() && !args.no_tags { last.tags.clone() } else { tags };
    let wish = Wish { reachability, tags, fresh: args.fresh, ..wish_of(last) };
    let position = user.publish(&enrolled, wish, Some(last), args.seq).await?;
    user.tell("published", position)?;
    Ok(Outcome::Done)
}
