//! The configuration file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Key, Layer};
use crate::failure::Failure;

/// `docs/samples/discovery.toml` describes each.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    stack: Option<String>,
    relays: Vec<String>,
    lookup: Option<String>,
    trust: Option<String>,
    ca: Option<String>,
    store: Option<String>,
    prover: Option<String>,
    prover_name: Option<String>,
    msp: Option<String>,
    msp_certificate: Option<String>,
    msp_key: Option<String>,
    follower_certificate: Option<String>,
    follower_key: Option<String>,
    outbox: Option<String>,
    region: Option<String>,
    cache: Option<String>,
    receipts: Option<String>,
}

/// Where the file is unless somebody says otherwise.
pub(super) fn default_path(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    // A relative path is to be ignored (XDG Base Directory Specification).
    let configured = environment("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = configured.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".config")))?;
    Some(folder.join("discovery/config.toml"))
}

/// Reads it; paths become relative to where the command runs.
pub(super) fn read(path: &Path) -> Result<Layer, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&format!("cannot be read: {error}")))?;
    let file: File = toml::from_str(&text).map_err(|error| named(&error.to_string().trim_end()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let one = [
        (Key::Stack, file.stack),
        (Key::Lookup, file.lookup),
        (Key::Trust, file.trust),
        (Key::Ca, file.ca),
        (Key::Store, file.store),
        (Key::Prover, file.prover),
        (Key::ProverName, file.prover_name),
        (Key::Msp, file.msp),
        (Key::MspCertificate, file.msp_certificate),
        (Key::MspKey, file.msp_key),
        (Key::FollowerCertificate, file.follower_certificate),
        (Key::FollowerKey, file.follower_key),
        (Key::Outbox, file.outbox),
        (Key::Region, file.region),
        (Key::Cache, file.cache),
        (Key::Receipts, file.receipts),
    ];
    let mut layer = Layer::new();
    for (key, value) in one {
        if let Some(value) = value {
            let value = if key.is_path() { folder.join(value).display().to_string() } else { value };
            layer.insert(key, vec![value]);
        }
    }
    if !file.relays.is_empty() {
        layer.insert(Key::Relays, file.relays);
    }
    Ok(layer)
}
