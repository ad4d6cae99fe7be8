//! `discovery keys`: keys, looked at safely.

use std::path::PathBuf;

use client::http::Bounds;
use protocol::key_configuration::{self, KeyConfiguration};
use protocol::{PublicKey, SigningKey};
use serde_json::json;

use super::Outcome;
use crate::enroll::now;
use crate::failure::Failure;
use crate::inspect;
use crate::output;
use crate::settings::{AskFlags, Settings};
use crate::wallet::Wallet;

/// Make a user's key, look at one, or at the keys of a provider
///
/// Shows public keys, and never a secret one.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  discovery keys new me.key\n  discovery keys show me.key\n  discovery keys provider --stack stack/stack.json"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a user's key, in a file that only its owner can read
    #[command(after_help = "Example:\n  discovery keys new me.key")]
    New(KeyArgs),
    /// Show the public half of a user's key
    #[command(after_help = "Example:\n  discovery keys show me.key")]
    Show(KeyArgs),
    /// Fetch a provider's key configuration through its relays, verify it, and show it with the keys of the trust file
    #[command(after_help = "Example:\n  discovery keys provider --stack stack/stack.json")]
    Provider(ProviderArgs),
}

#[derive(Debug, clap::Args)]
struct KeyArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The key's file
    #[arg(value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, clap::Args)]
struct ProviderArgs {
    #[command(flatten)]
    deployment: AskFlags,
}

pub(super) async fn run(args: Args) -> Result<Outcome, Failure> {
    match args.what {
        What::New(KeyArgs { json, key }) => {
            if key.exists() {
                return Err(Failure::new(format!("{} is there already; a new key needs a new file", key.display())));
            }
            show(Wallet::open_or_create(&key)?.key(), json)
        }
        What::Show(KeyArgs { json, key }) => show(Wallet::open(&key)?.key(), json),
        What::Provider(args) => provider(&Settings::load(&args.deployment.into())?).await,
    }
}

fn show(key: &SigningKey, json: bool) -> Result<Outcome, Failure> {
    let public = key.public();
    let (thumbprint, hex) = (public.thumbprint(), hex::encode(public.as_bytes()));
    if json {
        let fields = json!({
            "public_key": hex, "thumbprint": thumbprint.to_string(), "fingerprint": thumbprint.fingerprint(),
        });
        output::line(fields)?;
    } else {
        output::line(format_args!("public key   {hex} (Ed25519)"))?;
        output::line(format_args!("thumbprint   {thumbprint}"))?;
        output::line(format_args!("fingerprint  {}, as messages with a code name it", thumbprint.fingerprint()))?;
    }
    Ok(Outcome::Done)
}

async fn provider(settings: &Settings) -> Result<Outcome, Failure> {
    let trust = settings.trust()?;
    let http = settings.http_as_anybody(Bounds::default())?;
    let line = |name: &str, key: &PublicKey| {
        output::line(format_args!("    {name:18} {} ({})", hex::encode(key.as_bytes()), key.thumbprint().fingerprint()))
    };
    output::line("trust file")?;
    output::line(format_args!("  provider {}", trust.provider.name))?;
    line("key configuration", &trust.provider.key_configuration_key)?;
    line("receipts", &trust.provider.receipt_key)?;
    for anchor in trust.provers.iter() {
        output::line(format_args!("  ID Prover {}", anchor.prover))?;
        anchor.keys.iter().try_for_each(|key| line("credentials", key))?;
    }
    let mut outcome = Outcome::Done;
    for relay in settings.relays()? {
        output::line(format_args!("\nkey configuration at {}", relay.keys))?;
        let answer = http.get(&relay.keys, key_configuration::MEDIA_TYPE).await?;
        let verified = KeyConfiguration::verify(answer.body(), &trust.provider.key_configuration_key, now());
        match verified {
            Ok(signed) => {
                let KeyConfiguration { issuer, issued_at, expires_at, ohttp_keys } = signed.document();
                output::line(format_args!("  signed by {issuer} at {issued_at}, good until {expires_at}"))?;
                output::line(inspect::describe(ohttp_keys)?.trim_end())?;
            }
            Err(error) => {
                outcome = Outcome::NotAll;
                output::line(format_args!("  does not verify: {error}"))?;
            }
        }
    }
    Ok(outcome)
}
