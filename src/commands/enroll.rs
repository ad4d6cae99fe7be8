//! `discovery enroll`: prove possession of an identifier, and publish where its holder is to be found.

use client::enrollment::Wish;
use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::{Msp, Psi};

use super::Outcome;
use super::user::{User, UserArgs};
use crate::codes::{CodeSource, Outbox};
use crate::enroll::MAPPING_LIFETIME;
use crate::failure::Failure;
use crate::output;
use crate::wallet::Wallet;

/// Enroll a phone number or an email address, and publish a mapping to the stack's provider
///
/// Plays the user and the user's provider (MSP): a signed request goes to the ID Prover, which sends a one-time code; the
/// code comes back sealed, a credential is issued, and a mapping signed by the user's own key is published.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  discovery enroll --stack stack/stack.json --key me.key --code-from-outbox +14155550132 --tag Business\n  \
                        discovery enroll --stack stack/stack.json --key me.key --opt-out bob@example.com"
)]
pub(super) struct Args {
    #[command(flatten)]
    user: UserArgs,
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
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    let User { cpi, stack, msp, desk } = args.user.read()?;
    let psi = args.psi.as_deref().map(Psi::parse).transpose()?;
    let tags = Tags::new(args.tags)?;
    let wallet = Wallet::open_or_create(&args.user.key)?;
    let codes = match args.code_from_outbox {
        true => CodeSource::Outbox(Outbox::new(&stack.outbox)),
        false => CodeSource::Terminal,
    };

    output::note(format_args!(
        "A code is on its way. The key is {}.",
        wallet.key().public().thumbprint().fingerprint()
    ));
    let enrolled = desk.enroll(&cpi, wallet.key(), &codes).await?;
    let wish = Wish {
        reachability: if args.opt_out { Reachability::Nowhere } else { Reachability::At { msp: msp.clone(), psi } },
        tags,
        seq: next_seq(&wallet, &cpi, &msp)?,
        fresh: args.fresh,
        state: State::Live,
        lifetime: MAPPING_LIFETIME,
    };
    let (mapping, receipt) = desk.publish(&enrolled, wish, wallet.key()).await?;
    let kept = wallet.keep(&cpi, &msp, &mapping)?;
    let position = &receipt.document().position;
    output::line(format_args!("{cpi} is published, at position {}/{} of the log.", position.shard, position.number))?;
    output::note(format_args!("The mapping is kept in {}.", kept.display()));
    Ok(Outcome::Done)
}

/// One more than the last mapping that this wallet published of the CPI.
fn next_seq(wallet: &Wallet, cpi: &Cpi, msp: &Msp) -> Result<u64, Failure> {
    let Some(bytes) = wallet.mapping(cpi, msp)? else { return Ok(1) };
    let kept = UnverifiedMapping::parse(&bytes).map_err(|error| Failure::new(format!("the kept mapping: {error}")))?;
    Ok(kept.unverified_mapping().seq + 1)
}
