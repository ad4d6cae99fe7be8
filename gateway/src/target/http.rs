//! A target over HTTP/2 with TLS: pooled, with a time-out, a bound on the answer, and a circuit that opens while the
//! target is down, so that capsules are answered at once instead of piling up. What a request cost it says in [`COST`], for the gateway alone.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use service::RetryAfter;
use service::outgoing::{self, Connector, Versions};

use super::{Cost, Target, TargetError};
use crate::config::{ConfigError, HttpTargetConfig, MAX_OPEN_SECONDS};
use crate::metrics;

/// The response header in which a target says what a request cost, a number from 1 to 64.
pub const COST: HeaderName = HeaderName::from_static("mimi-lookup-cost");

/// A higher cost counts as this one: no lookup asks for more.
const MAX_COST: NonZeroU32 = NonZeroU32::new(64).expect("not zero");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks one HTTP server.
pub struct HttpTarget {
    client: legacy::Client<Connector, Full<Bytes>>,
    authority: Authority,
    timeout: Duration,
    max_response_bytes: usize,
    circuit: Circuit,
}

impl HttpTarget {
    /// Reads the TLS files; connects when first asked.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TargetUrl`], [`ConfigError::TargetOpen`] or [`ConfigError::TargetTls`].
    pub fn new(config: &HttpTargetConfig) -> Result<Self, ConfigError> {
        let url: Uri = config.url.parse().map_err(|_| ConfigError::TargetUrl)?;
        let authority = url.authority().cloned().ok_or(ConfigError::TargetUrl)?;
        if url.scheme() != Some(&Scheme::HTTPS) || !matches!(url.path(), "" | "/") {
            return Err(ConfigError::TargetUrl);
        }
        if !(1..=MAX_OPEN_SECONDS).contains(&config.open_seconds) {
            return Err(ConfigError::TargetOpen);
        }
        let connector = outgoing::connector(&config.tls, Versions::Http2, CONNECT_TIMEOUT)?;
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(CONNECT_TIMEOUT)
            .build(connector);
        Ok(Self {
            client,
            authority,
            timeout: Duration::from_millis(config.timeout_ms),
            max_response_bytes: config.max_response_bytes,
            circuit: Circuit::new(config.failures_to_open, Duration::from_secs(config.open_seconds)),
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, TargetError> {
        let unavailable = TargetError::Unavailable(RetryAfter(1));
        let (mut head, body) = self.client.request(request).await.map_err(|_| unavailable)?.into_parts();
        if let Some(cost) = take_cost(&mut head.headers) {
            head.extensions.insert(cost);
        }
        let body = Limited::new(body, self.max_response_bytes)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { TargetError::TooLarge } else { unavailable })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl Target for HttpTarget {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TargetError> {
        self.circuit.pass()?;
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path);
        head.uri = Uri::from_parts(uri).map_err(|_| TargetError::Unavailable(RetryAfter(1)))?;
        let request = Request::from_parts(head, Full::new(body));
        let answer =
            tokio::time::timeout(self.timeout, self.exchange(request)).await.unwrap_or(Err(TargetError::Timeout));
        self.circuit.note(matches!(answer, Err(TargetError::Unavailable(_) | TargetError::Timeout)));
        answer
    }
}

/// What a request cost, if its target says so well; nobody beyond the gateway is told.
fn take_cost(headers: &mut HeaderMap) -> Option<Cost> {
    let cost: NonZeroU32 = headers.remove(COST)?.to_str().ok()?.parse().ok()?;
    Some(Cost(cost.min(MAX_COST)))
}

/// Opens after so many failures in a row, for so long; then one request at a time may try.
struct Circuit {
    state: Mutex<CircuitState>,
    failures_to_open: u32,
    open_for: Duration,
}

#[derive(Default)]
struct CircuitState {
    failures: u32,
    open_until: Option<Instant>,
}

impl Circuit {
    fn new(failures_to_open: u32, open_for: Duration) -> Self {
        Self { state: Mutex::default(), failures_to_open: failures_to_open.max(1), open_for }
    }

    fn pass(&self) -> Result<(), TargetError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open_until) = state.open_until else { return Ok(()) };
        let now = Instant::now();
        if now < open_until {
            let seconds = (open_until - now).as_secs() + 1;
            return Err(TargetError::Unavailable(RetryAfter(seconds)));
        }
        // This one tries; others wait for what it finds, a little longer.
        state.open_until = Some(now + self.open_for);
        Ok(())
    }

    fn note(&self, failed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            state.failures = state.failures.saturating_add(1);
            if state.failures >= self.failures_to_open {
                state.open_until = Some(Instant::now() + self.open_for);
            }
        } else {
            *state = CircuitState::default();
        }
        ::metrics::gauge!(metrics::CIRCUIT).set(if state.open_until.is_some() { 1.0 } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_a_number_within_bounds_and_goes_no_further() {
        for (said, cost) in [("1", Some(1)), ("64", Some(64)), ("65", Some(64)), ("4294967295", Some(64))]
            .into_iter()
            .chain(["0", "", "-1", "1.5", "many", "4294967296"].map(|said| (said, None)))
        {
            let mut headers = HeaderMap::from_iter([(COST, said.parse().unwrap())]);
            assert_eq!(take_cost(&mut headers).map(|Cost(cost)| cost.get()), cost, "{said}");
            assert!(headers.is_empty());
        }
        assert_eq!(take_cost(&mut HeaderMap::new()), None);
    }

    #[test]
    fn the_circuit_opens_after_failures_in_a_row_and_closes_on_success() {
        let circuit = Circuit::new(2, Duration::from_secs(3600));
        circuit.note(true);
        circuit.note(false);
        circuit.note(true);
        assert_eq!(circuit.pass(), Ok(()));
        circuit.note(true);
        assert!(matches!(circuit.pass(), Err(TargetError::Unavailable(RetryAfter(1..=3600)))));
        circuit.note(false);
        assert_eq!(circuit.pass(), Ok(()));
    }

    #[test]
    fn one_request_tries_when_the_time_is_over() {
        let circuit = Circuit::new(1, Duration::from_secs(3600));
        circuit.state.lock().unwrap().open_until = Some(Instant::now());
        assert_eq!(circuit.pass(), Ok(()));
        assert!(circuit.pass().is_err());
    }
}
