//! Connections to other services: HTTPS alone, without Nagle's delay, counted while they are open.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::metrics::OUTGOING;
use crate::tls::{ClientTlsConfig, TlsError};

/// Which HTTP to offer by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2, or HTTP/1.1 where the other side has nothing better.
    Any,
    /// HTTP/2 alone.
    Http2,
}

/// Makes connections; see [`connector`].
pub type Connector = HttpsConnector<Counting>;

/// A connector with this TLS that gives up connecting after `timeout`.
///
/// # Errors
///
/// [`TlsError`] names the file.
pub fn connector(tls: &ClientTlsConfig, versions: Versions, timeout: Duration) -> Result<Connector, TlsError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeout));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls.load()?).https_only();
    Ok(match versions {
        Versions::Any => https.enable_http1().enable_http2().wrap_connector(Counting(tcp)),
        Versions::Http2 => https.enable_http2().wrap_connector(Counting(tcp)),
    })
}

/// Makes TCP connections, and counts them until they are closed.
#[derive(Clone, Debug)]
pub struct Counting(HttpConnector);

impl Service<Uri> for Counting {
    type Response = Counted;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Counted, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Counted::new(connecting.await?)) })
    }
}

/// A TCP connection that is counted while it is open.
#[derive(Debug)]
pub struct Counted(TokioIo<TcpStream>);

impl Counted {
    fn new(stream: TokioIo<TcpStream>) -> Self {
        metrics::gauge!(OUTGOING).increment(1);
        Self(stream)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(OUTGOING).decrement(1);
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl Read for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }
}
