//! One request in the clear: the keys for a `GET`, a capsule for a `POST`; who may bring it, and how often.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use documents::key_configuration::MEDIA_TYPE as SIGNED_MEDIA_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use service::body::{self, BodyError};
use service::metrics::float;
use service::{CancellationToken, Certificates, Peer};

use crate::budget::{Budget, RelayId};
use crate::capsule::Inside;
use crate::config::{Config, ConfigError, Exchange};
use crate::keys::{DecapsulationError, KeyRing, PLAIN_MEDIA_TYPE};
use crate::metrics::{self, PerCapsule};
use crate::problem::Problem;
use crate::target::{Cost, Target};

/// The gateway resource and its key configuration (RFC 9540 §4).
const PATH: &str = "/.well-known/ohttp-gateway";
const REQUEST_MEDIA_TYPE: &str = "message/ohttp-req";
const RESPONSE_MEDIA_TYPE: &str = "message/ohttp-res";
/// The outcome of a request whose answer is sealed.
const ANSWERED: &str = "answered";

/// A gateway at work.
pub(crate) struct Gateway<T> {
    keys: Arc<KeyRing>,
    /// Which relays may bring capsules; without it, any.
    relays: Option<Certificates>,
    inside: Inside<T>,
    budget: Budget,
    exchange: Exchange,
    metrics: PerCapsule,
}

impl<T: Target> Gateway<T> {
    /// To be called once the recorder of metrics is installed.
    pub(crate) fn new(config: &Config, keys: Arc<KeyRing>, target: T) -> Result<Self, ConfigError> {
        config.check_settings()?;
        let relays = if config.relays.open { None } else { Some(config.relays.certificates()?) };
        Ok(Self {
            keys,
            relays,
            inside: Inside {
                target,
                allowed: config.allowed.clone(),
                buckets: config.exchange.padded_response_bytes.clone(),
                per_request: config.exchange.response_per_request,
            },
            budget: Budget::new(&config.limits),
            exchange: config.exchange.clone(),
            metrics: PerCapsule::new(),
        })
    }

    pub(crate) async fn sweep(&self, shutdown: CancellationToken) {
        self.budget.sweep(shutdown).await;
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (outcome, response) = match self.try_answer(request).await {
            Ok((outcome, response)) => (outcome, response),
            Err(problem) => (problem.label(), problem.response()),
        };
        match outcome {
            ANSWERED => self.metrics.answered.increment(1),
            outcome => ::metrics::counter!(metrics::REQUESTS, "outcome" => outcome).increment(1),
        }
        response.map(Full::new)
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<(&'static str, Response<Bytes>), Problem> {
        if request.uri().path() != PATH {
            return Err(Problem::NotFound);
        }
        match *request.method() {
            Method::GET | Method::HEAD => Ok(("keys", self.published_keys(request.method(), request.headers())?)),
            Method::POST => Ok((ANSWERED, self.capsule(request).await?)),
            _ => {
                let mut response = Problem::MethodNotAllowed.response();
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
                Ok((Problem::MethodNotAllowed.label(), response))
            }
        }
    }

    async fn capsule(&self, request: Request<Incoming>) -> Result<Response<Bytes>, Problem> {
        let peer = request.extensions().get::<Peer>();
        if self.relays.as_ref().is_some_and(|relays| !relays.admit(peer)) {
            return Err(Problem::RelayNotAllowed);
        }
        let relay: RelayId = peer.and_then(|peer| peer.certificate.as_ref()).map(service::PeerCertificate::fingerprint);
        self.budget.enter(&relay).map_err(Problem::TooManyRequests)?;
        if !body::is_of_type(request.headers(), REQUEST_MEDIA_TYPE) {
            return Err(Problem::UnsupportedMediaType);
        }
        let capsule = self.read(request.into_body()).await?;
        self.metrics.capsule_bytes.record(length(&capsule));
        let (content, sealer) = self.keys.decapsulate(&capsule).map_err(|error| match error {
            DecapsulationError::UnknownKey => Problem::UnknownKey,
            DecapsulationError::Malformed => Problem::MalformedCapsule,
        })?;
        let start = Instant::now();
        let response = self.inside.answer(&content, &self.metrics).await;
        let cost = response.extensions().get::<Cost>().map_or(1, |Cost(cost)| cost.get());
        self.budget.owe(&relay, cost - 1);
        self.metrics.answers.count(response.status());
        let binary = self.inside.write(response, &content).map_err(|_| Problem::MalformedCapsule)?;
        let sealed = sealer.seal(&binary, &mut rand::rng());
        self.metrics.seconds.record(start.elapsed());
        self.metrics.answer_bytes.record(length(&sealed));
        let mut answer = Response::new(Bytes::from(sealed));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(RESPONSE_MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(answer)
    }

    async fn read(&self, capsule: Incoming) -> Result<Bytes, Problem> {
        body::read(capsule, self.exchange.max_request_bytes, self.exchange.body_timeout()).await.map_err(|error| {
            match error {
                BodyError::MediaType => Problem::UnsupportedMediaType,
                BodyError::TooLong => Problem::TooLarge,
                BodyError::TooSlow => Problem::RequestTimeout,
                BodyError::Broken => Problem::MalformedCapsule,
            }
        })
    }

    fn published_keys(&self, method: &Method, headers: &HeaderMap) -> Result<Response<Bytes>, Problem> {
        let (published, now) = self.keys.published();
        let form = preferred(headers).ok_or(Problem::NotAcceptable)?;
        let form = match form {
            Form::Plain => published.plain,
            Form::Signed => published.signed,
        };
        Ok(form.answer(method, headers, published.expires_at.since(now)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Signed,
}

/// The form that `Accept` prefers (RFC 9110 §12.5.1): the plain one where it does not say, and on a tie unless only the
/// signed one is named; `None` if neither will do.
fn preferred(headers: &HeaderMap) -> Option<Form> {
    let ranges: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .collect();
    if ranges.is_empty() {
        return Some(Form::Plain);
    }
    let quality = |media_type: &str| {
        let of = |range: &str| ranges.iter().find_map(|given| quality_of(given, range));
        of(media_type).or_else(|| of("application/*")).or_else(|| of("*/*")).unwrap_or(0)
    };
    let (plain, signed) = (quality(PLAIN_MEDIA_TYPE), quality(SIGNED_MEDIA_TYPE));
    match plain.max(signed) {
        0 => None,
        best if plain == best => Some(Form::Plain),
        _ => Some(Form::Signed),
    }
}

/// The quality of `given` in thousandths, if it is the media range `range`.
fn quality_of(given: &str, range: &str) -> Option<u32> {
    let mut parts = given.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let thousandths =
        |text: &str| text.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).map(|q| (q * 1000.0).round());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number between 0 and 1000")]
    let as_integer = |q: f32| q as u32;
    quality.map_or(Some(1000), |text| thousandths(text).map(as_integer))
}

fn length(bytes: &[u8]) -> f64 {
    float(bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_the_form() {
        let form = |accept: &[&str]| {
            let headers = accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap()));
            preferred(&HeaderMap::from_iter(headers))
        };
        assert!(form(&[]) == Some(Form::Plain));
        assert!(form(&["*/*"]) == Some(Form::Plain));
        assert!(form(&["application/*;q=0.5"]) == Some(Form::Plain));
        assert!(form(&[SIGNED_MEDIA_TYPE]) == Some(Form::Signed));
        assert!(form(&["application/mimi-ohttp-keys+cwt, application/ohttp-keys;q=0.9"]) == Some(Form::Signed));
        assert!(form(&["application/ohttp-keys;q=0, */*"]) == Some(Form::Signed));
        assert!(form(&["text/html"]).is_none());
        assert!(form(&["*/*;q=0"]).is_none());
        assert!(form(&["text/html", "Application/OHTTP-Keys"]) == Some(Form::Plain));
    }
}
