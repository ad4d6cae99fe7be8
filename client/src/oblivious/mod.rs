//! Oblivious HTTP (RFC 9458) from the client's side: a request goes in, an answer comes out, and no single party on the
//! way sees both who asks and what.
//!
//! [`ObliviousClient`] fetches the signed key configuration from the relay, checks it against the provider's pinned key,
//! and refuses one that is older than what it has seen. A stale key (`422` with the `#ohttp-key` problem) is answered by
//! one refresh and one more try, never by a loop.

mod capsule;
mod key_selection;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use protocol::key_configuration::{self, KeyConfiguration};
use protocol::{PublicKey, Timestamp};
use tokio::sync::Mutex;

use crate::error::{Error, Fault};
use crate::http::{HttpClient, expect};

pub use capsule::{CapsuleError, Opener, PADDED_REQUEST_BYTES, encapsulate};
pub use key_selection::{KeySelectionError, select};

const OHTTP_REQUEST: &str = "message/ohttp-req";
const OHTTP_RESPONSE: &str = "message/ohttp-res";
/// The problem type of a key the gateway does not have (RFC 9458 §5.3).
const STALE_KEY: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Sends requests through a relay.
#[derive(Clone)]
pub struct ObliviousClient {
    http: HttpClient,
    relay_url: Uri,
    keys_url: Uri,
    provider_key: PublicKey,
    clock: Clock,
    keys: Arc<Mutex<Option<Arc<Keys>>>>,
}

struct Keys {
    /// One configuration with one suite.
    selected: Vec<u8>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl ObliviousClient {
    /// A client of the relay at `relay_url`, which serves the gateway's keys at `keys_url`; `provider_key` is pinned.
    #[must_use]
    pub fn new(http: HttpClient, relay_url: Uri, keys_url: Uri, provider_key: PublicKey, clock: Clock) -> Self {
        Self { http, relay_url, keys_url, provider_key, clock, keys: Arc::default() }
    }

    /// Sends one request, padded to `at_least` bytes or more, and opens its answer.
    ///
    /// # Errors
    ///
    /// By fault: [`Fault::Relay`] and [`Fault::Network`] before the gateway, [`Fault::Gateway`] for its keys and capsules.
    /// What the target answers, errors included, is the response.
    pub async fn send(&self, request: &Request<Bytes>, at_least: usize) -> Result<Response<Bytes>, Error> {
        let keys = self.keys(None).await?;
        match self.try_send(request, at_least, &keys).await? {
            Some(response) => Ok(response),
            None => {
                let keys = self.keys(Some(&keys)).await?;
                let response = self.try_send(request, at_least, &keys).await?;
                response.ok_or_else(|| Error::passing(Fault::Gateway, "it refuses the key that it publishes"))
            }
        }
    }

    /// One try; `None` if the gateway does not have the key.
    async fn try_send(
        &self,
        request: &Request<Bytes>,
        at_least: usize,
        keys: &Keys,
    ) -> Result<Option<Response<Bytes>>, Error> {
        let (capsule, opener) =
            encapsulate(request, at_least, &keys.selected).map_err(|error| Error::lasting(Fault::Caller, error))?;
        let response = self.http.post(&self.relay_url, OHTTP_REQUEST, capsule.into()).await?;
        if response.status() != StatusCode::OK {
            if response.status() == StatusCode::UNPROCESSABLE_ENTITY
                && problem_type(response.body()).as_deref() == Some(STALE_KEY)
            {
                return Ok(None);
            }
            let fault = fault_of(response.body());
            return Err(Error::from_answer(fault, response.status(), response.headers(), response.body()));
        }
        if response.headers().get(header::CONTENT_TYPE).is_none_or(|value| value != OHTTP_RESPONSE) {
            return Err(Error::lasting(Fault::Relay, "the answer is no oblivious HTTP response"));
        }
        opener.open(response.body()).map(Some).map_err(|error| Error::lasting(Fault::Gateway, error))
    }

    /// The keys to use: those at hand, unless they have expired or are `stale`.
    async fn keys(&self, stale: Option<&Arc<Keys>>) -> Result<Arc<Keys>, Error> {
        let mut slot = self.keys.lock().await;
        let now = (self.clock)();
        if let Some(keys) = slot.as_ref() {
            let refused = stale.is_some_and(|stale| Arc::ptr_eq(stale, keys));
            if !refused && now < keys.expires_at {
                return Ok(Arc::clone(keys));
            }
        }
        let fetched = self.fetch(now).await?;
        if slot.as_ref().is_some_and(|known| fetched.issued_at < known.issued_at) {
            return Err(Error::lasting(Fault::Relay, "it serves an older key configuration than before"));
        }
        let fetched = Arc::new(fetched);
        *slot = Some(Arc::clone(&fetched));
        Ok(fetched)
    }

    async fn fetch(&self, now: Timestamp) -> Result<Keys, Error> {
        let response = self.http.get(&self.keys_url, key_configuration::MEDIA_TYPE).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Relay)?;
        let signed = KeyConfiguration::verify(&body, &self.provider_key, now)
            .map_err(|error| Error::lasting(Fault::Gateway, error))?;
        let configuration = signed.document();
        let selected = select(&configuration.ohttp_keys).map_err(|error| Error::lasting(Fault::Gateway, error))?;
        Ok(Keys { selected, issued_at: configuration.issued_at, expires_at: configuration.expires_at })
    }
}

/// Whose problem document this is: relay and gateway name themselves in its type.
fn fault_of(body: &[u8]) -> Fault {
    match problem_type(body) {
        Some(uri) if uri.contains(":relay-") => Fault::Relay,
        Some(_) => Fault::Gateway,
        None => Fault::Relay,
    }
}

fn problem_type(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(json.get("type")?.as_str()?.to_owned())
}
