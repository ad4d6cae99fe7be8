//! `discovery up`: a local stack until Ctrl-C.

use std::path::PathBuf;

use service::logs::{LogFormat, init_logs};
use service::shutdown_signal;

use super::Outcome;
use crate::failure::Failure;
use crate::output;
use crate::stack::{EmailRoute, Foundation, Options, Stack};

/// Run relay, gateway, mapping store and ID Prover on loopback until Ctrl-C
///
/// Certificates are fresh at every start; keys and databases stay in the folder. DIR/stack.json tells everything that a
/// client, an MSP or a test needs; it is written once all parties answer. One-time codes go to DIR/outbox, one file each.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  discovery up --dir stack --base-port 4400 &\n  discovery lookup --stack stack/stack.json +14155550132"
)]
pub(super) struct Args {
    /// The folder of the stack
    #[arg(long, default_value = "stack")]
    dir: PathBuf,
    /// The relay's port; gateway, store, prover and page take the next four [default: chosen by the system]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65531))]
    base_port: Option<u16>,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    init_logs(args.log_format);
    let shutdown = shutdown_signal()?;
    let options = Options { folder: args.dir, base_port: args.base_port, email: EmailRoute::Outbox };
    let stack = Stack::start_on(Foundation::lay(&options.folder)?.with_page(), &options).await?;
    output::line(format_args!("The stack is up: {}. Ctrl-C ends it.", stack.file().display()))?;
    if let Some(page) = &stack.description().page_url {
        output::line(format_args!("See a question travel: {page}"))?;
    }
    let ended = tokio::select! {
        () = shutdown.cancelled() => None,
        name = stack.first_to_end() => Some(name),
    };
    stack.stop().await?;
    match ended {
        None => Ok(Outcome::Done),
        Some(name) => Err(Failure::new(format!("{name} ended by itself"))),
    }
}
