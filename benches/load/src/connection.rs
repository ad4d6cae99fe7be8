//! Kept connections to what is measured, and capsules posted over them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::capsules::Capsules;
use crate::closed::Caller;
use crate::{Result, ensure};

const REQUEST: HeaderValue = HeaderValue::from_static("message/ohttp-req");
const RESPONSE: &[u8] = b"message/ohttp-res";
/// What may be sent or received on an HTTP/2 connection before it is acknowledged, in bytes: enough not to be what is measured.
const WINDOW: u32 = 16 * 1024 * 1024;

/// How connections are made.
#[derive(Clone)]
pub enum Speak {
    /// HTTP/1.1 without TLS.
    Http1,
    /// HTTP/1.1 over TLS.
    Http1Tls(ClientConfig),
    /// HTTP/2 over TLS.
    Http2Tls(ClientConfig),
}

impl Speak {
    /// The scheme of URLs.
    const fn scheme(&self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http1Tls(_) | Self::Http2Tls(_) => "https",
        }
    }
}

/// A kept connection, or a share in one.
pub enum Connection {
    /// HTTP/1.1: one request at a time.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2: many at once.
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Connects to `address`.
    ///
    /// # Errors
    ///
    /// If the other side does not listen, or is not to be trusted.
    pub async fn open(address: SocketAddr, speak: &Speak) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (config, alpn, over_http2) = match speak {
            Speak::Http1 => return Self::http1(stream).await,
            Speak::Http1Tls(config) => (config, b"http/1.1".as_slice(), false),
            Speak::Http2Tls(config) => (config, b"h2".as_slice(), true),
        };
        let mut config = config.clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        if !over_http2 {
            return Self::http1(stream).await;
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    async fn http1(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self::Http1(sender))
    }

    /// Another share in the same connection, where there can be one.
    #[must_use]
    pub fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }

    /// Sends a request once the connection is free, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let response: Response<Incoming> = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}

/// Answers that are to be opened afterwards, with the number of their capsule.
pub type Answers = Arc<Mutex<Vec<(usize, Bytes)>>>;

/// The answers that have come so far.
#[must_use]
pub fn take(answers: &Answers) -> Vec<(usize, Bytes)> {
    std::mem::take(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Posts capsules over a connection.
pub struct Poster {
    connection: Connection,
    uri: Uri,
    host: HeaderValue,
    capsules: Arc<Capsules>,
    answers: Answers,
}

impl Poster {
    /// `count` posters to `path` at `address`: each with a connection of its own, or all on one if `shared` (HTTP/2).
    ///
    /// # Errors
    ///
    /// As [`Connection::open`].
    pub async fn open(
        address: SocketAddr,
        path: &str,
        speak: &Speak,
        (count, shared): (usize, bool),
        capsules: &Arc<Capsules>,
        answers: &Answers,
    ) -> Result<Vec<Self>> {
        let uri = match speak {
            // HTTP/1.1 puts the path alone into the request line.
            Speak::Http1 | Speak::Http1Tls(_) => path.parse()?,
            Speak::Http2Tls(_) => format!("{}://{address}{path}", speak.scheme()).parse::<Uri>()?,
        };
        let mut posters: Vec<Self> = Vec::with_capacity(count);
        for _ in 0..count {
            let share = if shared { posters.first().and_then(|first| first.connection.share()) } else { None };
            let connection = match share {
                Some(share) => share,
                None => Connection::open(address, speak).await?,
            };
            posters.push(Self {
                connection,
                uri: uri.clone(),
                host: HeaderValue::try_from(address.to_string())?,
                capsules: Arc::clone(capsules),
                answers: Arc::clone(answers),
            });
        }
        Ok(posters)
    }
}

impl Caller for Poster {
    async fn call(&mut self, n: usize) -> Result<()> {
        let mut request = Request::new(Full::new(self.capsules.body(n)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, REQUEST);
        if let Connection::Http1(_) = self.connection {
            request.headers_mut().insert(header::HOST, self.host.clone());
        }
        let response = self.connection.exchange(request).await?;
        let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        ensure(
            response.status() == StatusCode::OK && media_type == Some(RESPONSE),
            format_args!("answered with {}", response.status()),
        )?;
        if self.capsules.is_checked(n) {
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).push((n, response.into_body()));
        }
        Ok(())
    }
}

/// What is at `path`, over a connection of its own.
///
/// # Errors
///
/// If it is not answered with 200.
pub async fn get(address: SocketAddr, path: &str, speak: &Speak) -> Result<Bytes> {
    let mut connection = Connection::open(address, speak).await?;
    let request = Request::get(path).header(header::HOST, address.to_string()).body(Full::default())?;
    let response = connection.exchange(request).await?;
    ensure(response.status() == StatusCode::OK, format_args!("{path} is answered with {}", response.status()))?;
    Ok(response.into_body())
}
