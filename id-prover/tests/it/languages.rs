//! The language of messages: that of the `Accept-Language` that the MSP passes on.

use bytes::Bytes;
use client::enrollment::Challenged;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use protocol::media;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::{MSP, Place, Server};
use crate::user::{PHONE, request};

/// A client with the certificate of the MSP, for a request with a header of our choice.
async fn post(place: &Place, server: &Server, body: &[u8], language: &[u8]) -> (StatusCode, Bytes) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(place.server_authority.pem().as_bytes()).unwrap()).unwrap();
    let certified = place.client_authority.client(MSP);
    let certificate = CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let authority = server.base().trim_start_matches("https://").to_owned();
    let tcp = TcpStream::connect(&authority).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("{}/v1/enrollments", server.base()))
        .header(header::CONTENT_TYPE, media::ENROLLMENT_REQUEST)
        .header(header::ACCEPT_LANGUAGE, language)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

/// Requests an enrollment of the telephone in this language.
pub(crate) async fn request_in(place: &Place, server: &Server, language: &str) -> Challenged {
    let request = request(place, PHONE);
    let (status, challenge) = post(place, server, request.bytes(), language.as_bytes()).await;
    assert_eq!(status, StatusCode::CREATED);
    request.challenged(&challenge, &place.trust(), place.now()).unwrap()
}

#[tokio::test]
async fn a_message_is_in_the_language_that_is_asked_for() {
    let place = Place::new();
    let limits =
        "[limits]\nper_cpi_hour = 100\nper_cpi_day = 100\nper_cpi_and_msp_hour = 100\nper_cpi_and_msp_day = 100";
    let server = Server::start(&place, place.file_config(limits)).await;
    for (asked, words) in [
        ("de-AT, en;q=0.5", "ist Ihr Code für"),
        ("fr", "est votre code pour"),
        ("es-MX", "es su clave para"),
        ("it", "è il suo codice"),
        ("pt-BR", "é o seu PIN"),
        ("nl", "is uw code"),
        ("sv", "är din kod"),
        ("pl", "to kod do"),
        ("tr", "geçerli"),
        ("ru", "код для"),
        ("uk", "Нікому"),
        ("ar", "رمزك"),
        ("hi", "आपका कोड"),
        ("id", "adalah kode"),
        ("zh-Hans-CN", "验证码"),
        ("ja", "確認コード"),
        ("ko", "인증번호"),
        ("tlh, *", "is your code for"),
    ] {
        request_in(&place, &server, asked).await;
        let letter = place.letters().pop().unwrap();
        assert!(letter.text.contains(words), "{asked}: {}", letter.text);
        assert!(letter.text.starts_with(&letter.code));
        assert_eq!(letter.text.trim_end().lines().last(), Some(format!("@{MSP} #{}", letter.code).as_str()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_language_that_makes_no_sense_is_english() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let long = "x-".repeat(2000);
    for (number, asked) in [&b"de;q=nonsense"[..], b"\xff\xfe", long.as_bytes(), b""].into_iter().enumerate() {
        let request = request(&place, &format!("mailto:u{number}@b.example"));
        let (status, _) = post(&place, &server, request.bytes(), asked).await;
        assert_eq!(status, StatusCode::CREATED);
        assert!(place.letters().pop().unwrap().text.contains("is your code for"));
    }
    server.stop().await;
}
