//! The prover's configuration: `docs/samples/id-prover.toml` shows every setting.

mod couriers;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use protocol::MAX_NAME_BYTES;
use protocol::enrollment::Code;
use protocol::mimi_uri::Msp;
use serde::{Deserialize, Deserializer};
use service::{AdminConfig, ClientCertificates, ListenError, ListenerConfig, Listeners, Rate};

pub use cluster::ClusterConfig;
pub use couriers::{
    CourierConfig, CouriersConfig, FileCourierConfig, SmppConfig, SmtpConfig, SmtpSecurity, WebhookConfig,
};

/// Settings of an ID Prover.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The prover's name, as in its credentials.
    pub name: String,
    /// The folder of keys and database, 0700.
    pub state_folder: PathBuf,
    /// Where MSPs come in; their client certificates are required.
    pub listener: ListenerConfig,
    /// Health, readiness and metrics; off without it.
    #[serde(default)]
    pub admin: Option<AdminConfig>,
    /// The couriers: a method is offered if it has one.
    pub courier: CouriersConfig,
    /// Codes.
    #[serde(default)]
    pub codes: CodesConfig,
    /// Credentials.
    #[serde(default)]
    pub credentials: CredentialsConfig,
    /// Which MSPs may enroll users.
    #[serde(default)]
    pub msps: MspsConfig,
    /// Limits on messages.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// A cluster to keep the database in, instead of the state folder, which has the keys alone then. Any number of provers may share
    /// it, with the same keys.
    #[serde(default, deserialize_with = "in_own_keyspace")]
    pub cluster: Option<ClusterConfig>,
    /// Memory for cached blocks of the embedded database.
    #[serde(default = "default_cache")]
    pub cache_bytes: usize,
}

/// Codes.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodesConfig {
    /// Digits, 6 to 12.
    pub length: u8,
    /// How long a code is taken, 60 to 3600.
    pub lifetime_seconds: u32,
    /// Tries for each code, 1 to 10.
    pub tries: u8,
}

impl Default for CodesConfig {
    fn default() -> Self {
        Self { length: 8, lifetime_seconds: 600, tries: 5 }
    }
}

/// Credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// How long they hold: shorter than the aging time of a recycled number.
    pub lifetime_days: u32,
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self { lifetime_days: 45 }
    }
}

/// Which MSPs may enroll users.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MspsConfig {
    /// Their domains; any with a certificate of the client CA, if not set.
    pub admitted: Option<Vec<String>>,
}

/// Limits on messages and on wrong codes. A burst of the whole count is allowed, after which the budget refills evenly.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// In total.
    pub total: Rate,
    /// For each MSP.
    pub per_msp: Rate,
    /// To each number range: the first seven digits.
    pub per_number_range: Rate,
    /// To each country code: `+1`, `+44`.
    pub per_country: Rate,
    /// To each CPI in an hour.
    pub per_cpi_hour: NonZeroU32,
    /// To each CPI in a day.
    pub per_cpi_day: NonZeroU32,
    /// To each CPI in an hour by way of one MSP: less than the whole, so that no MSP can use it up.
    pub per_cpi_and_msp_hour: NonZeroU32,
    /// To each CPI in a day by way of one MSP.
    pub per_cpi_and_msp_day: NonZeroU32,
    /// Wrong codes in total. Once used up, each enrollment has its first try alone.
    pub wrong_codes_total: Rate,
    /// Wrong codes by way of each MSP.
    pub wrong_codes_per_msp: Rate,
    /// Wrong codes for each CPI.
    pub wrong_codes_per_cpi: Rate,
    /// Budgets that are remembered, of each kind; further ones share what is left.
    pub max_keys: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            total: Rate::new(5_000, 1),
            per_msp: Rate::new(100_000, 3600),
            per_number_range: Rate::new(300, 3600),
            per_country: Rate::new(100_000, 3600),
            per_cpi_hour: NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN),
            per_cpi_day: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            per_cpi_and_msp_hour: NonZeroU32::new(4).unwrap_or(NonZeroU32::MIN),
            per_cpi_and_msp_day: NonZeroU32::new(8).unwrap_or(NonZeroU32::MIN),
            wrong_codes_total: Rate::new(100_000, 3600),
            wrong_codes_per_msp: Rate::new(20_000, 3600),
            wrong_codes_per_cpi: Rate::new(20, 24 * 3600),
            max_keys: 2_000_000,
        }
    }
}

/// The keyspace, unless the settings name another.
const KEYSPACE: &str = "id_prover";

fn in_own_keyspace<'de, D: Deserializer<'de>>(cluster: D) -> Result<Option<ClusterConfig>, D::Error> {
    let cluster = Option::<ClusterConfig>::deserialize(cluster)?;
    Ok(cluster.map(|cluster| cluster.or_keyspace(KEYSPACE)))
}

const SECONDS_A_DAY: u64 = 24 * 3600;

const fn default_cache() -> usize {
    128 * 1024 * 1024
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The name.
    #[error("name: must be 1 to {MAX_NAME_BYTES} bytes, without control characters")]
    Name,
    /// No courier: no method could be offered.
    #[error("courier: at least one of courier.sms and courier.email is needed")]
    NoCourier,
    /// SMTP to a telephone number.
    #[error("courier.sms: SMTP carries no SMS")]
    SmtpForSms,
    /// A courier of SMS for email.
    #[error("courier.email: this courier carries SMS alone")]
    SmsForEmail,
    /// A setting of a courier of SMS.
    #[error("courier.sms: {0}")]
    Sms(String),
    /// An SMTP setting.
    #[error("courier.email: {0}")]
    Smtp(&'static str),
    /// A file that SMTP needs.
    #[error("courier.email: cannot read {path}: {reason}")]
    SmtpFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The development courier's folder.
    #[error("courier: cannot use the outbox {path}: {reason}")]
    Outbox {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// A setting of the codes.
    #[error("codes: {0}")]
    Codes(&'static str),
    /// The lifetime of credentials.
    #[error("credentials: lifetime_days must be 1 to 366")]
    Lifetime,
    /// An MSP's domain.
    #[error("msps.admitted: entry {0} is no domain name in canonical form")]
    Msp(usize),
    /// The cluster.
    #[error("cluster: {0}")]
    Cluster(cluster::Error),
    /// The listener does not ask for client certificates.
    #[error(
        "listener: MSPs are known by their certificates: tls with client_ca and client_certificates = \"required\" is needed"
    )]
    NoClientCertificates,
    /// A listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Config {
    /// Checks all settings and reads the files that they name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_settings()?;
        let tls = self.listener.tls.as_ref().ok_or(ConfigError::NoClientCertificates)?;
        if tls.client_certificates == ClientCertificates::None {
            return Err(ConfigError::NoClientCertificates);
        }
        self.admin.as_ref().map_or(Ok(()), AdminConfig::check)?;
        Ok(self.listener.check()?)
    }

    /// Checks the settings that do not concern the listeners.
    pub(crate) fn check_settings(&self) -> Result<(), ConfigError> {
        let long = self.name.is_empty() || self.name.len() > MAX_NAME_BYTES;
        if long || self.name.chars().any(char::is_control) {
            return Err(ConfigError::Name);
        }
        self.courier.check()?;
        self.codes.check()?;
        if !(1..=366).contains(&self.credentials.lifetime_days) {
            return Err(ConfigError::Lifetime);
        }
        if let Some(cluster) = &self.cluster {
            cluster.check().map_err(ConfigError::Cluster)?;
        }
        self.msps.check()
    }

    /// Binds the listeners.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Listen`].
    pub async fn bind(&self) -> Result<Listeners, ConfigError> {
        Ok(Listeners::bind(&self.listener, self.admin.as_ref()).await?)
    }
}

impl CodesConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if !Code::LENGTHS.contains(&self.length) {
            return Err(ConfigError::Codes("length must be 6 to 12"));
        }
        if !(60..=3600).contains(&self.lifetime_seconds) {
            return Err(ConfigError::Codes("lifetime_seconds must be 60 to 3600"));
        }
        if !(1..=10).contains(&self.tries) {
            return Err(ConfigError::Codes("tries must be 1 to 10"));
        }
        Ok(())
    }

    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.lifetime_seconds))
    }
}

impl CredentialsConfig {
    pub(crate) fn lifetime(&self) -> Duration {
        Duration::from_secs(u64::from(self.lifetime_days) * SECONDS_A_DAY)
    }
}

impl MspsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let canonical = |domain: &String| Msp::from_domain(domain).is_ok_and(|msp| msp.domain() == domain);
        let wrong = self.admitted.iter().flatten().position(|domain| !canonical(domain));
        wrong.map_or(Ok(()), |index| Err(ConfigError::Msp(index)))
    }

    pub(crate) fn admit(&self, msp: &Msp) -> bool {
        self.admitted.as_ref().is_none_or(|admitted| admitted.iter().any(|domain| domain == msp.domain()))
    }
}
