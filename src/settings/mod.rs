//! What a command is told of a deployment, and by whom: the configuration file, then the environment, then the command line;
//! the later overrides the earlier.
//!
//! A `stack` (the file that `discovery up` writes) stands for all that it describes, in the place where it is given: one on
//! the command line goes before every setting of the configuration file, one in the file yields to every flag. [`Settings`]
//! holds texts and where they came from; its methods read them, and name the setting and its origin if they cannot.
//!
//! The configuration file is `$XDG_CONFIG_HOME/discovery/config.toml`, else `~/.config/discovery/config.toml`: see
//! `docs/samples/discovery.toml`. Paths in it are relative to its folder. No setting is a secret; keys are named by file.

mod file;
mod flags;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::stack::Description;

pub use flags::{AskFlags, Flags};

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A stack's description, for all that it describes.
    Stack,
    /// Where capsules are posted; several.
    Relays,
    /// The request target to name inside a capsule.
    Lookup,
    /// The trust file.
    Trust,
    /// The authorities of server certificates (PEM).
    Ca,
    /// The mapping store, for publications.
    Store,
    /// The ID Prover, for enrollments.
    Prover,
    /// The ID Prover's name.
    ProverName,
    /// The MSP, as a `mimi:` URI.
    Msp,
    /// The MSP's client certificate (PEM).
    MspCertificate,
    /// Its key (PEM).
    MspKey,
    /// A client certificate that may read the change feed (PEM).
    FollowerCertificate,
    /// Its key (PEM).
    FollowerKey,
    /// Where the development courier leaves codes.
    Outbox,
    /// Where numbers without country code are at home.
    Region,
    /// Where `sync` keeps what it has found.
    Cache,
    /// Where receipts are kept.
    Receipts,
}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag(String),
    /// A stack's description.
    Stack(PathBuf),
}

/// The settings of one place, as texts.
pub(crate) type Layer = BTreeMap<Key, Vec<String>>;

/// The effective settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<Key, (Vec<String>, Origin)>,
}

const PREFIX: &str = "DISCOVERY_";
/// Names the configuration file; it is no setting itself.
const CONFIG: &str = "DISCOVERY_CONFIG";
/// Where systems keep the certificate authorities that everybody trusts.
const SYSTEM_CA: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

impl Key {
    /// All settings, in the order of their description.
    pub const ALL: [Self; 17] = [
        Self::Stack,
        Self::Relays,
        Self::Lookup,
        Self::Trust,
        Self::Ca,
        Self::Store,
        Self::Prover,
        Self::ProverName,
        Self::Msp,
        Self::MspCertificate,
        Self::MspKey,
        Self::FollowerCertificate,
        Self::FollowerKey,
        Self::Outbox,
        Self::Region,
        Self::Cache,
        Self::Receipts,
    ];

    /// Its name in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Relays => "relays",
            Self::Lookup => "lookup",
            Self::Trust => "trust",
            Self::Ca => "ca",
            Self::Store => "store",
            Self::Prover => "prover",
            Self::ProverName => "prover_name",
            Self::Msp => "msp",
            Self::MspCertificate => "msp_certificate",
            Self::MspKey => "msp_key",
            Self::FollowerCertificate => "follower_certificate",
            Self::FollowerKey => "follower_key",
            Self::Outbox => "outbox",
            Self::Region => "region",
            Self::Cache => "cache",
            Self::Receipts => "receipts",
        }
    }

    /// Its environment variable.
    #[must_use]
    pub fn variable(self) -> String {
        format!("{PREFIX}{}", self.name().to_ascii_uppercase())
    }

    /// Its flag.
    #[must_use]
    pub fn flag(self) -> String {
        match self {
            Self::Relays => "--relay".to_owned(),
            key => format!("--{}", key.name().replace('_', "-")),
        }
    }

    /// Whether it names a file or a folder.
    const fn is_path(self) -> bool {
        match self {
            Self::Stack
            | Self::Trust
            | Self::Ca
            | Self::MspCertificate
            | Self::MspKey
            | Self::FollowerCertificate
            | Self::FollowerKey
            | Self::Outbox
            | Self::Cache
            | Self::Receipts => true,
            Self::Relays | Self::Lookup | Self::Store | Self::Prover | Self::ProverName | Self::Msp | Self::Region => {
                false
            }
        }
    }
}

impl Settings {
    /// Reads configuration file and environment, under what the command line says.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the file and the setting at fault.
    pub fn load(flags: &Flags) -> Result<Self, Failure> {
        Self::assemble(flags.layer(), flags.config(), |name| std::env::var(name).ok())
    }

    /// The settings that a stack's description stands for, and no others.
    #[must_use]
    pub fn of(stack: &Description) -> Self {
        let origin = Origin::Stack(PathBuf::from("stack.json"));
        Self { values: described(stack).into_iter().map(|(key, values)| (key, (values, origin.clone()))).collect() }
    }

    fn assemble(
        flags: Layer,
        config: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let given = config.map(Path::to_owned).or_else(|| set(&environment, CONFIG).map(PathBuf::from));
        let file = match given {
            Some(path) => Some((file::read(&path)?, path)),
            None => match file::default_path(|name| set(&environment, name)).filter(|path| path.exists()) {
                Some(path) => Some((file::read(&path)?, path)),
                None => None,
            },
        };
        let variables: Layer = Key::ALL
            .into_iter()
            .filter_map(|key| {
                let text = set(&environment, &key.variable())?;
                Some((key, if key == Key::Relays { several(&text) } else { vec![text] }))
            })
            .collect();

        let mut settings = Self::default();
        settings.fall_back();
        let stack_in_flags = flags.contains_key(&Key::Stack);
        let stack_in_variables = variables.contains_key(&Key::Stack);
        if let Some((layer, path)) = file {
            settings.lay(layer, !stack_in_flags && !stack_in_variables, |_| Origin::File(path.clone()))?;
        }
        settings.lay(variables, !stack_in_flags, |key| Origin::Variable(key.variable()))?;
        settings.lay(flags, true, |key| Origin::Flag(key.flag()))?;
        Ok(settings)
    }

    /// What holds where nobody says anything.
    fn fall_back(&mut self) {
        if let Some(ca) = SYSTEM_CA.into_iter().find(|path| Path::new(path).exists()) {
            self.values.insert(Key::Ca, (vec![ca.to_owned()], Origin::Default));
        }
    }

    /// Lays one place's settings over those before; a stack first, since it is the less particular.
    fn lay(&mut self, layer: Layer, with_stack: bool, origin: impl Fn(Key) -> Origin) -> Result<(), Failure> {
        if let Some(stack) = layer.get(&Key::Stack).and_then(|paths| paths.first()).filter(|_| with_stack) {
            let path = Path::new(stack);
            for (key, values) in described(&Description::read(path)?) {
                self.values.insert(key, (values, Origin::Stack(path.to_owned())));
            }
        }
        for (key, values) in layer {
            self.values.insert(key, (values, origin(key)));
        }
        Ok(())
    }

    /// Each setting, its values, and where it came from.
    pub fn each(&self) -> impl Iterator<Item = (Key, &[String], &Origin)> {
        self.values.iter().map(|(key, (values, origin))| (*key, values.as_slice(), origin))
    }
}

/// What the description of a stack sets.
fn described(stack: &Description) -> Layer {
    let path = |path: &Path| path.display().to_string();
    let one = [
        (Key::Relays, stack.relay_url.clone()),
        (Key::Lookup, stack.lookup_url.clone()),
        (Key::Trust, path(&stack.trust)),
        (Key::Ca, path(&stack.ca_cert)),
        (Key::Store, stack.store_url.clone()),
        (Key::Prover, stack.prover_url.clone()),
        (Key::ProverName, stack.prover.clone()),
        (Key::Msp, stack.msp.clone()),
        (Key::MspCertificate, path(&stack.msp_cert)),
        (Key::MspKey, path(&stack.msp_key)),
        (Key::FollowerCertificate, path(&stack.follower_cert)),
        (Key::FollowerKey, path(&stack.follower_key)),
        (Key::Outbox, path(&stack.outbox)),
    ];
    one.into_iter().map(|(key, value)| (key, vec![value])).collect()
}

/// A variable that is set to nothing is not set.
fn set(environment: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    environment(name).filter(|value| !value.is_empty())
}

/// URLs, separated by white space or commas.
fn several(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Stack(path) => write!(f, "the stack {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
