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

use std::time::Duration;

use protocol::PublicKey;
use protocol::credential::Method;
use protocol::trust::{TrustAnchor, TrustAnchors};
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
    /// Not 64 hexadecimal digits of a valid Ed25519 key.
    #[error("trust file: {0} is not an Ed25519 key of 64 hexadecimal digits")]
    Key(&'static str),
    /// A method that does not exist.
    #[error("trust file: a method is sms-otp or email-otp")]
    Method,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: ProviderTable,
    #[serde(default)]
    prover: Vec<ProverTable>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderTable {
    name: String,
    key_configuration_key: String,
    receipt_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProverTable {
    name: String,
    keys: Vec<String>,
    methods: Vec<String>,
    #[serde(default = "default_days")]
    max_credential_days: u32,
}

const SECONDS_A_DAY: u64 = 24 * 3600;

fn default_days() -> u32 {
    45
}

impl Trust {
    /// Reads a trust file.
    ///
    /// # Errors
    ///
    /// [`TrustFileError`] names the line or the key at fault.
    pub fn from_toml(text: &str) -> Result<Self, TrustFileError> {
        let file: File = toml::from_str(text)?;
        let provers = file.prover.into_iter().map(ProverTable::into_anchor).collect::<Result<_, _>>()?;
        Ok(Self {
            provider: ProviderTrust {
                name: file.provider.name,
                key_configuration_key: key(&file.provider.key_configuration_key, "key_configuration_key")?,
                receipt_key: key(&file.provider.receipt_key, "receipt_key")?,
            },
            provers: TrustAnchors::new(provers),
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
            prover: self
                .provers
                .iter()
                .map(|anchor| ProverTable {
                    name: anchor.prover.clone(),
                    keys: anchor.keys.iter().map(hex).collect(),
                    methods: anchor.methods.iter().map(|method| method.as_str().to_owned()).collect(),
                    max_credential_days: u32::try_from(anchor.max_credential_lifetime.as_secs() / SECONDS_A_DAY)
                        .unwrap_or(u32::MAX),
                })
                .collect(),
        };
        toml::to_string(&file).expect("tables of strings and numbers always serialise")
    }
}

impl ProverTable {
    fn into_anchor(self) -> Result<TrustAnchor, TrustFileError> {
        Ok(TrustAnchor {
            prover: self.name,
            keys: self.keys.iter().map(|text| key(text, "a prover's key")).collect::<Result<_, _>>()?,
            methods: self
                .methods
                .iter()
                .map(|name| Method::parse(name).ok_or(TrustFileError::Method))
                .collect::<Result<_, _>>()?,
            max_credential_lifetime: Duration::from_secs(u64::from(self.max_credential_days) * SECONDS_A_DAY),
        })
    }
}

fn key(text: &str, name: &'static str) -> Result<PublicKey, TrustFileError> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(TrustFileError::Key(name))?;
    PublicKey::from_bytes(&bytes).map_err(|_| TrustFileError::Key(name))
}

#[cfg(test)]
mod tests {
    use protocol::SigningKey;

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
