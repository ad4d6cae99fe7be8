//! Requests through a relay, over the network: the keys, the capsule, its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use protocol::key_configuration::{self, KeyConfiguration};
use protocol::{CLOCK_SKEW, PublicKey, Timestamp};

use super::{CapsuleError, Clock, encapsulate, select};
use crate::error::{Error, Fault};
use crate::http::{HttpClient, expect};
use crate::relays::{Relay, Relays};

const OHTTP_REQUEST: &str = "message/ohttp-req";
const OHTTP_RESPONSE: &str = "message/ohttp-res";
/// The problem type of a key the gateway does not have (RFC 9458 §5.3).
const STALE_KEY: &str = "https://iana.org/assignments/http-problem-types#ohttp-key";
/// How many relays one request is sent through at most, where one after the other fails.
const RELAYS_A_REQUEST: usize = 3;

/// Sends requests through relays.
#[derive(Clone)]
pub struct ObliviousClient {
    http: HttpClient,
    relays: Arc<Mutex<Relays>>,
    provider_key: PublicKey,
    clock: Clock,
    keys: Arc<tokio::sync::Mutex<Known>>,
}

/// What is known of the gateway's keys.
#[derive(Default)]
struct Known {
    keys: Option<Arc<Keys>>,
    /// When the newest configuration that was ever seen was signed.
    newest: Timestamp,
}

struct Keys {
    /// One configuration with one suite.
    selected: Vec<u8>,
    issued_at: Timestamp,
    expires_at: Timestamp,
}

impl Keys {
    /// Whether no gateway and relay in good order would serve them any more beside a configuration signed at `newest`: a gateway signs
    /// anew after half of the life, a relay fetches anew after half of what is then left, so that a copy is three quarters of its
    /// life old at most; and two gateways' clocks may be [`CLOCK_SKEW`] apart.
    fn rolled_back(&self, newest: Timestamp) -> bool {
        let life = self.expires_at.since(self.issued_at);
        self.issued_at.plus(life - life / 4).plus(CLOCK_SKEW) < newest
    }
}

/// A request did not get through; another relay may do better if this one is `suspect`.
struct Failed {
    error: Error,
    suspect: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let suspect = matches!(error.fault, Fault::Network | Fault::Relay);
        Self { error, suspect }
    }
}

impl ObliviousClient {
    /// A client of the relay at `relay_url`, which serves the gateway's keys at `keys_url`; `provider_key` is pinned.
    #[must_use]
    pub fn new(http: HttpClient, relay_url: Uri, keys_url: Uri, provider_key: PublicKey, clock: Clock) -> Self {
        Self::through(http, Relays::new(Relay { capsules: relay_url, keys: keys_url }, []), provider_key, clock)
    }

    /// A client of several relays of one gateway.
    #[must_use]
    pub fn through(http: HttpClient, relays: Relays, provider_key: PublicKey, clock: Clock) -> Self {
        Self { http, relays: Arc::new(Mutex::new(relays)), provider_key, clock, keys: Arc::default() }
    }

    /// When the newest key configuration seen so far was signed: to be kept, and given to [`Self::refuse_older`] at the
    /// next start.
    pub async fn newest_keys(&self) -> Timestamp {
        self.keys.lock().await.newest
    }

    /// Takes `time` for when the newest key configuration was signed, if it is later than that of any seen so far. One that was signed
    /// earlier is refused from then on if it is by more than three quarters of its life and the clock skew.
    pub async fn refuse_older(&self, time: Timestamp) {
        let mut known = self.keys.lock().await;
        known.newest = known.newest.max(time);
    }

    /// Sends one request, padded to `at_least` bytes or more, and opens its answer. A relay that fails is left alone for a
    /// while and the request is sent through another, if there is one; three at most.
    ///
    /// # Errors
    ///
    /// By fault: [`Fault::Relay`] and [`Fault::Network`] before the gateway, [`Fault::Gateway`] for its keys and capsules.
    /// What the target answers, errors included, is the response.
    pub async fn send(&self, request: &Request<Bytes>, at_least: usize) -> Result<Response<Bytes>, Error> {
        let mut tried = Vec::new();
        let mut last = None;
        while let Some((index, relay)) = self.pick(&tried) {
            tried.push(index);
            match self.send_through(&relay, request, at_least).await {
                Ok(response) => {
                    self.relays().answered(index);
                    return Ok(response);
                }
                Err(Failed { error, suspect: false }) => {
                    self.relays().answered(index);
                    return Err(error);
                }
                Err(Failed { error, suspect: true }) => {
                    self.relays().leave(index, error.retry_after, Instant::now());
                    last = Some(error);
                }
            }
        }
        Err(last.expect("there is at least one relay, so it was tried and failed"))
    }

    fn pick(&self, tried: &[usize]) -> Option<(usize, Relay)> {
        if tried.len() == RELAYS_A_REQUEST {
            return None;
        }
        let relays = self.relays();
        let index = relays.pick(tried, Instant::now(), |count| rand::random_range(0..count))?;
        relays.at(index).map(|relay| (index, relay.clone()))
    }

    fn relays(&self) -> std::sync::MutexGuard<'_, Relays> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_through(
        &self,
        relay: &Relay,
        request: &Request<Bytes>,
        at_least: usize,
    ) -> Result<Response<Bytes>, Failed> {
        let keys = self.keys(relay, None).await?;
        match self.try_send(relay, request, at_least, &keys).await? {
            Some(response) => Ok(response),
            None => {
                let keys = self.keys(relay, Some(&keys)).await?;
                let response = self.try_send(relay, request, at_least, &keys).await?;
                // Or this relay's copy is of keys that are gone: another's may not be.
                response.ok_or_else(|| Failed {
                    error: Error::passing(Fault::Gateway, "it refuses the key that it publishes"),
                    suspect: true,
                })
            }
        }
    }

    /// One try; `None` if the gateway does not have the key.
    async fn try_send(
        &self,
        relay: &Relay,
        request: &Request<Bytes>,
        at_least: usize,
        keys: &Keys,
    ) -> Result<Option<Response<Bytes>>, Error> {
        let (capsule, opener) = encapsulate(request, at_least, &keys.selected).map_err(unsendable)?;
        let response = self.http.post(&relay.capsules, OHTTP_REQUEST, capsule.into()).await?;
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
    async fn keys(&self, relay: &Relay, stale: Option<&Arc<Keys>>) -> Result<Arc<Keys>, Failed> {
        let mut known = self.keys.lock().await;
        let now = (self.clock)();
        if let Some(keys) = known.keys.as_ref() {
            let refused = stale.is_some_and(|stale| Arc::ptr_eq(stale, keys));
            if !refused && now < keys.expires_at {
                return Ok(Arc::clone(keys));
            }
        }
        let fetched = self.fetch(relay, now).await?;
        if fetched.rolled_back(known.newest) {
            return Err(Error::lasting(Fault::Relay, "it serves a much older key configuration than was seen").into());
        }
        known.newest = known.newest.max(fetched.issued_at);
        let fetched = Arc::new(fetched);
        known.keys = Some(Arc::clone(&fetched));
        Ok(fetched)
    }

    async fn fetch(&self, relay: &Relay, now: Timestamp) -> Result<Keys, Failed> {
        let response = self.http.get(&relay.keys, key_configuration::MEDIA_TYPE).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Relay)?;
        // Nobody can tell whether the gateway or the relay spoiled it: another relay may serve a good one.
        let spoiled = |error| Failed { error: Error::lasting(Fault::Gateway, error), suspect: true };
        let signed =
            KeyConfiguration::verify(&body, &self.provider_key, now).map_err(|error| spoiled(error.to_string()))?;
        let configuration = signed.document();
        let selected = select(&configuration.ohttp_keys).map_err(|error| Error::lasting(Fault::Gateway, error))?;
        Ok(Keys { selected, issued_at: configuration.issued_at, expires_at: configuration.expires_at })
    }
}

fn unsendable(error: CapsuleError) -> Error {
    match error {
        CapsuleError::Target => Error::lasting(Fault::Caller, error),
        CapsuleError::Key | CapsuleError::Sealed | CapsuleError::BinaryHttp => Error::lasting(Fault::Gateway, error),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_copy_may_lag_by_three_quarters_of_its_life() {
        let at = Timestamp::from_seconds;
        for (life, lag) in [(86_400, 64_800), (60, 45), (61, 45)] {
            let keys = Keys { selected: Vec::new(), issued_at: at(1_000_000), expires_at: at(1_000_000 + life) };
            let latest = at(1_000_000 + lag).plus(CLOCK_SKEW);
            assert!(!keys.rolled_back(Timestamp::default()) && !keys.rolled_back(latest), "{life}");
            assert!(keys.rolled_back(latest.plus(Duration::from_secs(1))), "{life}");
        }
    }

    /// A life is the provider's to name.
    #[test]
    fn a_life_without_an_end_is_no_trouble() {
        let keys = Keys {
            selected: Vec::new(),
            issued_at: Timestamp::default(),
            expires_at: Timestamp::from_seconds(u64::MAX),
        };
        assert!(!keys.rolled_back(Timestamp::from_seconds(u64::MAX / 2)));
    }
}
