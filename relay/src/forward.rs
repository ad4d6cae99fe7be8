//! A capsule to the gateway, and its answer back: method, media type and body one way; status, media type, body and a
//! numeric `Retry-After` the other. No retry, no redirect, no other header.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::{AnswerBody, BodyError, Bounded};
use crate::config::{ConfigError, Exchange, RouteConfig};
use crate::problem::Problem;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_IDLE: Duration = Duration::from_secs(90);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const MAX_KEYS_BYTES: usize = 64 * 1024;

/// The way to one gateway: few connections, many streams.
pub(crate) struct Gateway {
    client: legacy::Client<HttpsConnector<HttpConnector>, BoxBody<Bytes, BodyError>>,
    uri: Uri,
    exchange: Exchange,
}

impl Gateway {
    pub(crate) fn new(route: &RouteConfig, exchange: &Exchange) -> Result<Self, ConfigError> {
        let tls = route.tls.load().map_err(|reason| ConfigError::Tls { path: route.path.clone(), reason })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(CONNECT_TIMEOUT)
            // A capsule is never sent twice, not even on a connection that turns out to be closed.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { client, uri: route.gateway_uri()?, exchange: exchange.clone() })
    }

    /// Forwards a capsule.
    pub(crate) async fn forward(
        &self,
        media_type: HeaderValue,
        capsule: Incoming,
    ) -> Result<Response<AnswerBody>, Problem> {
        let capsule = Bounded::new(capsule, self.exchange.max_request_bytes, self.exchange.body_timeout());
        let mishap = capsule.mishap();
        let mut request = Request::new(capsule.boxed());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, media_type);
        let sent = tokio::time::timeout(self.exchange.first_byte_timeout(), self.client.request(request)).await;
        match mishap.error() {
            Some(BodyError::TooLong) => return Err(Problem::TooLarge),
            Some(BodyError::TooSlow | BodyError::Broken) => return Err(Problem::RequestTimeout),
            None if sent.is_err() && mishap.is_waiting() => return Err(Problem::RequestTimeout),
            None => {}
        }
        let response = sent.map_err(|_| Problem::GatewayTimeout)?.map_err(|_| Problem::GatewayUnreachable)?;
        let (head, body) = response.into_parts();
        let body =
            Bounded::new(body, self.exchange.max_response_bytes, self.exchange.body_timeout()).with_declared_length();
        let mut answer = Response::new(body.boxed());
        *answer.status_mut() = head.status;
        pass_headers(&head.headers, answer.headers_mut());
        Ok(answer)
    }

    /// Fetches the gateway's keys in one of their forms.
    pub(crate) async fn fetch_keys(&self, accept: &'static str) -> Option<Response<Bytes>> {
        let mut request = Request::new(Empty::new().map_err(|never| match never {}).boxed());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(accept));
        let fetch = async {
            let (head, body) = self.client.request(request).await.ok()?.into_parts();
            let body = Limited::new(body, MAX_KEYS_BYTES).collect().await.ok()?.to_bytes();
            Some(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.exchange.first_byte_timeout(), fetch).await.ok().flatten()
    }
}

/// Passes back what an answer's reader needs, and nothing by which a gateway could mark a client.
fn pass_headers(from: &HeaderMap, to: &mut HeaderMap) {
    if let Some(media_type) = from.get(header::CONTENT_TYPE) {
        to.insert(header::CONTENT_TYPE, media_type.clone());
    }
    let numeric =
        |value: &&HeaderValue| !value.is_empty() && value.len() <= 6 && value.as_bytes().iter().all(u8::is_ascii_digit);
    if let Some(seconds) = from.get(header::RETRY_AFTER).filter(numeric) {
        to.insert(header::RETRY_AFTER, seconds.clone());
    }
}
