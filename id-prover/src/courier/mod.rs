//! Couriers: how a message with a code gets to a CPI.
//!
//! | courier | for |
//! | --- | --- |
//! | `smtp` | email, over verified TLS |
//! | `smpp` | SMS, by SMPP 3.4 over verified TLS |
//! | `webhook` | SMS, by a signed HTTP request over verified TLS |
//! | `file` | development: one file a message in a folder |
//! | `console` | development: standard error |
//!
//! What passes is tried again by `attempts`, within the courier's time and the life of the code.

pub(crate) mod attempts;
pub(crate) mod console;
pub(crate) mod file;
pub(crate) mod language;
pub(crate) mod message;
pub(crate) mod smpp;
pub(crate) mod sms;
pub(crate) mod smtp;
pub(crate) mod webhook;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::cpi::Cpi;
use protocol::credential::Method;
use tokio::sync::Semaphore;

use crate::config::{ConfigError, CourierConfig, CouriersConfig};
use crate::metrics;
pub use language::Language;
pub use message::Message;

/// Why a message was not delivered. It names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CourierError {
    /// This courier has no way to such a CPI, or the message cannot be written safely.
    #[error("this courier cannot carry such a message")]
    Unsupported,
    /// The next hop refuses for good.
    #[error("the message was refused")]
    Refused,
    /// The next hop cannot take it at present, or cannot be reached.
    #[error("the message cannot be handed over at present")]
    Unavailable,
    /// The next hop may have taken it over: its answer is missing.
    #[error("it is not known whether the message was handed over")]
    InDoubt,
    /// It took too long; it may have been handed over.
    #[error("handing the message over took too long")]
    TooSlow,
}

impl CourierError {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::InDoubt => "in-doubt",
            Self::TooSlow => "too-slow",
        }
    }

    /// Whether the message may have been sent all the same, so that it counts.
    pub(crate) const fn may_have_been_sent(self) -> bool {
        match self {
            Self::InDoubt | Self::TooSlow => true,
            Self::Unsupported | Self::Refused | Self::Unavailable => false,
        }
    }
}

/// The answer of a courier, some time.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<(), CourierError>> + Send + 'a>>;

/// The end of a courier.
pub type Closing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Carries messages to CPIs. It returns once the next hop has taken the message over.
pub trait Courier: Send + Sync {
    /// Delivers `message` to `to`.
    ///
    /// # Errors
    ///
    /// [`CourierError`]; with [`CourierError::InDoubt`] the message may have been delivered all the same.
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a>;

    /// Says goodbye to the next hop, once nothing more will be delivered.
    fn close(&self) -> Closing<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// The couriers of a prover: one at most for each method.
pub(crate) struct Couriers {
    sms: Option<Line>,
    email: Option<Line>,
}

/// A courier with its bounds.
struct Line {
    courier: Arc<dyn Courier>,
    at_once: Semaphore,
    timeout: Duration,
}

impl Couriers {
    /// Sets the couriers up; within a runtime, since some keep connections.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub(crate) fn open(config: &CouriersConfig) -> Result<Self, ConfigError> {
        let line = |config: &CourierConfig| {
            let courier: Arc<dyn Courier> = match config {
                CourierConfig::Smtp(config) => Arc::new(smtp::SmtpCourier::new(config)?),
                CourierConfig::Webhook(config) => Arc::new(webhook::WebhookCourier::new(config)?),
                CourierConfig::Smpp(config) => Arc::new(smpp::SmppCourier::new(config)?),
                CourierConfig::File(config) => Arc::new(file::FileCourier::new(config)?),
                CourierConfig::Console => Arc::new(console::ConsoleCourier),
            };
            let at_once = Semaphore::new(config.at_once());
            Ok::<_, ConfigError>(Line { courier, at_once, timeout: config.timeout() })
        };
        Ok(Self {
            sms: config.sms.as_ref().map(line).transpose()?,
            email: config.email.as_ref().map(line).transpose()?,
        })
    }

    /// Delivers `message` by `method`, within the courier's bounds.
    ///
    /// # Errors
    ///
    /// [`CourierError`].
    pub(crate) async fn deliver(&self, method: Method, to: &Cpi, message: &Message) -> Result<(), CourierError> {
        let start = Instant::now();
        let outcome = match self.line(method) {
            Some(line) => line.deliver(to, message).await,
            None => Err(CourierError::Unsupported),
        };
        let label = outcome.map_or_else(CourierError::name, |()| "delivered");
        ::metrics::counter!(metrics::DELIVERIES, "method" => method.as_str(), "outcome" => label).increment(1);
        ::metrics::histogram!(metrics::DELIVERY_SECONDS, "method" => method.as_str()).record(start.elapsed());
        outcome
    }

    /// Says goodbye to all next hops.
    pub(crate) async fn close(&self) {
        for line in [&self.sms, &self.email].into_iter().flatten() {
            line.courier.close().await;
        }
    }

    fn line(&self, method: Method) -> Option<&Line> {
        match method {
            Method::SmsOtp => self.sms.as_ref(),
            Method::EmailOtp => self.email.as_ref(),
        }
    }
}

impl Line {
    async fn deliver(&self, to: &Cpi, message: &Message) -> Result<(), CourierError> {
        // A message whose code has expired is of no use.
        let until = Instant::now() + self.timeout.min(message.lifetime());
        // Whoever waits in vain has sent nothing.
        let place = tokio::time::timeout_at(until.into(), self.at_once.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(CourierError::Unavailable) };
        let delivered = tokio::time::timeout_at(until.into(), self.courier.deliver(to, message)).await;
        delivered.unwrap_or(Err(CourierError::TooSlow))
    }
}
