//! SMS over SMPP 3.4: bind_transmitter, submit_sm, enquire_link, unbind. The octets are written and read by the `rusmpp` crate,
//! without its logs, which would show them; the session ([`session`]) is ours (`docs/decisions/0031-smpp.md`).
//!
//! Connections are protected by TLS, verified against configured authorities; in plaintext SMPP speaks to loopback alone, by
//! explicit choice. The SMSC's default alphabet (data coding 0) is taken to be that of GSM, one character an octet.
//!
//! Statuses "throttled", "queue full" and "system error", and a session that cannot be made, are tried again with growing pauses
//! until the deadline; any other status refuses the message for good. A part whose answer is missing is not sent again: SMPP
//! has nothing by which an SMSC would know it. A message of several parts is handed over part by part.

pub(crate) mod session;

use std::io;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use protocol::cpi::{Cpi, PhoneNumber};
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{
    Ansi41Specific, DataCoding, EsmClass, GsmFeatures, InterfaceVersion, MessageType, MessagingMode, Npi, Ton,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::attempts::Attempts;
use super::sms::{Alphabet, Part, ShortMessage};
use super::{Closing, Courier, CourierError, Delivery, Message};
use crate::config::{ConfigError, SmppConfig};
use session::{Session, Settings, SubmitError, Submitter};

const MAX_ALPHANUMERIC: usize = 11;

/// Hands messages to an SMSC over one session, which is made when it is needed.
pub(crate) struct SmppCourier {
    address: (String, u16),
    tls: Option<(TlsConnector, ServerName<'static>)>,
    bind: BindTransmitter,
    from: Sender,
    settings: Settings,
    delivery: Duration,
    session: Mutex<Option<Session>>,
}

/// Who a message is from.
#[derive(Clone, Debug)]
struct Sender {
    ton: Ton,
    npi: Npi,
    address: COctetString<1, 21>,
}

impl SmppCourier {
    /// Sets the courier up.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub(crate) fn new(config: &SmppConfig) -> Result<Self, ConfigError> {
        let response = Duration::from_millis(config.timeout_ms);
        Ok(Self {
            address: (config.host.clone(), config.port()),
            tls: tls(config)?,
            bind: bind(config)?,
            from: sender(&config.from)?,
            settings: Settings {
                window: config.window.max(1),
                response,
                enquire_link: Duration::from_secs(u64::from(config.enquire_link_seconds.max(1))),
            },
            delivery: Duration::from_millis(config.delivery_timeout_ms),
            session: Mutex::new(None),
        })
    }

    async fn send(&self, to: &PhoneNumber, message: &Message) -> Result<(), CourierError> {
        let mut attempts = Attempts::within(self.delivery.min(message.lifetime()));
        let short = ShortMessage::encode(&message.short_text());
        for part in short.parts(rand::random()) {
            let pdu = self.submit_sm(to, short.alphabet(), &part).ok_or(CourierError::Unsupported)?;
            while let Err(error) = self.attempt(&pdu, attempts.deadline()).await {
                tracing::warn!(%error, "a message was not handed to the SMSC");
                attempts.failed(error.failure()).await?;
            }
            attempts.sent_in_part();
        }
        Ok(())
    }

    async fn attempt(&self, pdu: &SubmitSm, deadline: Instant) -> Result<(), SubmitError> {
        let submitter = tokio::time::timeout_at(deadline, self.submitter()).await;
        let submitter = submitter.map_err(|_| SubmitError::NoSession)??;
        let submitted = tokio::time::timeout_at(deadline, submitter.submit(pdu.clone())).await;
        submitted.unwrap_or(Err(SubmitError::Lost))
    }

    /// A way into the open session, or a new one.
    async fn submitter(&self) -> Result<Submitter, SubmitError> {
        let mut session = self.session.lock().await;
        if let Some(open) = session.as_ref().filter(|session| session.is_open()) {
            return Ok(open.submitter());
        }
        let made = tokio::time::timeout(self.settings.response, self.bound()).await;
        Ok(session.insert(made.map_err(|_| SubmitError::NoSession)??).submitter())
    }

    /// Connects and binds.
    async fn bound(&self) -> Result<Session, SubmitError> {
        let unreachable = |_: io::Error| SubmitError::NoSession;
        let (host, port) = &self.address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => Session::bind(tcp, self.bind.clone(), self.settings).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await.map_err(unreachable)?;
                Session::bind(stream, self.bind.clone(), self.settings).await
            }
        }
    }

    fn submit_sm(&self, to: &PhoneNumber, alphabet: Alphabet, part: &Part) -> Option<SubmitSm> {
        let gsm_features = if part.has_header { GsmFeatures::UdhiIndicator } else { GsmFeatures::NotSelected };
        // The crate's own default for the third is an acknowledgement.
        let none = Ansi41Specific::Other(0);
        let pdu = SubmitSm::builder()
            .source_addr_ton(self.from.ton)
            .source_addr_npi(self.from.npi)
            .source_addr(self.from.address.clone())
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(COctetString::from_str(to.as_e164().trim_start_matches('+')).ok()?)
            .esm_class(EsmClass::new(MessagingMode::Default, MessageType::Default, none, gsm_features))
            .data_coding(match alphabet {
                Alphabet::Gsm => DataCoding::McSpecific,
                Alphabet::Ucs2 => DataCoding::Ucs2,
            })
            .short_message(OctetString::from_slice(&part.octets).ok()?);
        Some(pdu.build())
    }
}

impl Courier for SmppCourier {
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a> {
        Box::pin(async move {
            match to {
                Cpi::Phone(number) => self.send(number, message).await,
                Cpi::Email(_) => Err(CourierError::Unsupported),
            }
        })
    }

    fn close(&self) -> Closing<'_> {
        Box::pin(async move {
            let session = self.session.lock().await.take();
            if let Some(session) = session {
                session.unbind().await;
            }
        })
    }
}

/// Checks the settings, and reads the files that they name.
pub(crate) fn check(config: &SmppConfig) -> Result<(), ConfigError> {
    SmppCourier::new(config).map(drop)
}

fn wrong(rule: impl Into<String>) -> ConfigError {
    ConfigError::Sms(rule.into())
}

fn tls(config: &SmppConfig) -> Result<Option<(TlsConnector, ServerName<'static>)>, ConfigError> {
    let loopback =
        config.host == "localhost" || config.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match &config.tls {
        None if loopback && config.allow_plaintext => Ok(None),
        None => {
            Err(wrong("SMPP in plaintext speaks to a loopback address alone, and with allow_plaintext = true; set tls"))
        }
        Some(tls) => {
            let tls = tls.load().map_err(|error| wrong(error.to_string()))?;
            let name =
                ServerName::try_from(config.host.clone()).map_err(|_| wrong("host must be a name or an address"))?;
            Ok(Some((TlsConnector::from(Arc::new(tls)), name)))
        }
    }
}

fn bind(config: &SmppConfig) -> Result<BindTransmitter, ConfigError> {
    let password = service::secret_file::read(&config.password_file).map_err(|error| wrong(error.to_string()))?;
    let password = password.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let password = password.trim_end_matches(['\r', '\n']);
    Ok(BindTransmitter::builder()
        .system_id(
            COctetString::from_str(&config.system_id).map_err(|_| wrong("system_id has 15 ASCII bytes at most"))?,
        )
        .password(COctetString::from_str(password).map_err(|_| wrong("the password has 8 ASCII bytes at most"))?)
        .system_type(
            COctetString::from_str(&config.system_type).map_err(|_| wrong("system_type has 12 ASCII bytes at most"))?,
        )
        .interface_version(InterfaceVersion::Smpp3_4)
        .build())
}

/// `+` and digits are an international number, digits alone a short code, anything else a name of 11 characters at most.
fn sender(from: &str) -> Result<Sender, ConfigError> {
    let rule = "from must be a number, or 1 to 11 ASCII letters, digits and spaces";
    let digits = from.strip_prefix('+').unwrap_or(from);
    let (ton, npi) = match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true if digits.len() < from.len() => (Ton::International, Npi::Isdn),
        true => (Ton::NetworkSpecific, Npi::Unknown),
        false => (Ton::Alphanumeric, Npi::Unknown),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    if digits.is_empty() || (ton == Ton::Alphanumeric && (from.len() > MAX_ALPHANUMERIC || !from.chars().all(plain))) {
        return Err(wrong(rule));
    }
    Ok(Sender { ton, npi, address: COctetString::from_str(digits).map_err(|_| wrong(rule))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lines: &str) -> SmppConfig {
        toml::from_str(&format!("system_id = 'prover'\npassword_file = '/none'\nfrom = 'ID Prover'\n{lines}")).unwrap()
    }

    #[test]
    fn plaintext_is_for_loopback_and_by_explicit_choice() {
        for (lines, taken) in [
            ("host = '127.0.0.1'\nallow_plaintext = true", true),
            ("host = 'localhost'\nallow_plaintext = true", true),
            ("host = '127.0.0.1'", false),
            ("host = 'smsc.example'\nallow_plaintext = true", false),
            ("host = '192.0.2.1'\nallow_plaintext = true", false),
        ] {
            assert_eq!(tls(&config(lines)).is_ok(), taken, "{lines}");
        }
        let without_authority = tls(&config("host = 'smsc.example'\ntls = {}"));
        assert!(without_authority.err().unwrap().to_string().contains("ca is needed"));
    }

    #[test]
    fn senders_are_numbers_or_names() {
        for (from, ton) in [
            ("+14155550132", Ton::International),
            ("12345", Ton::NetworkSpecific),
            ("ID Prover", Ton::Alphanumeric),
            ("Prover24", Ton::Alphanumeric),
        ] {
            assert_eq!(sender(from).unwrap().ton, ton, "{from}");
        }
        for from in ["", "+", "a name too long", "Prüfer", "a\nb", "+123456789012345678901"] {
            assert!(sender(from).is_err(), "{from:?}");
        }
    }

    #[test]
    fn a_password_is_read_from_a_file_and_fits_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let mut config = config("host = 'localhost'");
        config.password_file = path.clone();
        for (password, taken) in [("secret08\n", true), ("ninechars", false), ("päss", false)] {
            service::secret_file::write(&path, password.as_bytes()).unwrap();
            assert_eq!(bind(&config).is_ok(), taken, "{password}");
        }
    }
}
