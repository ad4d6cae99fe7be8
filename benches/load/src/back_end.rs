//! A constant gateway behind the relay: HTTP/2 with TLS, one answer for every capsule. It runs in a thread of this process,
//! on the client's core, so that the relay has its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;

use bytes::Bytes;
use discovery::certificates::Identity;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use service::{Bounds, CancellationToken, ClientCertificates, Listener, ListenerConfig, TlsConfig, serve};
use tokio::runtime::Builder;

use crate::{Result, cores};

/// As long as our gateway's answer to a question for one number.
const ANSWER_BYTES: usize = 4096 + 32;

/// A constant gateway; it ends with this value.
pub struct BackEnd {
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: CancellationToken,
}

impl BackEnd {
    /// Starts it on these cores.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub fn start(identity: &Identity, on: &[usize]) -> Result<Self> {
        let tls = TlsConfig {
            certificate: identity.certificate.clone(),
            key: identity.key.clone(),
            client_ca: None,
            client_certificates: ClientCertificates::None,
            allow_tls12: false,
        };
        let bounds = Bounds { max_streams_per_connection: 1024, ..Bounds::default() };
        let config = ListenerConfig { tls: Some(tls), bounds, ..ListenerConfig::loopback() };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(Listener::bind(&config))?;
        let (address, shutdown) = (listener.local_addr(), CancellationToken::new());
        let token = shutdown.clone();
        cores::on(on, || thread::spawn(move || runtime.block_on(serve(listener, service_fn(answer), token))))?;
        Ok(Self { address, shutdown })
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn answer(request: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    static ANSWER: [u8; ANSWER_BYTES] = [7; ANSWER_BYTES];
    let is_capsule = request.method() == Method::POST;
    // To its end: the stream is to be left in order.
    let _ = request.into_body().collect().await;
    let (body, media_type) =
        if is_capsule { (&ANSWER[..], "message/ohttp-res") } else { (&b"keys"[..], "application/ohttp-keys") };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}
