//! The flags of settings, in two sizes: for who asks, and for who publishes too.

use std::path::{Path, PathBuf};

use super::{Key, Layer};

/// What one needs to ask.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Deployment")]
pub struct AskFlags {
    /// A configuration file [default: ~/.config/discovery/config.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A local stack's description, as `discovery up` wrote it: it tells all that is below
    #[arg(long, value_name = "FILE")]
    stack: Option<String>,
    /// Where capsules are posted; of several, one is picked for each request
    #[arg(long = "relay", value_name = "URL")]
    relays: Vec<String>,
    /// What to ask inside a capsule [default: the provider of the trust file]
    #[arg(long, value_name = "URL")]
    lookup: Option<String>,
    /// The trust file: whom to believe
    #[arg(long, value_name = "FILE")]
    trust: Option<String>,
    /// The authorities of server certificates (PEM) [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
}

/// What one needs to ask, enroll, publish and follow.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    ask: AskFlags,
    /// The mapping store
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The ID Prover
    #[arg(long, value_name = "URL")]
    prover: Option<String>,
    /// The ID Prover's name [default: the only one in the trust file]
    #[arg(long, value_name = "NAME")]
    prover_name: Option<String>,
    /// The messaging provider (MSP), such as mimi://msp.example
    #[arg(long, value_name = "URI")]
    msp: Option<String>,
    /// The MSP's client certificate (PEM)
    #[arg(long, value_name = "FILE")]
    msp_certificate: Option<String>,
    /// The MSP's key (PEM)
    #[arg(long, value_name = "FILE")]
    msp_key: Option<String>,
    /// A client certificate that may read the change feed (PEM)
    #[arg(long, value_name = "FILE")]
    follower_certificate: Option<String>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    follower_key: Option<String>,
    /// Of the commands' own flags: they are settings, too, but not of a deployment.
    #[arg(skip)]
    own: Layer,
}

impl From<AskFlags> for Flags {
    fn from(ask: AskFlags) -> Self {
        Self { ask, ..Self::default() }
    }
}

impl Flags {
    /// Adds what a flag of a command itself says.
    #[must_use]
    pub fn with(mut self, key: Key, value: Option<&(impl AsRef<Path> + ?Sized)>) -> Self {
        if let Some(value) = value {
            self.own.insert(key, vec![value.as_ref().display().to_string()]);
        }
        self
    }

    pub(super) fn config(&self) -> Option<&Path> {
        self.ask.config.as_deref()
    }

    pub(super) fn layer(&self) -> Layer {
        let one = [
            (Key::Stack, &self.ask.stack),
            (Key::Lookup, &self.ask.lookup),
            (Key::Trust, &self.ask.trust),
            (Key::Ca, &self.ask.ca),
            (Key::Store, &self.store),
            (Key::Prover, &self.prover),
            (Key::ProverName, &self.prover_name),
            (Key::Msp, &self.msp),
            (Key::MspCertificate, &self.msp_certificate),
            (Key::MspKey, &self.msp_key),
            (Key::FollowerCertificate, &self.follower_certificate),
            (Key::FollowerKey, &self.follower_key),
        ];
        let given = one.into_iter().filter_map(|(key, value)| Some((key, vec![value.clone()?])));
        let relays = (!self.ask.relays.is_empty()).then(|| (Key::Relays, self.ask.relays.clone()));
        given.chain(relays).chain(self.own.clone()).collect()
    }
}
