//! One connection to the relay for each question: what is recorded as the relay's view is what went over it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use service::ClientTlsConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::recordings::{MAX_RECORDED_BYTES, Octets, RelaySaw, now_ms};
use crate::failure::Failure;
use crate::stack::Description;

/// What the relay lets through, and a little.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
/// The client's own address, so that its recordings are told from the other parties', which are at 127.0.0.1. Where the system
/// has but the one, that is taken.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Room for the heads beside a body.
const MAX_TAPPED_BYTES: usize = MAX_RECORDED_BYTES + 4096;

/// The way to the relay.
pub(super) struct RelayLine {
    address: SocketAddr,
    authority: String,
    path: String,
    keys_path: String,
    tls: TlsConnector,
}

impl RelayLine {
    pub(super) fn new(stack: &Description) -> Result<Self, Failure> {
        let relay: Uri = stack.relay_url.parse().map_err(Failure::new)?;
        let keys: Uri = stack.keys_url.parse().map_err(Failure::new)?;
        let authority = relay.authority().ok_or_else(|| Failure::new("the relay's URL has no authority"))?.to_string();
        let tls = ClientTlsConfig { ca: Some(stack.ca_cert.clone()), certificate: None, key: None };
        Ok(Self {
            address: authority.parse().map_err(Failure::new)?,
            authority,
            path: relay.path().to_owned(),
            keys_path: keys.path().to_owned(),
            tls: TlsConnector::from(Arc::new(tls.load().map_err(Failure::new)?)),
        })
    }

    /// Fetches the gateway's keys.
    pub(super) async fn keys(&self, accept: &'static str) -> io::Result<Response<Bytes>> {
        let request = Request::get(&self.keys_path).header(header::ACCEPT, accept);
        self.exchange(request, Bytes::new()).await.map(|(response, _)| response)
    }

    /// Posts a capsule; also returns what the relay saw.
    pub(super) async fn post(&self, capsule: Bytes) -> io::Result<(Response<Bytes>, RelaySaw)> {
        let request = Request::post(&self.path).header(header::CONTENT_TYPE, "message/ohttp-req");
        self.exchange(request, capsule).await
    }

    async fn exchange(&self, request: http::request::Builder, body: Bytes) -> io::Result<(Response<Bytes>, RelaySaw)> {
        let request =
            request.header(header::HOST, &self.authority).body(Full::new(body.clone())).map_err(io::Error::other)?;
        tokio::time::timeout(PATIENCE, self.send(request, &body)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn send(&self, request: Request<Full<Bytes>>, body: &Bytes) -> io::Result<(Response<Bytes>, RelaySaw)> {
        let at_ms = now_ms();
        let stream = self.connect().await?;
        let client = stream.local_addr()?;
        let stream = self.tls.connect(ServerName::from(self.address.ip()), stream).await?;
        let tapped = Arc::new(Mutex::new(Tapped::default()));
        let tap = Tap { inner: stream, tapped: Arc::clone(&tapped) };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tap)).await.map_err(io::Error::other)?;
        let answered = async {
            let (head, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(Response::from_parts(head, body.to_bytes()))
        };
        let response = tokio::select! {
            biased;
            response = answered => response?,
            ended = connection => return Err(ended.map_or_else(io::Error::other, |()| io::ErrorKind::UnexpectedEof.into())),
        };
        let tapped = std::mem::take(&mut *tapped.lock().unwrap_or_else(PoisonError::into_inner));
        let saw = RelaySaw {
            at_ms,
            client: client.to_string(),
            request_head: head_of(&tapped.written),
            request: Octets::from(&body[..]),
            answer_head: head_of(&tapped.read),
            answer: Octets::from(&response.body()[..]),
        };
        Ok((response, saw))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let own = TcpSocket::new_v4()?;
        if own.bind(SocketAddr::from((CLIENT, 0))).is_ok() {
            return own.connect(self.address).await;
        }
        TcpStream::connect(self.address).await
    }
}

/// The head of an HTTP/1.1 message, as text.
fn head_of(message: &[u8]) -> String {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    String::from_utf8_lossy(&message[..end]).replace("\r\n", "\n")
}

/// What went each way, inside TLS.
#[derive(Default)]
struct Tapped {
    written: Vec<u8>,
    read: Vec<u8>,
}

/// A stream that keeps what passes, up to a bound.
struct Tap<S> {
    inner: S,
    tapped: Arc<Mutex<Tapped>>,
}

impl<S> Tap<S> {
    fn keep(&self, octets: &[u8], side: impl Fn(&mut Tapped) -> &mut Vec<u8>) {
        let mut tapped = self.tapped.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = side(&mut tapped);
        let room = MAX_TAPPED_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&octets[..octets.len().min(room)]);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.keep(&buf.filled()[before..], |tapped| &mut tapped.read);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &polled {
            self.keep(&buf[..*written], |tapped| &mut tapped.written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
