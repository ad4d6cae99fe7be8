//! HTTP/1.1 and HTTP/2 over a listener, until shutdown and then for as long as the drain may take.
//!
//! What a hostile peer can do is bounded: connections in all and per address, time for the handshake and the head, idle
//! time, streams, reset streams, header bytes. When the process is out of descriptors, accepting pauses and goes on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::addresses::AddressCounts;
use crate::conversation::{BoxError, Conversation};
use crate::hangup::Hangups;
use crate::listener::{Bounds, Listener};
use crate::metrics;
use crate::peer::{Peer, PeerCertificate};
use crate::tls::TlsReloader;

/// After a failed accept (out of descriptors, mostly), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the TLS files are looked at.
const TLS_CHECK: Duration = Duration::from_secs(60);

/// What became of the connections at shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that ended by themselves, or finished what was under way.
    pub finished: u64,
    /// Connections that were cut off when the drain's time was over.
    pub cut_off: u64,
}

/// Serves `service` on `listener` until `shutdown`; then stops accepting, lets what is under way finish within the
/// listener's drain time-out, and returns. A [`Peer`] is in the extensions of every request.
pub async fn serve<S, B>(listener: Listener, service: S, shutdown: CancellationToken) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
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
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    // Failing to set the option costs latency, not correctness.
    let _ = stream.set_nodelay(true);
    let peer = |certificate| Peer { address, certificate };
    let conversation =
        |peer, bounds: &Arc<Bounds>| Conversation { service, peer, bounds: Arc::clone(bounds), shutdown };
    let Some(tls) = tls else {
        count(listener, "accepted");
        return conversation(peer(None), &bounds).either(stream).await;
    };
    // Room for the handshake in a box of its own: it does not stay with the task for longer.
    let handshake = Box::pin(TlsAcceptor::from(tls.current()).accept(stream));
    let Ok(Ok(stream)) = tokio::time::timeout(bounds.tls_handshake_timeout(), handshake).await else {
        return count(listener, "tls");
    };
    count(listener, "accepted");
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(PeerCertificate::from_der);
    let conversation = conversation(peer(certificate), &bounds);
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Box::pin(conversation.http2(stream, Bytes::new())).await,
        Some(_) => Box::pin(conversation.http1(stream, Bytes::new())).await,
        None => Box::pin(conversation.either(stream)).await,
    }
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
