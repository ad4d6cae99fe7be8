//! One request: which route it is for, and whether it may pass.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Response, header};
use hyper::body::{Body as _, Incoming};
use service::addresses::network;
use service::body::is_of_type;
use service::metrics::float;
use service::{CancellationToken, KeyedLimiter, Limiter, Peer, Readiness};
use tokio::task::JoinSet;

use crate::body::AnswerBody;
use crate::config::{Config, ConfigError};
use crate::forward::{Capsule, Gateway};
use crate::keys::Keys;
use crate::metrics::{self, FORWARDED, PerCapsule};
use crate::problem::Problem;

/// Where a gateway's keys are, below its route.
const KEYS_PATH: &str = "/.well-known/ohttp-gateway";
/// What is forwarded: whole and chunked capsules (draft-ietf-ohai-chunked-ohttp).
const WHOLE: &str = "message/ohttp-req";
const CHUNKED: &str = "message/ohttp-chunked-req";
const GAUGES_EVERY: Duration = Duration::from_secs(5);
const ONE: NonZeroU32 = NonZeroU32::MIN;

struct Route {
    path: String,
    keys_path: String,
    gateway: Gateway,
    keys: Keys,
}

/// A relay at work.
pub(crate) struct Relay {
    routes: Vec<Arc<Route>>,
    per_address: KeyedLimiter<IpAddr>,
    total: Limiter,
    max_request_bytes: u64,
    metrics: PerCapsule,
}

impl Relay {
    /// To be called once the recorder of metrics is installed.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for route in &config.routes {
            route.check_path()?;
            if routes.iter().any(|known| known.path == route.path) {
                return Err(ConfigError::Path(route.path.clone()));
            }
            let gateway = Gateway::new(route, &config.exchange)?;
            let keys_path = format!("{}{KEYS_PATH}", route.path.trim_end_matches('/'));
            let keys = Keys::new(config.exchange.stale_keys());
            routes.push(Arc::new(Route { path: route.path.clone(), keys_path, gateway, keys }));
        }
        if routes.is_empty() {
            return Err(ConfigError::NoRoute);
        }
        Ok(Self {
            routes,
            per_address: KeyedLimiter::new(config.limits.per_address, config.limits.max_addresses),
            total: Limiter::new(config.limits.total),
            max_request_bytes: config.exchange.max_request_bytes,
            metrics: PerCapsule::new(),
        })
    }

    /// Keeps keys fresh, limits small and gauges true, until `shutdown`. Ready once every route has had its keys.
    pub(crate) async fn keep(self: Arc<Self>, readiness: Readiness, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        for route in &self.routes {
            let (route, relay, readiness, shutdown) =
                (Arc::clone(route), Arc::clone(&self), readiness.clone(), shutdown.clone());
            tasks.spawn(async move {
                let fetched = || readiness.set_ready(relay.routes.iter().all(|route| route.keys.age().is_some()));
                route.keys.keep(&route.gateway, fetched, shutdown).await;
            });
        }
        let (relay, token) = (Arc::clone(&self), shutdown.clone());
        tasks.spawn(async move { relay.per_address.sweep(token).await });
        while shutdown.run_until_cancelled(tokio::time::sleep(GAUGES_EVERY)).await.is_some() {
            let oldest = self.routes.iter().filter_map(|route| route.keys.age()).max().unwrap_or_default();
            ::metrics::gauge!(metrics::KEYS_AGE).set(oldest.as_secs_f64());
            ::metrics::gauge!(metrics::ADDRESSES).set(float(self.per_address.keys() as u64));
        }
        while tasks.join_next().await.is_some() {}
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let (outcome, response) = match self.try_answer(request).await {
            Ok((outcome, response)) => (outcome, response),
            Err(problem) => (problem.label(), problem.response()),
        };
        match outcome {
            FORWARDED => self.metrics.forwarded.increment(1),
            outcome => ::metrics::counter!(metrics::REQUESTS, "outcome" => outcome).increment(1),
        }
        response
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<(&'static str, Response<AnswerBody>), Problem> {
        let sender = sender(&request);
        self.limit(sender)?;
        let path = request.uri().path();
        if let Some(route) = self.routes.iter().find(|route| route.keys_path == path) {
            if request.method() != Method::GET && request.method() != Method::HEAD {
                return Ok((Problem::MethodNotAllowed.label(), method_not_allowed("GET, HEAD")));
            }
            return Ok(("keys", route.keys.answer(request.method(), request.headers())?));
        }
        let route = self.routes.iter().find(|route| route.path == path).ok_or(Problem::NotFound)?;
        if request.method() != Method::POST {
            return Ok((Problem::MethodNotAllowed.label(), method_not_allowed("POST")));
        }
        let media_type = forwarded_type(&request).ok_or(Problem::UnsupportedMediaType)?;
        if request.body().size_hint().lower() > self.max_request_bytes {
            return Err(Problem::TooLarge);
        }
        let start = Instant::now();
        let capsule = Capsule {
            sender,
            media_type: HeaderValue::from_static(media_type),
            streamed: media_type == CHUNKED,
            body: request.into_body(),
        };
        let response = route.gateway.forward(capsule, &self.metrics).await?;
        self.metrics.seconds.record(start.elapsed());
        self.metrics.answers.count(response.status());
        Ok((FORWARDED, response))
    }

    fn limit(&self, sender: IpAddr) -> Result<(), Problem> {
        self.per_address.check(&sender, ONE).map_err(Problem::TooManyRequests)?;
        self.total.check(ONE).map_err(Problem::TooManyRequests)
    }
}

/// Who counts as one: an IPv4 address, an IPv6 /64.
fn sender(request: &Request<Incoming>) -> IpAddr {
    let peer = request.extensions().get::<Peer>().expect("the service says of every request whose it is");
    network(peer.address.ip())
}

/// The media type to forward, in our own spelling, so that the client's is not passed on.
fn forwarded_type(request: &Request<Incoming>) -> Option<&'static str> {
    [WHOLE, CHUNKED].into_iter().find(|known| is_of_type(request.headers(), known))
}

fn method_not_allowed(allow: &'static str) -> Response<AnswerBody> {
    let mut response = Problem::MethodNotAllowed.response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}
