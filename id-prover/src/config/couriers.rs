//! The couriers' settings.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use service::ClientTlsConfig;

use super::ConfigError;
use crate::courier::{smpp, smtp, webhook};

/// The couriers, by what they carry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CouriersConfig {
    /// Codes to telephone numbers (method `sms-otp`).
    pub sms: Option<CourierConfig>,
    /// Codes to email addresses (method `email-otp`).
    pub email: Option<CourierConfig>,
}

/// One courier.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CourierConfig {
    /// Email over SMTP.
    Smtp(SmtpConfig),
    /// SMS by a signed HTTP request.
    Webhook(WebhookConfig),
    /// SMS over SMPP 3.4.
    Smpp(SmppConfig),
    /// Files in a folder, for development.
    File(FileCourierConfig),
    /// Standard error, for development.
    Console,
}

/// The development courier's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCourierConfig {
    /// Where messages are left, one file each.
    pub outbox: PathBuf,
}

/// An SMTP server that takes our mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name, which its certificate must hold.
    pub host: String,
    /// Its port: 587 for STARTTLS, 465 for implicit TLS, 25 for plaintext, if not set.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// Whether plaintext may be spoken to a loopback address.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The authorities to trust (PEM); those of the system, if not set.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The sender, as in `ID Prover <codes@prover.example>`.
    pub from: String,
    /// The user to authenticate as.
    #[serde(default)]
    pub user: Option<String>,
    /// The file with the password, 0600.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Connections at once.
    #[serde(default = "default_connections")]
    pub connections: u32,
    /// For each step of the conversation.
    #[serde(default = "default_step_timeout")]
    pub timeout_ms: u64,
    /// For a whole delivery, all attempts included.
    #[serde(default = "default_delivery_timeout")]
    pub delivery_timeout_ms: u64,
}

/// An HTTP gateway that takes our SMS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to send them: an `https:` URL.
    pub url: String,
    /// The file with the shared secret, 0600, at least 32 bytes.
    pub secret_file: PathBuf,
    /// The authorities to trust, and our certificate, where the gateway asks for one.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Messages at once.
    #[serde(default = "default_at_once")]
    pub at_once: u32,
    /// For each attempt.
    #[serde(default = "default_step_timeout")]
    pub timeout_ms: u64,
    /// For a whole delivery, all attempts included.
    #[serde(default = "default_delivery_timeout")]
    pub delivery_timeout_ms: u64,
}

/// An SMSC that takes our SMS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppConfig {
    /// Its name or address, which its certificate must hold.
    pub host: String,
    /// Its port: 3550 for TLS, 2775 for plaintext, if not set.
    #[serde(default)]
    pub port: Option<u16>,
    /// TLS; needed except on loopback.
    #[serde(default)]
    pub tls: Option<ClientTlsConfig>,
    /// Whether plaintext may be spoken to a loopback address.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// The account, 15 bytes at most.
    pub system_id: String,
    /// The file with its password, 0600, 8 bytes at most.
    pub password_file: PathBuf,
    /// The type of system, as agreed, 12 bytes at most.
    #[serde(default)]
    pub system_type: String,
    /// The sender: `+` and digits, a short code, or a name of 11 characters at most.
    pub from: String,
    /// Messages without an answer at once.
    #[serde(default = "default_window")]
    pub window: usize,
    /// How long the link may be silent before it is asked after.
    #[serde(default = "default_enquire_link")]
    pub enquire_link_seconds: u32,
    /// For connecting, binding and each answer.
    #[serde(default = "default_step_timeout")]
    pub timeout_ms: u64,
    /// For a whole delivery, all attempts included.
    #[serde(default = "default_delivery_timeout")]
    pub delivery_timeout_ms: u64,
}

/// How an SMTP connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// STARTTLS, required (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// None: loopback only.
    Plaintext,
}

const DEVELOPMENT_AT_ONCE: usize = 64;
const DEVELOPMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a message may wait for a place, beside the time that its courier keeps by itself.
const WAITING: Duration = Duration::from_secs(5);

const fn default_connections() -> u32 {
    16
}

const fn default_at_once() -> u32 {
    64
}

const fn default_window() -> usize {
    16
}

const fn default_enquire_link() -> u32 {
    30
}

const fn default_step_timeout() -> u64 {
    10_000
}

const fn default_delivery_timeout() -> u64 {
    30_000
}

impl CouriersConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.sms.is_none() && self.email.is_none() {
            return Err(ConfigError::NoCourier);
        }
        match &self.sms {
            Some(CourierConfig::Smtp(_)) => return Err(ConfigError::SmtpForSms),
            Some(CourierConfig::Webhook(webhook)) => webhook::check(webhook)?,
            Some(CourierConfig::Smpp(smpp)) => smpp::check(smpp)?,
            Some(CourierConfig::File(_) | CourierConfig::Console) | None => {}
        }
        match &self.email {
            Some(CourierConfig::Smtp(smtp)) => smtp::check(smtp),
            Some(CourierConfig::Webhook(_) | CourierConfig::Smpp(_)) => Err(ConfigError::SmsForEmail),
            Some(CourierConfig::File(_) | CourierConfig::Console) | None => Ok(()),
        }
    }
}

impl CourierConfig {
    pub(crate) fn at_once(&self) -> usize {
        match self {
            Self::Smtp(smtp) => usize::try_from(smtp.connections.max(1)).unwrap_or(usize::MAX),
            Self::Webhook(webhook) => usize::try_from(webhook.at_once.max(1)).unwrap_or(usize::MAX),
            // Beyond the window, they wait in the session.
            Self::Smpp(smpp) => smpp.window.saturating_mul(4).max(1),
            Self::File(_) | Self::Console => DEVELOPMENT_AT_ONCE,
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        match self {
            Self::Smtp(smtp) => Duration::from_millis(smtp.delivery_timeout_ms).saturating_add(WAITING),
            Self::Webhook(webhook) => Duration::from_millis(webhook.delivery_timeout_ms).saturating_add(WAITING),
            Self::Smpp(smpp) => Duration::from_millis(smpp.delivery_timeout_ms).saturating_add(WAITING),
            Self::File(_) | Self::Console => DEVELOPMENT_TIMEOUT,
        }
    }
}

impl CouriersConfig {
    /// How long any of them may take.
    pub(crate) fn longest(&self) -> Duration {
        let each = [&self.sms, &self.email].into_iter().flatten().map(CourierConfig::timeout);
        each.max().unwrap_or_default()
    }
}

impl SmppConfig {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls.is_some() { 3550 } else { 2775 })
    }
}

impl SmtpConfig {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            SmtpSecurity::Starttls => 587,
            SmtpSecurity::Implicit => 465,
            SmtpSecurity::Plaintext => 25,
        })
    }
}
