//! Who is let in, in which version, under which certificate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use service::{ClientCertificates, ListenerConfig, TlsConfig, TlsError};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Authority, Client, Identity, in_time};
use crate::server::{Server, ask};

async fn start(tls: TlsConfig) -> Server {
    Server::start(&ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() }).await
}

async fn connect(
    server: &Server,
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await?;
    let name = server.address.ip().into();
    in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

fn shown(stream: &TlsStream<TcpStream>) -> &[u8] {
    &stream.get_ref().1.peer_certificates().unwrap()[0]
}

/// What a client with this certificate is told about it; `None` if it is not let in.
async fn told(server: &Server, authority: &Authority, identity: Option<&Identity>) -> Option<String> {
    let client = Client::http2(&authority.client_tls(identity));
    let answer = client.fetch(&server.url("/")).await.ok()?;
    Some(answer.headers()["x-peer"].to_str().unwrap().to_owned())
}

/// A certificate of an authority that the server does not know, and trust in the one that it has.
fn foreign(authority: &Authority) -> Identity {
    let other = Authority::new();
    let issued = other.issue("foreign", &["msp.example"]);
    let copy = |from: &std::path::Path| {
        let to = authority.file().with_file_name(from.file_name().unwrap());
        std::fs::copy(from, &to).unwrap();
        to
    };
    Identity { certificate: copy(&issued.certificate), key: copy(&issued.key), der: issued.der }
}

#[tokio::test]
async fn required_client_certificates_are_required() {
    let authority = Authority::new();
    let server = start(authority.server_tls(&authority.issue_server("server"), ClientCertificates::Required)).await;
    let named = authority.issue("msp", &["MSP.example", "other.example"]);
    assert_eq!(told(&server, &authority, Some(&named)).await.as_deref(), Some("msp.example,other.example"));
    assert_eq!(told(&server, &authority, None).await, None);
    assert_eq!(told(&server, &authority, Some(&foreign(&authority))).await, None);
}

#[tokio::test]
async fn optional_client_certificates_are_checked_when_given() {
    let authority = Authority::new();
    let server = start(authority.server_tls(&authority.issue_server("server"), ClientCertificates::Optional)).await;
    let named = authority.issue("msp", &["msp.example"]);
    assert_eq!(told(&server, &authority, Some(&named)).await.as_deref(), Some("msp.example"));
    assert_eq!(told(&server, &authority, None).await.as_deref(), Some("none"));
    assert_eq!(told(&server, &authority, Some(&foreign(&authority))).await, None);
}

#[tokio::test]
async fn http_1_and_2_are_chosen_by_alpn() {
    let authority = Authority::new();
    let server = start(authority.server_tls(&authority.issue_server("server"), ClientCertificates::None)).await;
    let tls = authority.client_tls(None);
    for (client, version) in [(Client::http1(&tls), "HTTP/1.1"), (Client::http2(&tls), "HTTP/2.0")] {
        assert_eq!(client.fetch(&server.url("/")).await.unwrap().headers()["x-version"], version);
    }
}

#[tokio::test]
async fn tls_1_2_is_refused_unless_allowed() {
    let authority = Authority::new();
    let mut tls = authority.server_tls(&authority.issue_server("server"), ClientCertificates::None);
    let strict = start(tls.clone()).await;
    tls.allow_tls12 = true;
    let lenient = start(tls).await;
    assert!(connect(&strict, &authority, &[&version::TLS12]).await.is_err());
    let mut old = connect(&lenient, &authority, &[&version::TLS12]).await.unwrap();
    assert_eq!(old.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert!(ask(&mut old).await.is_some());
    for server in [strict, lenient] {
        let mut new = connect(&server, &authority, &[&version::TLS13, &version::TLS12]).await.unwrap();
        assert_eq!(new.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert!(ask(&mut new).await.is_some());
    }
}

#[tokio::test]
async fn a_reload_exchanges_the_certificate_and_keeps_connections() {
    let authority = Authority::new();
    let (old, new) = (authority.issue_server("old"), authority.issue_server("new"));
    let server = start(authority.server_tls(&old, ClientCertificates::None)).await;
    let reloader = server.tls.clone().unwrap();
    let mut before = connect(&server, &authority, &[&version::TLS13]).await.unwrap();
    assert_eq!(shown(&before), &*old.der);
    assert!(ask(&mut before).await.is_some());

    std::fs::copy(&new.certificate, &old.certificate).unwrap();
    assert!(matches!(reloader.reload(), Err(TlsError::Rustls(_))), "a certificate with the key of another");
    assert_eq!(shown(&connect(&server, &authority, &[&version::TLS13]).await.unwrap()), &*old.der);

    std::fs::copy(&new.key, &old.key).unwrap();
    reloader.reload().unwrap();
    let mut after = connect(&server, &authority, &[&version::TLS13]).await.unwrap();
    assert_eq!(shown(&after), &*new.der);
    assert!(ask(&mut after).await.is_some() && ask(&mut before).await.is_some());

    std::fs::write(&old.certificate, "no certificate").unwrap();
    assert!(matches!(reloader.reload(), Err(TlsError::File { .. })));
    assert_eq!(shown(&connect(&server, &authority, &[&version::TLS13]).await.unwrap()), &*new.der);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = start(authority.server_tls(&authority.issue_server("server"), ClientCertificates::None)).await;
    assert!(told(&server, &authority, None).await.is_some());
    assert!(told(&server, &other, None).await.is_none());
}

/// An hour before the certificates of [`Authority`] end, and an hour after, as a client's clock has it.
#[derive(Debug, Default)]
struct Clock(AtomicBool);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let ends = u64::try_from(rcgen::date_time_ymd(4096, 1, 1).unix_timestamp()).unwrap();
        let seconds = if self.0.load(SeqCst) { ends + 3600 } else { ends - 3600 };
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A connection to the server, and the tickets that come with it.
async fn handshake(server: &Server, config: &Arc<ClientConfig>) -> io::Result<HandshakeKind> {
    let stream = TcpStream::connect(server.address).await?;
    let mut stream =
        in_time(TlsConnector::from(Arc::clone(config)).connect(server.address.ip().into(), stream)).await?;
    assert!(ask(&mut stream).await.is_some());
    Ok(stream.get_ref().1.handshake_kind().unwrap())
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused_where_it_was_known() {
    let authority = Authority::new();
    let server = start(authority.server_tls(&authority.issue_server("server"), ClientCertificates::None)).await;
    for resuming in [false, true] {
        let (clock, mut config) = (Arc::new(Clock::default()), authority.client_tls(None).load().unwrap());
        config.time_provider = Arc::clone(&clock) as Arc<dyn TimeProvider>;
        if resuming {
            config.resumption = Resumption::default();
        }
        let config = Arc::new(config);
        assert_eq!(handshake(&server, &config).await.unwrap(), HandshakeKind::Full);
        clock.0.store(true, SeqCst);
        // What is prevented: a client that resumes is taken in.
        let after = handshake(&server, &config).await;
        assert_eq!(
            after.map_err(|error| error.to_string().contains("certificate expired")),
            if resuming { Ok(HandshakeKind::Resumed) } else { Err(true) }
        );
    }
}

#[tokio::test]
async fn who_has_to_show_a_certificate_shows_it_each_time() {
    let authority = Authority::new();
    let named = authority.issue("msp", &["msp.example"]);
    for (mode, again) in [
        (ClientCertificates::None, HandshakeKind::Resumed),
        (ClientCertificates::Optional, HandshakeKind::Full),
        (ClientCertificates::Required, HandshakeKind::Full),
    ] {
        let server = start(authority.server_tls(&authority.issue_server("server"), mode)).await;
        let mut config = authority.client_tls(Some(&named)).load().unwrap();
        config.resumption = Resumption::default();
        let config = Arc::new(config);
        assert_eq!(handshake(&server, &config).await.unwrap(), HandshakeKind::Full);
        assert_eq!(handshake(&server, &config).await.unwrap(), again, "{mode:?}");
    }
}
