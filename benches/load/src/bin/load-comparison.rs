//! `load-comparison ADDRESS`: a minimal Oblivious HTTP gateway on hyper and the `ohttp` crate, to compare with. It opens a
//! capsule, reads the binary HTTP request, and seals a response with the request's content: no limits, no fields held to what
//! HTTP allows, no padding, no store, no metrics. At `/constant` it reads a capsule and answers with zeros: what HTTP alone takes.

use std::convert::Infallible;
use std::error::Error;
use std::io::Cursor;
use std::sync::Arc;

use bhttp::{Message, Mode, StatusCode};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{KeyConfig, Server, SymmetricSuite};
use service::process::Allocator;
use tokio::net::TcpListener;

type BoxError = Box<dyn Error + Send + Sync>;

/// As long as a sealed answer about one number, padded.
static CONSTANT: [u8; 4096 + 32] = [0; 4096 + 32];

// As the servers have it.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let address = std::env::args().nth(1).ok_or("usage: load-comparison ADDRESS")?;
    let suite = SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm);
    let server = Arc::new(Server::new(KeyConfig::new(1, Kem::X25519Sha256, vec![suite])?)?);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let server = Arc::clone(&server);
                async move { Ok::<_, Infallible>(answer(&server, request).await) }
            });
            // A connection that breaks is the peer's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(server: &Server, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (answered, media_type) = if request.uri().path() == "/constant" {
        let read = request.into_body().collect().await.map(|_| Bytes::from_static(&CONSTANT));
        (read.map_err(BoxError::from), "message/ohttp-res")
    } else if request.method() == Method::POST {
        (echo(server, request).await.map(Bytes::from), "message/ohttp-res")
    } else {
        let list = KeyConfig::encode_list(&[server.config()]).map(Bytes::from);
        (list.map_err(BoxError::from), "application/ohttp-keys")
    };
    let (status, body) = match answered {
        Ok(body) => (http::StatusCode::OK, body),
        Err(_) => (http::StatusCode::BAD_REQUEST, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

async fn echo(server: &Server, request: Request<Incoming>) -> Result<Vec<u8>, BoxError> {
    let capsule = request.into_body().collect().await?.to_bytes();
    let (content, sealer) = server.decapsulate(&capsule)?;
    let asked = Message::read_bhttp(&mut Cursor::new(&content))?;
    let mut answer = Message::response(StatusCode::OK);
    answer.write_content(asked.content());
    let mut binary = Vec::with_capacity(content.len());
    answer.write_bhttp(Mode::KnownLength, &mut binary)?;
    Ok(sealer.encapsulate(&binary)?)
}
