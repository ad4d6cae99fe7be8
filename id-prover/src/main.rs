//! `id-prover --config FILE`: an ID Prover on its own; MSPs reach it over mutual TLS. SIGHUP has it take up MSPs, limits and
//! keys anew. `id-prover audit` reads the audit trail, `id-prover keys` changes keys; both work beside a running
//! prover. `id-prover schema` prepares a cluster, and with
//! `--replace-code-key` needs all provers stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use id_prover::command::{self, CommandError, KeyStep, Schema};
use id_prover::{Config, Reloads, system_clock};
use service::process::Allocator;
use service::{Hangups, ServiceArgs};
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[derive(Parser)]
#[command(name = "id-prover", args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    service: Option<ServiceArgs>,
}

#[derive(Subcommand)]
enum Command {
    /// Verify the audit trail, count its entries, and find an enrollment or a credential
    Audit(AuditArguments),
    /// Create the tables of the cluster that several provers share
    Schema(SchemaArguments),
    /// Show and change the signing keys and the HPKE key
    Keys(KeysArguments),
}

#[derive(Args)]
struct AuditArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print what happened to the enrollment, or led to the credential, of this number
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
}

#[derive(Args)]
struct SchemaArguments {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How many nodes have each enrollment
    #[arg(long, default_value_t = 3, value_name = "NODES")]
    replication: u32,
    /// Partitions of enrollments and audit trail: a power of two, 65536 at most, for good. One for each hundred thousand enrollments
    /// that the trail is to hold is right
    #[arg(long, default_value_t = 256, value_name = "NUMBER")]
    buckets: u32,
    /// Have provers need this state folder's `code.key`, where they needed another one; with all of them stopped
    #[arg(long)]
    replace_code_key: bool,
}

#[derive(Args)]
struct KeysArguments {
    /// What to do
    #[arg(value_enum)]
    step: Step,
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    /// Show the signing keys
    List,
    /// Make the next signing key, to be announced
    Prepare,
    /// Make the next signing key the present one
    Activate,
    /// Make a new HPKE key
    RenewHpke,
    /// Delete retired keys whose time is over
    Forget,
}

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments { command: Some(command), .. } => run_command(command),
        Arguments { command: None, service: Some(service) } => serve(service),
        Arguments { command: None, service: None } => {
            Arguments::command().error(clap::error::ErrorKind::MissingRequiredArgument, "--config is needed").exit()
        }
    }
}

fn serve(arguments: ServiceArgs) -> ExitCode {
    let file = arguments.config.clone();
    service::process::main(arguments, Config::check, |config, shutdown| async move {
        let listeners = config.bind().await?;
        let reloads = reloads(file);
        Ok(id_prover::run_reloading(config, listeners, system_clock(), reloads, shutdown).await?)
    })
}

/// The configuration, read again at each SIGHUP.
fn reloads(file: PathBuf) -> Reloads {
    let mut hangups = Hangups::new();
    let (sender, reloads) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            hangups.next().await;
            let sent = match service::load_config::<Config>(&file) {
                Ok(config) => sender.send(config).await,
                Err(error) => {
                    tracing::error!(%error, "the configuration cannot be used; the former stays in force");
                    Ok(())
                }
            };
            if sent.is_err() {
                break;
            }
        }
    });
    reloads
}

fn run_command(command: Command) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let outcome = match &command {
        Command::Audit(AuditArguments { config, id }) => {
            with_config(config, |config| command::audit(config, id.as_deref(), &mut out))
        }
        Command::Schema(SchemaArguments { config, replication, buckets, replace_code_key }) => {
            let schema = Schema { replication: *replication, buckets: *buckets, replace_code_key: *replace_code_key };
            with_config(config, |config| command::schema(config, schema, &mut out))
        }
        Command::Keys(KeysArguments { step, config }) => {
            with_config(config, |config| command::keys(config, step.to_key_step(), &mut out))
        }
    };
    outcome.unwrap_or_else(|code| code)
}

fn with_config(file: &Path, work: impl FnOnce(&Config) -> Result<(), CommandError>) -> Result<ExitCode, ExitCode> {
    let complain = |error: &dyn std::error::Error| {
        use std::io::Write as _;
        // There is nobody to tell if that fails as well.
        let _ = writeln!(std::io::stderr().lock(), "id-prover: {error}");
    };
    let config = service::load_config::<Config>(file).map_err(|error| {
        complain(&error);
        ExitCode::from(2)
    })?;
    work(&config).map_err(|error| {
        complain(&error);
        ExitCode::FAILURE
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Step {
    const fn to_key_step(self) -> KeyStep {
        match self {
            Self::List => KeyStep::List,
            Self::Prepare => KeyStep::Prepare,
            Self::Activate => KeyStep::Activate,
            Self::RenewHpke => KeyStep::RenewHpke,
            Self::Forget => KeyStep::Forget,
        }
    }
}
