//! Email over SMTP (RFC 5321), by lettre: TLS verified against configured authorities, connections kept ([`door`]). What passes
//! is tried again until the deadline; what the server may have taken over is not.
//!
//! Plaintext is spoken on loopback alone, and only if the configuration says so. An address with a local part beyond ASCII
//! needs SMTPUTF8 (RFC 6531) at the next hop. Messages carry `Auto-Submitted: auto-generated` (RFC 3834) and hold the text
//! twice, plain and as HTML (RFC 2046 §5.1.4); DKIM is the mail host's affair.

mod door;

use std::fs;
use std::path::Path;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use protocol::cpi::{Cpi, EmailAddress};

use super::attempts::Attempts;
use super::language::Language;
use super::message::stays_in_its_line;
use super::{Closing, Courier, CourierError, Delivery, Message};
use crate::config::{ConfigError, SmtpConfig, SmtpSecurity};
use door::{Address, Door, Protection};

const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Sends email.
pub(crate) struct SmtpCourier {
    door: Door,
    from: Mailbox,
    delivery: Duration,
}

impl SmtpCourier {
    /// Sets the courier up.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub(crate) fn new(config: &SmtpConfig) -> Result<Self, ConfigError> {
        let door = Door::new(Address {
            host: config.host.clone(),
            port: config.port(),
            protection: protection(config)?,
            credentials: credentials(config)?,
            step: Duration::from_millis(config.timeout_ms),
        });
        Ok(Self { door, from: sender(config)?, delivery: Duration::from_millis(config.delivery_timeout_ms) })
    }

    async fn send(&self, to: &EmailAddress, message: &Message) -> Result<(), CourierError> {
        let mut attempts = Attempts::within(self.delivery.min(message.lifetime()));
        let (envelope, email) = compose(&self.from, to, message).ok_or(CourierError::Unsupported)?;
        while let Err(failure) = self.door.hand_over(&envelope, &email, attempts.deadline()).await {
            attempts.failed(failure).await?;
        }
        Ok(())
    }
}

impl Courier for SmtpCourier {
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a> {
        Box::pin(async move {
            match to {
                Cpi::Email(address) => self.send(address, message).await,
                Cpi::Phone(_) => Err(CourierError::Unsupported),
            }
        })
    }

    fn close(&self) -> Closing<'_> {
        Box::pin(self.door.close())
    }
}

/// Checks the settings, and reads the files that they name.
pub(crate) fn check(config: &SmtpConfig) -> Result<(), ConfigError> {
    protection(config)?;
    credentials(config)?;
    sender(config).map(|_| ())
}

fn protection(config: &SmtpConfig) -> Result<Protection, ConfigError> {
    let parameters = || {
        let builder = TlsParameters::builder(config.host.clone());
        let builder = match &config.ca_file {
            Some(path) => builder.certificate_store(CertificateStore::None).add_root_certificate(authorities(path)?),
            None => builder.certificate_store(CertificateStore::Default),
        };
        builder.build_rustls().map_err(|_| ConfigError::Smtp("the authorities cannot be used"))
    };
    match config.security {
        SmtpSecurity::Starttls => parameters().map(Protection::Starttls),
        SmtpSecurity::Implicit => parameters().map(Protection::Implicit),
        SmtpSecurity::Plaintext if is_loopback(&config.host) && config.allow_plaintext => Ok(Protection::None),
        SmtpSecurity::Plaintext => {
            Err(ConfigError::Smtp("plaintext is spoken to a loopback address alone, and with allow_plaintext = true"))
        }
    }
}

fn authorities(path: &Path) -> Result<Certificate, ConfigError> {
    let unreadable = |reason: String| ConfigError::SmtpFile { path: path.to_owned(), reason };
    let pem = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    if !pem.windows(PEM_CERTIFICATE.len()).any(|bytes| bytes == PEM_CERTIFICATE) {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials(config: &SmtpConfig) -> Result<Option<Credentials>, ConfigError> {
    match (&config.user, &config.password_file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) if config.security == SmtpSecurity::Plaintext => {
            Err(ConfigError::Smtp("a password is not sent in plaintext"))
        }
        (Some(user), Some(path)) => {
            let unreadable = |reason: String| ConfigError::SmtpFile { path: path.clone(), reason };
            let password = service::secret_file::read(path)
                .map_err(|error| unreadable(error.to_string()))?
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| unreadable("no such file, or not UTF-8".to_owned()))?;
            Ok(Some(Credentials::new(user.clone(), password.trim_end_matches(['\r', '\n']).to_owned())))
        }
        _ => Err(ConfigError::Smtp("user and password_file go together")),
    }
}

fn sender(config: &SmtpConfig) -> Result<Mailbox, ConfigError> {
    let wrong = ConfigError::Smtp("from must be an address, as in `ID Prover <codes@prover.example>`");
    match config.from.parse::<Mailbox>() {
        Ok(mailbox) if stays_in_its_line(&config.from) => Ok(mailbox),
        Ok(_) | Err(_) => Err(wrong),
    }
}

#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The language of the message (RFC 3282).
#[derive(Clone)]
struct ContentLanguage(&'static str);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(tag: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Language::from_tag(tag).map(|language| Self(language.tag())).ok_or_else(|| "an unknown language".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.to_owned())
    }
}

/// The email, and its envelope; none if the address could break out of its line.
fn compose(from: &Mailbox, to: &EmailAddress, message: &Message) -> Option<(Envelope, Vec<u8>)> {
    if !stays_in_its_line(to.as_address()) {
        return None;
    }
    // The address is a dot-atom and a domain already; lettre's own check refuses the combining marks of Indic scripts, also
    // where it reads the envelope out of the header.
    let to = lettre::Address::new_dangerous(to.local_part(), to.domain());
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]).ok()?;
    let random: [u8; 16] = rand::random();
    let email = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .envelope(envelope)
        .subject(message.subject())
        .message_id(Some(format!("<{}@{}>", hex::encode(random), from.email.domain())))
        .date_now()
        .header(AutoSubmitted)
        .header(ContentLanguage(message.language().tag()))
        .multipart(MultiPart::alternative_plain_html(message.long_text().to_string(), message.html().to_string()))
        .ok()?;
    Some((email.envelope().clone(), email.formatted()))
}

#[cfg(test)]
mod tests;
