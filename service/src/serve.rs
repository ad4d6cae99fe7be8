//! HTTP/1.1 and HTTP/2 over a listener, until shutdown and then for as long as the drain may take.
//!
//! What a hostile peer can do is bounded: connections in all and per address, time for the handshake and the head, idle
//! time, streams, reset streams, header bytes. When the process is out of descriptors, accepting pauses and goes on.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::addresses::AddressCounts;
use crate::hangup::Hangups;
use crate::listener::{Bounds, Listener};
use crate::metrics;
use crate::peer::{Peer, PeerCertificate};
use crate::tls::TlsReloader;

/// After a failed accept (out of descriptors, mostly), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the TLS files are looked at.
const TLS_CHECK: Duration = Duration::from_secs(60);
/// At shutdown, a connection on which nothing is under way waits this long for a request that may be on its way already: HTTP/1.1
/// cannot say that it will not be answered.
const LINGER: Duration = Duration::from_millis(500);
/// Streams that a peer opened and reset at once (HTTP/2 rapid reset) before the connection is closed.
const MAX_RESET_STREAMS: usize = 32;

/// What became of the connections at shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that ended by themselves, or finished what was under way.
    pub finished: u64,
    /// Connections that were cut off when the drain's time was over.
    pub cut_off: u64,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Serves `service` on `listener` until `shutdown`; then stops accepting, lets what is under way finish within the
/// listener's drain time-out, and returns. A [`Peer`] is in the extensions of every request.
pub async fn serve<S, B>(listener: Listener, service: S, shutdown: CancellationToken) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Listener { socket, tls, bounds, name, .. } = listener;
    let bounds = Arc::new(bounds);
    let slots = Arc::new(Semaphore::new(bounds.max_connections));
    let addresses = AddressCounts::default();
    let reloading = tls.clone().map(|tls| tokio::spawn(watch_files(tls, shutdown.clone())));
    let mut connections = JoinSet::new();
    let mut finished = 0;
    loop {
        // In this order: ended connections are all counted off before the next one comes in.
        let slot = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => { finished += 1; continue }
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            count(name, "no-descriptors");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(counted) = addresses.enter(address.ip(), bounds.max_connections_per_address) else {
            count(name, "address-limit");
            continue;
        };
        let open = Open::new(name);
        let connection =
            connection(stream, address, tls.clone(), Arc::clone(&bounds), name, service.clone(), shutdown.clone());
        connections.spawn(async move {
            connection.await;
            drop((slot, counted, open));
        });
    }
    drop(socket);
    let drain = async {
        while connections.join_next().await.is_some() {
            finished += 1
        }
    };
    let timed_out = tokio::time::timeout(bounds.drain_timeout(), drain).await.is_err();
    let cut_off = if timed_out { connections.len() as u64 } else { 0 };
    connections.shutdown().await;
    if let Some(reloading) = reloading {
        reloading.abort();
    }
    Drained { finished, cut_off }
}

async fn connection<S, B>(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsReloader>,
    bounds: Arc<Bounds>,
    listener: &'static str,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Failing to set the option costs latency, not correctness.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        count(listener, "accepted");
        let peer = Peer { address, certificate: None };
        return Box::pin(speak(stream, peer, &bounds, service, shutdown)).await;
    };
    // Room for the handshake, and then for what is spoken, in boxes of their own: neither stays with the task for longer.
    let handshake = Box::pin(TlsAcceptor::from(tls.current()).accept(stream));
    let Ok(Ok(stream)) = tokio::time::timeout(bounds.tls_handshake_timeout(), handshake).await else {
        return count(listener, "tls");
    };
    count(listener, "accepted");
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(PeerCertificate::from_der);
    Box::pin(speak(stream, Peer { address, certificate }, &bounds, service, shutdown)).await;
}

async fn speak<I, S, B>(stream: I, peer: Peer, bounds: &Bounds, service: S, shutdown: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let activity = Activity::default();
    let counted = activity.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let (answer, running) = (service.call(request), counted.start());
        // In a box of its own: hyper keeps room for what is under way as long as the connection is open.
        Box::pin(async move {
            let response = answer.await;
            drop(running);
            response
        })
    });
    let builder = http_builder(bounds);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut idle = pin!(activity.idle_for(bounds.idle_timeout()));
    let draining = tokio::select! {
        // A connection that breaks is the peer's affair.
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => true,
        () = idle.as_mut() => false,
    };
    if draining {
        let linger = LINGER.min(bounds.drain_timeout() / 2);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = activity.begins_within(linger) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    if draining {
        // `serve` cuts it off when the drain's time is over, and counts it.
        let _ = connection.await;
    } else {
        let _ = tokio::time::timeout(bounds.drain_timeout(), connection).await;
    }
}

fn http_builder(bounds: &Bounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = usize::try_from(bounds.max_header_bytes).unwrap_or(usize::MAX).max(8192);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout())
        .max_headers(bounds.max_headers)
        .max_buf_size(header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.max_streams_per_connection)
        .max_header_list_size(bounds.max_header_bytes)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .keep_alive_interval(bounds.idle_timeout() / 2)
        .keep_alive_timeout(bounds.header_timeout());
    builder
}

/// Looks at the TLS files now and then, and loads them when they have changed; at SIGHUP in any case.
async fn watch_files(tls: TlsReloader, shutdown: CancellationToken) {
    let (mut seen, mut hangups) = (tls.modified(), Hangups::new());
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return,
            () = hangups.next() => true,
            () = tokio::time::sleep(TLS_CHECK) => false,
        };
        let modified = tls.modified();
        if asked || modified != seen {
            seen = modified;
            match tls.reload() {
                Ok(()) if asked => tracing::info!("certificates reloaded at SIGHUP"),
                Ok(()) => tracing::info!("certificates reloaded"),
                Err(error) => tracing::error!(%error, "new certificates are not usable; the old ones stay"),
            }
        }
    }
}

fn count(listener: &'static str, outcome: &'static str) {
    ::metrics::counter!(metrics::ACCEPTED, "listener" => listener, "outcome" => outcome).increment(1);
}

/// An open connection, in metrics.
struct Open(&'static str);

impl Open {
    fn new(listener: &'static str) -> Self {
        ::metrics::gauge!(metrics::CONNECTIONS, "listener" => listener).increment(1);
        Self(listener)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::CONNECTIONS, "listener" => self.0).decrement(1);
    }
}

/// Requests under way on a connection, and when the last one ended.
#[derive(Clone)]
struct Activity {
    running: Arc<AtomicUsize>,
    begun: Arc<Notify>,
    last: Arc<Mutex<Instant>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { running: Arc::default(), begun: Arc::default(), last: Arc::new(Mutex::new(Instant::now())) }
    }
}

struct Running(Activity);

impl Activity {
    fn start(&self) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_waiters();
        Running(self.clone())
    }

    /// Ends once a request is under way, and after `time` anyway.
    async fn begins_within(&self, time: Duration) {
        let mut begun = pin!(self.begun.notified());
        begun.as_mut().enable();
        if self.running.load(Ordering::SeqCst) == 0 {
            let _ = tokio::time::timeout(time, begun).await;
        }
    }

    /// Ends once nothing has been under way for `time`.
    async fn idle_for(&self, time: Duration) {
        loop {
            let idle = self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let busy = self.running.load(Ordering::SeqCst) > 0;
            match time.checked_sub(idle) {
                None if !busy => return,
                None => tokio::time::sleep(time).await,
                Some(rest) => tokio::time::sleep(rest).await,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
