//! A capsule to the gateway, and its answer back: method, media type and body one way; status, one of three media types, body
//! and a numeric `Retry-After` the other. No retry, no redirect, no other header.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use service::body::is_of_type;
use service::outgoing::{self, Connector, Versions};
use service::{RetryAfter, problem};

use crate::body::{AnswerBody, BodyError, Bounded};
use crate::config::{ConfigError, Exchange, RouteConfig};
use crate::metrics::PerCapsule;
use crate::problem::Problem;
use crate::slots::Slots;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const POOL_IDLE: Duration = Duration::from_secs(90);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What answers are: whole and chunked ones (draft-ietf-ohai-chunked-ohttp), and problems.
const ANSWER_TYPES: [&str; 3] = ["message/ohttp-res", "message/ohttp-chunked-res", problem::MEDIA_TYPE];
const MAX_KEYS_BYTES: usize = 64 * 1024;
/// So much of a capsule is read before a stream to the gateway is opened for it: all of it, mostly.
const GATHERED_BYTES: usize = 16 * 1024;
/// Capsules at once that still come in while they are passed on: half of the streams that our gateway allows, so that slow
/// senders cannot take them all.
const MAX_STREAMING: usize = 64;
/// So many of them may come from one address (of IPv6 a /64).
const MAX_STREAMING_OF_ADDRESS: usize = 8;
/// What may wait on the connection to a gateway for clients that are slow to read, in bytes: when it is full, all wait. Of an
/// answer up to 16 KiB nothing waits there.
const UNREAD_BYTES: u32 = 64 * 1024 * 1024;

/// What is forwarded.
pub(crate) struct Capsule {
    /// Whose it is; of IPv6 the /64.
    pub(crate) sender: IpAddr,
    pub(crate) media_type: HeaderValue,
    /// Whether its parts are passed on as they come.
    pub(crate) streamed: bool,
    pub(crate) body: Incoming,
}

/// The way to one gateway: few connections, many streams.
pub(crate) struct Gateway {
    client: legacy::Client<Connector, BoxBody<Bytes, BodyError>>,
    uri: Uri,
    exchange: Exchange,
    streaming: Slots,
}

impl Gateway {
    pub(crate) fn new(route: &RouteConfig, exchange: &Exchange) -> Result<Self, ConfigError> {
        let connector = outgoing::connector(&route.tls, Versions::Any, CONNECT_TIMEOUT)
            .map_err(|reason| ConfigError::Tls { path: route.path.clone(), reason })?;
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http2_initial_connection_window_size(UNREAD_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(CONNECT_TIMEOUT)
            // A capsule is never sent twice, not even on a connection that turns out to be closed.
            .retry_canceled_requests(false)
            .build(connector);
        let streaming = Slots::new(MAX_STREAMING, MAX_STREAMING_OF_ADDRESS);
        Ok(Self { client, uri: route.gateway_uri()?, exchange: exchange.clone(), streaming })
    }

    /// Forwards a capsule.
    pub(crate) async fn forward(
        &self,
        capsule: Capsule,
        metrics: &PerCapsule,
    ) -> Result<Response<AnswerBody>, Problem> {
        let body = Bounded::new(
            capsule.body,
            self.exchange.max_request_bytes,
            self.exchange.body_timeout(),
            metrics.capsule_bytes.clone(),
        );
        let mishap = body.mishap();
        let gathered_bytes = if capsule.streamed { 0 } else { GATHERED_BYTES };
        let exchange = async {
            // What went wrong is in `mishap`.
            let mut body = body.gather(gathered_bytes).await.map_err(|_| Problem::RequestTimeout)?;
            if !body.is_whole() {
                let slot = self.streaming.take(capsule.sender);
                body = body.in_slot(slot.ok_or(Problem::TooManyRequests(RetryAfter(1)))?);
            }
            let mut request = Request::new(body.boxed());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.uri.clone();
            request.headers_mut().insert(header::CONTENT_TYPE, capsule.media_type);
            self.client.request(request).await.map_err(|_| Problem::GatewayUnreachable)
        };
        let answered = tokio::time::timeout(self.exchange.first_byte_timeout(), exchange).await;
        match mishap.error() {
            Some(BodyError::TooLong) => return Err(Problem::TooLarge),
            Some(BodyError::TooSlow | BodyError::Broken) => return Err(Problem::RequestTimeout),
            None if answered.is_err() && mishap.is_waiting() => return Err(Problem::RequestTimeout),
            None => {}
        }
        let response = answered.map_err(|_| Problem::GatewayTimeout)??;
        let (head, body) = response.into_parts();
        let body = Bounded::new(
            body,
            self.exchange.max_response_bytes,
            self.exchange.body_timeout(),
            metrics.answer_bytes.clone(),
        )
        .with_declared_length();
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

/// Passes back what an answer's reader needs, in our own spelling, and nothing by which a gateway could mark a client.
fn pass_headers(from: &HeaderMap, to: &mut HeaderMap) {
    if let Some(media_type) = ANSWER_TYPES.into_iter().find(|known| is_of_type(from, known)) {
        to.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    let numeric =
        |value: &&HeaderValue| !value.is_empty() && value.len() <= 6 && value.as_bytes().iter().all(u8::is_ascii_digit);
    if let Some(seconds) = from.get(header::RETRY_AFTER).filter(numeric) {
        to.insert(header::RETRY_AFTER, seconds.clone());
    }
}
