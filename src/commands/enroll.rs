//! `discovery enroll`: prove possession of an identifier, and publish where its holder is to be found.

use protocol::mapping::{Reachability, Tags};
use protocol::mimi_uri::Psi;

use super::Outcome;
use super::user::{UserArgs, wish};
use crate::codes::{CodeSource, Outbox};
use crate::failure::Failure;
use crate::output;
use crate::settings::Key;

/// Enroll a phone number or an email address, and publish where its holder is to be found
///
/// Plays the user and the user's provider (MSP): a signed request goes to the ID Prover, which sends a one-time code; the
/// code comes back sealed, a credential is issued, and a mapping signed by the user's own key is published.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  discovery enroll --stack stack/stack.json --key me.key --code-from-outbox +14155550132 --tag Business\n  \
                        discovery enroll --stack stack/stack.json --key me.key --opt-out bob@example.com"
)]
pub(super) struct Args {
    /// How the user prefers to be found there, such as Business; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The user's identifier at the provider, such as mimi://msp.example/u/bob
    #[arg(long, value_name = "URI")]
    psi: Option<String>,
    /// Publish that the user wishes to be found nowhere
    #[arg(long, conflicts_with = "psi")]
    opt_out: bool,
    /// Say that the identifier is newly the user's: mappings of earlier holders stop being served
    #[arg(long)]
    fresh: bool,
    /// Read the code from the development courier's outbox instead of asking for it
    #[arg(long)]
    code_from_outbox: bool,
    #[command(flatten)]
    user: UserArgs,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let psi = args.psi.as_deref().map(Psi::parse).transpose()?;
    let tags = Tags::new(args.tags)?;
    let user = args.user.read_or_create()?;
    user.settings.required(Key::Prover)?;
    let codes = match (args.code_from_outbox, user.settings.path(Key::Outbox)) {
        (false, _) => CodeSource::Terminal,
        (true, Some(outbox)) => CodeSource::Outbox(Outbox::new(outbox)),
        (true, None) => return Err(Failure::new("no outbox is set: give --stack, or DISCOVERY_OUTBOX")),
    };

    let fingerprint = user.wallet.key().public().thumbprint().fingerprint();
    output::note(format_args!("A code is on its way. The key is {fingerprint}."));
    let enrolled = user.desk.enroll(&user.cpi, user.wallet.key(), &codes).await?;
    let reachability = match args.opt_out {
        true => Reachability::Nowhere,
        false => Reachability::At { msp: user.msp.clone(), psi },
    };
    let last = user.last()?;
    let last = last.as_ref().map(protocol::authenticated::VerifiedMapping::mapping);
    let position = user.publish(&enrolled, wish(reachability, tags, args.fresh), last, None).await?;
    user.tell("published", position)?;
    Ok(Outcome::Done)
}
