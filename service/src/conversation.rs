//! HTTP on one connection, from its first octet to its last: [`Conversation`].
//!
//! HTTP/1.1 is put to rest between requests: hyper keeps sixteen kilobytes of buffers for a connection as long as it has it, so it gives the
//! stream back once nothing has been under way for a while, and gets it again with the next octets. A connection at rest is a socket, its TLS, and a
//! task that waits.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Answer, Still};
use crate::listener::Bounds;
use crate::peer::Peer;
use crate::stream::Stream;

/// The first octets of an HTTP/2 connection that no request of HTTP/1.1 begins with (RFC 9113 §3.4): there is no method `PRI`.
const HTTP2_BEGINS: &[u8] = b"PRI";
/// The longest beginning that is read before hyper reads.
const BEGINNING: usize = 24;
/// At shutdown, a connection on which nothing is under way waits this long for a request that may be on its way already: HTTP/1.1
/// cannot say that it will not be answered.
const LINGER: Duration = Duration::from_millis(500);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// So much of an answer waits in hyper for a peer of HTTP/2 that is slow to take it. Until the last of it has been taken over, each part shows
/// that the connection is in use.
const MAX_UNSENT_BYTES: usize = 64 * 1024;
/// Streams that a peer opened and reset at once (HTTP/2 rapid reset) before the connection is closed.
const MAX_RESET_STREAMS: usize = 32;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What is said on one connection, and by whom.
pub(crate) struct Conversation<S> {
    pub(crate) service: S,
    pub(crate) peer: Peer,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) shutdown: CancellationToken,
}

/// How a conversation goes on.
enum Next {
    /// It is over.
    Over,
    /// The process is about to stop.
    Draining,
    Still(Still),
}

impl<S, B> Conversation<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// HTTP/2 if that is how it begins, or else HTTP/1.1.
    pub(crate) async fn either<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, mut stream: I) {
        let mut first = BytesMut::new();
        let patience = self.bounds.header_timeout().min(self.bounds.idle_timeout());
        while first.len() < HTTP2_BEGINS.len() && HTTP2_BEGINS.starts_with(&first) {
            match self.awaits(&mut stream, patience).await {
                Some(octets) => first.extend_from_slice(&octets),
                None => return,
            }
        }
        if first.starts_with(HTTP2_BEGINS) {
            Box::pin(self.http2(stream, first.freeze())).await;
        } else {
            self.http1(stream, first.freeze()).await;
        }
    }

    /// HTTP/2.
    pub(crate) async fn http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: I, first: Bytes) {
        let activity = Activity::default();
        // What moves on the stream is of no account: a peer that answers pings may be idle all the same. What is taken of answers counts.
        let stream = TokioIo::new(Stream::new(stream, first));
        let mut connection = pin!(self.http2_builder().serve_connection(stream, self.counting(&activity)));
        match self.goes_on(connection.as_mut(), &activity, None).await {
            Next::Over => {}
            Next::Draining => self.drain(connection, &activity).await,
            Next::Still(_) => self.end(connection).await,
        }
    }

    /// HTTP/1.1.
    pub(crate) async fn http1<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, mut stream: I, first: Bytes) {
        let mut awaited = first;
        let mut patience = self.bounds.header_timeout().min(self.bounds.idle_timeout());
        loop {
            if awaited.is_empty() {
                match self.awaits(&mut stream, patience).await {
                    Some(octets) => awaited = octets,
                    None => break,
                }
            }
            // In a box of its own: there is no room for it while the connection is at rest.
            let Some(rested) = Box::pin(self.http1_awake(stream, awaited)).await else { return };
            (stream, awaited) = rested;
            patience = self.bounds.idle_timeout().saturating_sub(self.bounds.rest_after());
        }
        // The peer's affair if it does not hear.
        let _ = timeout(GOODBYE, stream.shutdown()).await;
    }

    /// Until the connection is over, or at rest: then the stream is given back, with octets that no request has been made of.
    async fn http1_awake<I>(&self, stream: I, first: Bytes) -> Option<(I, Bytes)>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::default();
        let stream = TokioIo::new(Stream::watched(stream, first, activity.clone()));
        let mut connection = self.http1_builder().serve_connection(stream, self.counting(&activity));
        match self.goes_on(Pin::new(&mut connection), &activity, Some(self.bounds.rest_after())).await {
            Next::Over => None,
            Next::Draining => {
                self.drain(Pin::new(&mut connection), &activity).await;
                None
            }
            Next::Still(Still::Idle) => {
                self.end(Pin::new(&mut connection)).await;
                None
            }
            Next::Still(Still::Resting) => {
                // Every answer has been flushed, and no octet has come since: hyper knows nothing that would be lost.
                let parts = connection.into_parts();
                // An empty one would still hold the whole buffer.
                let rest = if parts.read_buf.is_empty() { Bytes::new() } else { parts.read_buf };
                Some((parts.io.into_inner().into_inner(), rest))
            }
        }
    }

    /// The first octets of the next request, unless the peer is gone, is silent for too long, or the process stops.
    async fn awaits<I: AsyncRead + Unpin>(&self, stream: &mut I, patience: Duration) -> Option<Bytes> {
        let mut begins = pin!(beginning(stream));
        tokio::select! {
            octets = begins.as_mut() => return octets,
            () = tokio::time::sleep(patience) => return None,
            () = self.shutdown.cancelled() => {}
        }
        timeout(self.linger(), begins).await.ok().flatten()
    }

    async fn goes_on<C: GracefulConnection>(
        &self,
        connection: Pin<&mut C>,
        activity: &Activity,
        rest_after: Option<Duration>,
    ) -> Next {
        tokio::select! {
            // A connection that breaks is the peer's affair.
            _ = connection => Next::Over,
            () = self.shutdown.cancelled() => Next::Draining,
            still = activity.stands_still(rest_after, self.bounds.idle_timeout()) => Next::Still(still),
        }
    }

    /// At shutdown: a request that is on its way is waited for, and what is under way is finished. The server cuts it off when the drain's
    /// time is over, and counts it.
    async fn drain<C: GracefulConnection>(&self, mut connection: Pin<&mut C>, activity: &Activity) {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = activity.begins_within(self.linger()) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    /// Ends a connection that has stood still.
    async fn end<C: GracefulConnection>(&self, mut connection: Pin<&mut C>) {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(self.bounds.drain_timeout(), connection).await;
    }

    fn linger(&self) -> Duration {
        LINGER.min(self.bounds.drain_timeout() / 2)
    }

    /// The service, with each request and answer counted and its peer told.
    fn counting(
        &self,
        activity: &Activity,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Answer<B>>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Answer<B>>, Infallible>> + Send + use<S, B>,
    > + use<S, B> {
        let (service, peer, activity) = (self.service.clone(), self.peer.clone(), activity.clone());
        service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let (answer, running) = (service.call(request), activity.start());
            // In a box of its own: hyper keeps room for what is under way as long as the connection is open.
            Box::pin(async move { answer.await.map(|response| response.map(|body| running.answers(body))) })
        })
    }

    fn http1_builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        let header_bytes = usize::try_from(self.bounds.max_header_bytes).unwrap_or(usize::MAX);
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_timeout())
            .max_headers(self.bounds.max_headers)
            .max_buf_size(header_bytes);
        builder
    }

    fn http2_builder(&self) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.bounds.max_streams_per_connection)
            .max_header_list_size(self.bounds.max_header_bytes)
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .max_send_buf_size(MAX_UNSENT_BYTES)
            .keep_alive_interval(self.bounds.idle_timeout() / 2)
            .keep_alive_timeout(self.bounds.header_timeout());
        builder
    }
}

/// The next octets, a few at most; `None` if there are no more.
async fn beginning<I: AsyncRead + Unpin>(stream: &mut I) -> Option<Bytes> {
    let mut octets = [0; BEGINNING];
    let length = stream.read(&mut octets).await.ok()?;
    (length > 0).then(|| Bytes::copy_from_slice(&octets[..length]))
}
