//! `stack.json`: all that anything outside needs to work with a local stack.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::certificates::Identity;
use crate::failure::Failure;

/// Where the parties of a local stack are, and whom to trust. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Capsules are posted here.
    pub relay_url: String,
    /// The relay's copy of the gateway's keys: `application/ohttp-keys`, or the signed form by `Accept`.
    pub keys_url: String,
    /// The request target to name inside a capsule.
    pub lookup_url: String,
    /// The gateway resource; it takes connections from the relay alone.
    pub gateway_url: String,
    /// The mapping store: publications.
    pub store_url: String,
    /// The ID Prover: enrollments, for MSPs.
    pub prover_url: String,
    /// The ID Prover's name.
    pub prover: String,
    /// The authority of all server certificates (PEM).
    pub ca_cert: PathBuf,
    /// The trust file for clients.
    pub trust: PathBuf,
    /// A client certificate for [`Self::msp`] (PEM).
    pub msp_cert: PathBuf,
    /// Its key (PEM).
    pub msp_key: PathBuf,
    /// A client certificate with which the store's change feed may be read (PEM).
    pub follower_cert: PathBuf,
    /// Its key (PEM).
    pub follower_key: PathBuf,
    /// The MSP that the certificate names, as a `mimi:` URI.
    pub msp: String,
    /// Where the development courier leaves codes, one file a message.
    pub outbox: PathBuf,
    /// The page, with the token of this run in the fragment; `None` if none is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
}

impl Description {
    /// Reads `stack.json`.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("cannot read {}: {error}; is a stack running (`discovery up`)?", path.display()))
        })?;
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    }

    /// The client certificate of the stack's MSP.
    #[must_use]
    pub fn msp_identity(&self) -> Identity {
        Identity { certificate: self.msp_cert.clone(), key: self.msp_key.clone() }
    }

    /// Writes `stack.json`, wholly or not at all.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(self).expect("strings and paths of UTF-8 always serialise");
        service::secret_file::write(path, &json).map_err(Failure::new)
    }
}
