//! Each connection is made from the beginning: a session that is resumed would show no certificate, and would tell who comes again.

use std::sync::{Arc, Mutex};

use client::http::{Bounds, HttpClient, TlsIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type Kinds = Arc<Mutex<Vec<HandshakeKind>>>;

/// Answers one request on each connection, and notes how it came about.
async fn serve(listener: TcpListener, config: Arc<ServerConfig>, kinds: Kinds) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await.unwrap();
        kinds.lock().unwrap().push(stream.get_ref().1.handshake_kind().unwrap());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

async fn ask_without_the_client(address: std::net::SocketAddr, config: &Arc<ClientConfig>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(address.ip().into(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn no_session_is_resumed() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certified.cert.der().clone()];
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.clone(), PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()).into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, kinds) = (listener.local_addr().unwrap(), Kinds::default());
    tokio::spawn(serve(listener, Arc::new(config), Arc::clone(&kinds)));

    // Others are offered to resume, and do.
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).unwrap();
    let other = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let other = Arc::new(other.with_root_certificates(roots).with_no_client_auth());
    for _ in 0..2 {
        ask_without_the_client(address, &other).await;
    }
    assert_eq!(std::mem::take(&mut *kinds.lock().unwrap()), [HandshakeKind::Full, HandshakeKind::Resumed]);

    let identity = TlsIdentity { ca_pem: certified.cert.pem().into_bytes(), client: None };
    let http = HttpClient::new(&identity, Bounds::default()).unwrap();
    for _ in 0..3 {
        http.get(&format!("https://{address}/").parse().unwrap(), "*/*").await.unwrap();
    }
    assert_eq!(*kinds.lock().unwrap(), [HandshakeKind::Full; 3]);
}
