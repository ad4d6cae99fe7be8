//! Health, readiness and metrics, on a listener of their own: loopback, unless asked otherwise.
//!
//! `GET /health` says that the process lives, `GET /ready` whether it should be given requests, `GET /metrics` is the
//! Prometheus text format.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::listener::{Bounds, ListenError, Listener, ListenerConfig};
use crate::metrics::BYTES_BUCKETS;
use crate::serve::serve;

/// Where the admin endpoint listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address.
    pub address: SocketAddr,
    /// Whether it may be reached from beyond loopback.
    #[serde(default)]
    pub allow_remote: bool,
}

impl AdminConfig {
    /// Checks the settings without binding.
    ///
    /// # Errors
    ///
    /// [`ListenError::Admin`] for an address beyond loopback without `allow_remote`.
    pub fn check(&self) -> Result<(), ListenError> {
        if self.is_local() || self.allow_remote { Ok(()) } else { Err(ListenError::Admin(self.address)) }
    }

    /// Binds the admin listener.
    ///
    /// # Errors
    ///
    /// As [`AdminConfig::check`]; [`ListenError::Bind`].
    pub async fn bind(&self) -> Result<Listener, ListenError> {
        self.check()?;
        if !self.is_local() {
            tracing::warn!("the admin endpoint may be reached from beyond loopback, by allow_remote");
        }
        let bounds = Bounds { max_connections: 64, ..Bounds::default() };
        let config = ListenerConfig { address: self.address, tls: None, allow_plaintext: self.allow_remote, bounds };
        Ok(Listener::open(&config)?.named("admin"))
    }

    fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

/// Whether the service should be given requests. Clones share one state, which starts as not ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Sets the state.
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    /// The state.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Installs the process's metrics recorder, once; several services in one process share it.
#[must_use]
pub fn install_metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let bytes = Matcher::Suffix("_bytes".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(bytes, &BYTES_BUCKETS);
        let recorder = builder.expect("there are buckets").build_recorder();
        let handle = recorder.handle();
        if ::metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed already; ours stays empty");
        }
        crate::metrics::describe();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Serves the admin endpoint until `shutdown`.
pub async fn run_admin(
    listener: Listener,
    readiness: Readiness,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &readiness, &metrics);
        async move { Ok::<_, Infallible>(response) }
    });
    serve(listener, service, shutdown).await;
}

fn answer(method: &Method, path: &str, readiness: &Readiness, metrics: &PrometheusHandle) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        _ if method != Method::GET && method != Method::HEAD => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
        "/health" => (StatusCode::OK, Bytes::from_static(b"alive\n")),
        "/ready" if readiness.is_ready() => (StatusCode::OK, Bytes::from_static(b"ready\n")),
        "/ready" => (StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"not ready\n")),
        "/metrics" => {
            metrics.run_upkeep();
            (StatusCode::OK, Bytes::from(metrics.render()))
        }
        _ => (StatusCode::NOT_FOUND, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
