//! The trust file: whom a client believes.
//!
//! ```toml
//! [provider]
//! name = "provider.example"
//! key_configuration_key = "<64 hexadecimal digits>"   # signs the gateway's key configuration
//! receipt_key = "<64 hexadecimal digits>"             # signs receipts
//!
//! [[prover]]
//! name = "prover.example"
//! keys = ["<64 hexadecimal digits>"]
//! methods = ["sms-otp", "email-otp"]
//! max_credential_days = 45
//! ```
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::trust::Trust;
//!
//! let text = fixtures::trust().to_toml();
//! let trust = Trust::from_toml(&text)?;
//! assert_eq!(trust.provers.iter().next().expect("it names one").prover, "prover.example");
//! assert!(Trust::from_toml(&text.replace("sms-otp", "fax")).is_err());
//! # Ok::<(), client::trust::TrustFileError>(())
//! ```

use protocol::PublicKey;
use protocol::trust::{TrustAnchor, TrustAnchorError, TrustAnchorTable, TrustAnchors, parse_key};
use serde::{Deserialize, Serialize};

/// The keys a client pins.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The discovery provider.
    pub provider: ProviderTrust,
    /// The trusted ID Provers.
    pub provers: TrustAnchors,
}

/// What a client pins of a discovery provider.
#[derive(Clone, Debug)]
pub struct ProviderTrust {
    /// Its name.
    pub name: String,
    /// The key that signs its gateway's key configuration.
    pub key_configuration_key: PublicKey,
    /// The key that signs receipts.
    pub receipt_key: PublicKey,
}

/// Why a trust file was refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustFileError {
    /// Not TOML of this form.
    #[error("trust file: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key or method.
    #[error("trust file: {name}: {reason}")]
    Entry {
        /// Which entry.
        name: String,
        /// What is wrong with it.
        reason: TrustAnchorError,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: ProviderTable,
    #[serde(default)]
    prover: Vec<TrustAnchorTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderTable {
    name: String,
    key_configuration_key: String,
    receipt_key: String,
}

impl Trust {
    /// Reads a trust file.
    ///
    /// # Errors
    ///
    /// [`TrustFileError`] names the line or the entry at fault.
    pub fn from_toml(text: &str) -> Result<Self, TrustFileError> {
        let file: File = toml::from_str(text)?;
        let key = |text: &str, name: &str| {
            parse_key(text).map_err(|reason| TrustFileError::Entry { name: name.to_owned(), reason })
        };
        let anchor = |table: TrustAnchorTable| {
            let name = format!("prover {}", table.name);
            TrustAnchor::try_from(table).map_err(|reason| TrustFileError::Entry { name, reason })
        };
        Ok(Self {
            provider: ProviderTrust {
                key_configuration_key: key(&file.provider.key_configuration_key, "key_configuration_key")?,
                receipt_key: key(&file.provider.receipt_key, "receipt_key")?,
                name: file.provider.name,
            },
            provers: TrustAnchors::new(file.prover.into_iter().map(anchor).collect::<Result<_, _>>()?),
        })
    }

    /// Writes a trust file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let hex = |key: &PublicKey| hex::encode(key.as_bytes());
        let file = File {
            provider: ProviderTable {
                name: self.provider.name.clone(),
                key_configuration_key: hex(&self.provider.key_configuration_key),
                receipt_key: hex(&self.provider.receipt_key),
            },
            prover: self.provers.iter().map(TrustAnchorTable::from).collect(),
        };
        toml::to_string(&file).expect("tables of strings and numbers always serialise")
    }
}

#[cfg(test)]
mod tests {
    use protocol::SigningKey;
    use protocol::credential::Method;

    use super::*;

    fn trust() -> Trust {
        let key = |seed| SigningKey::from_seed(&[seed; 32]).public();
        Trust {
            provider: ProviderTrust {
                name: "provider.example".to_owned(),
                key_configuration_key: key(1),
                receipt_key: key(2),
            },
            provers: TrustAnchors::new(vec![TrustAnchor {
                prover: "prover.example".to_owned(),
                keys: vec![key(3)],
                methods: vec![Method::SmsOtp, Method::EmailOtp],
                max_credential_lifetime: protocol::credential::DEFAULT_LIFETIME,
            }]),
        }
    }

    #[test]
    fn a_trust_file_round_trips() {
        let read = Trust::from_toml(&trust().to_toml()).unwrap();
        assert_eq!(read.provers, trust().provers);
        assert_eq!(read.provider.receipt_key, trust().provider.receipt_key);
        assert_eq!(read.provider.key_configuration_key, trust().provider.key_configuration_key);
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let text = trust().to_toml();
        let with = |from: &str, to: &str| Trust::from_toml(&text.replace(from, to)).unwrap_err().to_string();
        assert!(with("sms-otp", "fax").contains("sms-otp or email-otp"));
        assert!(with("receipt_key = \"", "receipt_key = \"zz").contains("receipt_key"));
        assert!(with("[provider]", "[provider]\nfoo = 1").contains("foo"));
    }
}
