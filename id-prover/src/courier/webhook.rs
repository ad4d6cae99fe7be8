//! SMS by way of an HTTP gateway: a signed `POST` over verified TLS, tried again with growing pauses until a deadline.
//!
//! The body is JSON: `{"id": "<number of the enrollment>", "to": "+14155550132", "text": "…", "language": "en",
//! "expires_in_seconds": 600}`. Two header fields go with it:
//!
//! - `Idempotency-Key`: the same for every attempt at a message, another for the next message. The receiver sends one SMS for
//!   each.
//! - `Webhook-Signature: t=<seconds since 1970>,v1=<hex>`: HMAC-SHA-256 under the shared secret over
//!   `<seconds> "." <Idempotency-Key> "." <body>`. The receiver refuses a time that is more than five minutes off, so that an
//!   old message is not played again.
//!
//! Answers: 2xx has taken the message over; 408, 425, 429 and 5xx may be tried again (`Retry-After` in seconds is honoured);
//! any other refuses it for good. Redirections are not followed: they would carry the code elsewhere.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::cpi::{Cpi, PhoneNumber};
use serde_json::json;
use service::outgoing::{self, Connector, Versions};
use sha2::Sha256;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::attempts::{Attempts, Failure};
use super::{Courier, CourierError, Delivery, Message};
use crate::config::{ConfigError, WebhookConfig};

/// The shortest secret that is taken, in bytes.
const MIN_SECRET_BYTES: usize = 32;
/// An answer's body is read this far, so that the connection can be used again.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const IDLE: Duration = Duration::from_secs(60);

/// Hands messages to an HTTP gateway.
pub(crate) struct WebhookCourier {
    client: legacy::Client<Connector, Full<Bytes>>,
    uri: Uri,
    secret: Zeroizing<Vec<u8>>,
    attempt: Duration,
    delivery: Duration,
}

impl WebhookCourier {
    /// Sets the courier up.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting.
    pub(crate) fn new(config: &WebhookConfig) -> Result<Self, ConfigError> {
        let (uri, secret) = (uri(config)?, secret(&config.secret_file)?);
        let (attempt, delivery) = (config.timeout_ms, config.delivery_timeout_ms);
        let (attempt, delivery) = (Duration::from_millis(attempt), Duration::from_millis(delivery));
        let connector = outgoing::connector(&config.tls, Versions::Any, attempt)
            .map_err(|error| ConfigError::Sms(error.to_string()))?;
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client, uri, secret, attempt, delivery })
    }

    async fn send(&self, to: &PhoneNumber, message: &Message) -> Result<(), CourierError> {
        let mut attempts = Attempts::within(self.delivery.min(message.lifetime()));
        let body = json!({
            "id": message.id().to_string(),
            "to": to.as_e164(),
            "text": &*message.short_text(),
            "language": message.language().tag(),
            "expires_in_seconds": message.lifetime().as_secs(),
        });
        let body = Bytes::from(body.to_string());
        let key = hex::encode(rand::random::<[u8; 16]>());
        while let Err(failure) = self.attempt(&key, body.clone(), attempts.deadline()).await {
            attempts.failed(failure).await?;
        }
        Ok(())
    }

    async fn attempt(&self, key: &str, body: Bytes, deadline: Instant) -> Result<(), Failure> {
        let until = deadline.min(Instant::now() + self.attempt);
        // What may have been taken over is offered again under the same key, by which the gateway knows it.
        tokio::time::timeout_at(until, self.post(key, body)).await.unwrap_or(Err(Failure::Repeatable))
    }

    async fn post(&self, key: &str, body: Bytes) -> Result<(), Failure> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signature = format!("t={seconds},v1={}", signature(&self.secret, seconds, key, &body));
        let request = Request::post(&self.uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key)
            .header("Webhook-Signature", signature)
            .body(Full::new(body))
            .map_err(|_| Failure::Final(CourierError::Unsupported))?;
        match self.client.request(request).await {
            Ok(response) => judge(response).await,
            Err(error) => {
                let reached = !error.is_connect();
                tracing::warn!(reached, "an SMS gateway did not answer");
                Err(if reached { Failure::Repeatable } else { Failure::Passing { after: Duration::ZERO } })
            }
        }
    }
}

impl Courier for WebhookCourier {
    fn deliver<'a>(&'a self, to: &'a Cpi, message: &'a Message) -> Delivery<'a> {
        Box::pin(async move {
            match to {
                Cpi::Phone(number) => self.send(number, message).await,
                Cpi::Email(_) => Err(CourierError::Unsupported),
            }
        })
    }
}

/// Checks the settings, and reads the files that they name.
pub(crate) fn check(config: &WebhookConfig) -> Result<(), ConfigError> {
    WebhookCourier::new(config).map(drop)
}

/// HMAC-SHA-256 over `seconds "." key "." body`, in hexadecimal.
fn signature(secret: &[u8], seconds: u64, key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.{key}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

async fn judge(response: Response<hyper::body::Incoming>) -> Result<(), Failure> {
    let (head, body) = response.into_parts();
    // What it says is of no interest; read, it leaves the connection usable.
    let _ = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let status = head.status;
    if status.is_success() {
        return Ok(());
    }
    tracing::warn!(status = status.as_u16(), "an SMS gateway did not take a message over");
    let again = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if !again {
        return Err(Failure::Final(CourierError::Refused));
    }
    let after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure::Passing { after: Duration::from_secs(after.unwrap_or(0)) })
}

/// Whether an answer takes the message over.
#[cfg(feature = "fuzzing")]
pub(crate) async fn takes_over(response: Response<hyper::body::Incoming>) -> bool {
    judge(response).await.is_ok()
}

fn uri(config: &WebhookConfig) -> Result<Uri, ConfigError> {
    let uri: Option<Uri> = config.url.parse().ok();
    uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some())
        .ok_or_else(|| ConfigError::Sms("url must be an https: URL".to_owned()))
}

fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let read = service::secret_file::read(path).map_err(|error| ConfigError::Sms(error.to_string()))?;
    let secret = Zeroizing::new(read.unwrap_or_default().trim_ascii().to_vec());
    let long = secret.len() >= MIN_SECRET_BYTES;
    long.then_some(secret).ok_or_else(|| {
        ConfigError::Sms(format!("secret_file must be there and hold at least {MIN_SECRET_BYTES} bytes"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac module.
    #[test]
    fn the_signature_covers_time_key_and_body() {
        let sign = |seconds, key, body: &[u8]| signature(&[7; 32], seconds, key, body);
        assert_eq!(
            sign(1_800_000_000, "0f", b"{}"),
            "9f1e378f98d00d12a4d1a037e1ae41a2db362e23bf159ef06b85002c3c474374"
        );
        let all = [sign(1, "k", b"b"), sign(2, "k", b"b"), sign(1, "l", b"b"), sign(1, "k", b"c")];
        assert!((1..4).all(|other| all[0] != all[other]));
    }

    #[test]
    fn only_https_is_spoken() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        service::secret_file::write(&secret, &[b'x'; 32]).unwrap();
        for url in ["http://sms.example/", "sms.example", "https://", "ftp://sms.example/"] {
            let config: WebhookConfig =
                toml::from_str(&format!("url = '{url}'\nsecret_file = '{}'", secret.display())).unwrap();
            assert!(check(&config).unwrap_err().to_string().contains("https"), "{url}");
        }
    }

    #[test]
    fn a_short_or_missing_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(secret(&path).is_err());
        service::secret_file::write(&path, &[b'x'; 31]).unwrap();
        assert!(secret(&path).is_err());
        service::secret_file::write(&path, &[b'x'; 32]).unwrap();
        assert!(secret(&path).is_ok());
    }
}
