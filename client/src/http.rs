//! HTTPS with bounds: one pooled client, whole bodies, a limit on size and on time.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Fault, MAX_FOREIGN_CHARS};
use crate::foreign_text::printable;

const POOL_IDLE: Duration = Duration::from_secs(60);

/// Bounds on one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the start of the request to the end of the answer.
    pub timeout: Duration,
    /// The longest answer, in bytes.
    pub max_answer_bytes: usize,
}

impl Default for Bounds {
    /// 30 seconds, 10 MiB.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), max_answer_bytes: 10 * 1024 * 1024 }
    }
}

/// Whom to trust for TLS, and who we are.
#[derive(Clone, Default)]
pub struct TlsIdentity {
    /// PEM certificates of the authorities to trust.
    pub ca_pem: Vec<u8>,
    /// A PEM certificate chain and its PEM key, where the other side asks for one.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Says no more than whether there is a certificate of our own: its key is a secret.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("client", &self.client.is_some()).finish_non_exhaustive()
    }
}

/// A pooled HTTPS client. Plain `http:` URLs are refused.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    bounds: Bounds,
}

impl HttpClient {
    /// A client that trusts `identity.ca_pem` alone.
    ///
    /// # Errors
    ///
    /// [`Fault::Caller`] if a certificate or key cannot be read.
    pub fn new(identity: &TlsIdentity, bounds: Bounds) -> Result<Self, Error> {
        let unreadable = |what: &str| Error::lasting(Fault::Caller, format!("cannot read the {what} (PEM)"));
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&identity.ca_pem) {
            let certificate = certificate.map_err(|_| unreadable("CA certificate"))?;
            roots.add(certificate).map_err(|_| unreadable("CA certificate"))?;
        }
        if roots.is_empty() {
            return Err(Error::lasting(Fault::Caller, "no CA certificate is given, so no server could be trusted"));
        }
        let builder = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::lasting(Fault::Caller, error))?
            .with_root_certificates(roots);
        let mut config = match &identity.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| unreadable("client certificate"))?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| unreadable("client key"))?;
                builder.with_client_auth_cert(chain, key).map_err(|_| unreadable("client certificate and key"))?
            }
        };
        // A session that is resumed shows no certificate, so that one which has ended would do; and its ticket tells a server, or whoever sees
        // it pass, that this is the client of before.
        config.resumption = rustls::client::Resumption::disabled();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .timer(TokioTimer::new())
            // Whoever changes networks has connections that say nothing any more: while something is asked on one it is tried, and
            // given up within the time of that request, so that the next one gets another.
            .http2_keep_alive_interval(bounds.timeout / 4)
            .http2_keep_alive_timeout(bounds.timeout / 4)
            .build(connector);
        Ok(Self { inner, bounds })
    }

    /// Sends a `GET`.
    ///
    /// # Errors
    ///
    /// [`Fault::Network`] if there is no complete answer within the bounds.
    pub async fn get(&self, uri: &Uri, accept: &str) -> Result<Response<Bytes>, Error> {
        let request =
            Request::builder().method(Method::GET).uri(uri).header(header::ACCEPT, accept).body(Full::default());
        self.send(request.map_err(|error| Error::lasting(Fault::Caller, error))?).await
    }

    /// Sends a `POST`.
    ///
    /// # Errors
    ///
    /// [`Fault::Network`] if there is no complete answer within the bounds.
    pub async fn post(&self, uri: &Uri, media_type: &str, body: Bytes) -> Result<Response<Bytes>, Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, media_type)
            .body(Full::new(body));
        self.send(request.map_err(|error| Error::lasting(Fault::Caller, error))?).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
        tokio::time::timeout(self.bounds.timeout, self.exchange(request))
            .await
            .map_err(|_| Error::passing(Fault::Network, "no answer in time"))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
        let response = self.inner.request(request).await.map_err(|error| transport_error(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, self.bounds.max_answer_bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Error::lasting(Fault::Network, "the answer is longer than allowed")
            } else {
                Error::passing(Fault::Network, "the answer was cut off")
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// Turns every status but `expected` into an error of `fault`.
///
/// # Errors
///
/// As [`Error::from_answer`].
pub fn expect(response: Response<Bytes>, expected: &[StatusCode], fault: Fault) -> Result<(HeaderMap, Bytes), Error> {
    let (head, body) = response.into_parts();
    if expected.contains(&head.status) {
        Ok((head.headers, body))
    } else {
        Err(Error::from_answer(fault, head.status, &head.headers, &body))
    }
}

/// Names what is wrong with a connection without repeating an address. What TLS says is wrapped in errors of input and output, now
/// once and now twice.
fn transport_error(error: &legacy::Error) -> Error {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            // It may list the names in the other side's certificate.
            return Error::lasting(Fault::Network, printable(&format!("TLS: {tls}"), MAX_FOREIGN_CHARS));
        }
        cause = match error.downcast_ref::<io::Error>() {
            Some(io) => {
                kind = Some(io.kind());
                io.get_ref().map(|inner| inner as &dyn std::error::Error)
            }
            None => error.source(),
        };
    }
    match kind {
        Some(kind) => Error::passing(Fault::Network, format!("no connection ({kind})")),
        None => {
            Error::passing(Fault::Network, if error.is_connect() { "no connection" } else { "the connection broke" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_key() {
        let identity = TlsIdentity { ca_pem: b"CA".to_vec(), client: Some((b"chain".to_vec(), b"key".to_vec())) };
        assert_eq!(format!("{identity:?}"), "TlsIdentity { client: true, .. }");
        assert_eq!(format!("{:?}", TlsIdentity::default()), "TlsIdentity { client: false, .. }");
    }
}
