//! Codes by email, over a real SMTP server.

use std::net::TcpListener;

use protocol::problem::ProblemType;

use crate::authorities::{Authority, Certified};
use crate::server::{Place, Server};
use crate::smtp_server::SmtpServer;
use crate::user::{EMAIL, challenged, offer, problem_type, request};

/// An SMTP server with STARTTLS, or with TLS from the first byte.
fn smtp_server(place: &Place, certified: &Certified, kind: &str) -> SmtpServer {
    let (certificate, key) = certified.write(place.folder.path(), "smtp");
    let (certificate_flag, key_flag) = (format!("--{kind}cert"), format!("--{kind}key"));
    let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    SmtpServer::start(&place.path("maildir"), &[&certificate_flag, files[0], &key_flag, files[1]])
}

/// A prover that hands its emails to the SMTP server on `port`, and trusts `authority` for that.
async fn prover(place: &Place, port: u16, authority: &Authority, settings: &str) -> Server {
    std::fs::write(place.path("smtp-ca.pem"), authority.pem()).unwrap();
    let courier = format!(
        "[courier.email]\n\
         kind = 'smtp'\n\
         host = '127.0.0.1'\n\
         port = {port}\n\
         ca_file = '{}'\n\
         from = 'ID Prover <codes@prover.example>'\n\
         {settings}",
        place.path("smtp-ca.pem").display()
    );
    Server::start(place, place.config(&courier)).await
}

async fn is_enrolled_by_mail(place: &Place, smtp: &SmtpServer, server: Server, cpi: &str) {
    let msp = server.msp(place);
    let challenged = challenged(place, &msp, cpi).await;
    let [mail] = &smtp.mails()[..] else { panic!("not one mail") };
    let code = mail.part("text/plain").get(..8).unwrap();
    assert!(mail.part("text/html").contains(&format!("<bdi>{code}</bdi>")));
    let credential = offer(&msp, &challenged, code).await.unwrap();
    assert!(challenged.credential(&credential, &place.trust()).is_ok());
    server.stop().await;
}

async fn gets_no_mail(place: &Place, smtp: &SmtpServer, server: Server) {
    let refused = server.msp(place).request(request(place, EMAIL).bytes()).await;
    assert_eq!(problem_type(refused), ProblemType::DeliveryFailed);
    assert!(smtp.mails().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_code_comes_by_mail_over_starttls() {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("127.0.0.1"), "tls");
    let server = prover(&place, smtp.port, &authority, "").await;
    is_enrolled_by_mail(&place, &smtp, server, EMAIL).await;
    let mail = &smtp.mails()[0];
    assert_eq!((mail.header("To"), mail.header("X-RcptTo")), ("bob@b.example", "bob@b.example"));
    assert_eq!(mail.header("X-MailFrom"), "codes@prover.example");
    assert_eq!(mail.header("Subject"), "Your code for a.example");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("Content-Language"), "en");
    assert!(mail.header("Content-Type").starts_with("multipart/alternative"));
}

#[tokio::test]
async fn a_code_comes_by_mail_over_implicit_tls() {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("127.0.0.1"), "smtps");
    let server = prover(&place, smtp.port, &authority, "security = 'implicit'").await;
    is_enrolled_by_mail(&place, &smtp, server, EMAIL).await;
}

#[tokio::test]
async fn a_code_comes_by_mail_in_plaintext_to_loopback_if_asked() {
    let place = Place::new();
    let smtp = SmtpServer::start(&place.path("maildir"), &[]);
    let settings = "security = 'plaintext'\nallow_plaintext = true";
    let server = prover(&place, smtp.port, &Authority::new(), settings).await;
    is_enrolled_by_mail(&place, &smtp, server, EMAIL).await;
}

#[tokio::test]
async fn an_address_beyond_ascii_is_reached() {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("127.0.0.1"), "tls");
    let server = prover(&place, smtp.port, &authority, "").await;
    is_enrolled_by_mail(&place, &smtp, server, "mailto:j%C3%B6rg@xn--bcher-kva.example").await;
}

#[tokio::test]
async fn one_connection_carries_several_mails() {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("127.0.0.1"), "tls");
    let server = prover(&place, smtp.port, &authority, "connections = 1").await;
    let msp = server.msp(&place);
    for number in 0..3 {
        msp.request(request(&place, &format!("mailto:u{number}@b.example")).bytes()).await.unwrap();
    }
    assert_eq!(smtp.mails().len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_server_of_another_authority_gets_no_mail() {
    let place = Place::new();
    let smtp = smtp_server(&place, &Authority::new().server("127.0.0.1"), "tls");
    let server = prover(&place, smtp.port, &Authority::new(), "").await;
    gets_no_mail(&place, &smtp, server).await;
}

#[tokio::test]
async fn a_server_of_another_name_gets_no_mail() {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("mail.example"), "tls");
    let server = prover(&place, smtp.port, &authority, "").await;
    gets_no_mail(&place, &smtp, server).await;
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail() {
    let place = Place::new();
    let smtp = SmtpServer::start(&place.path("maildir"), &[]);
    let server = prover(&place, smtp.port, &Authority::new(), "").await;
    gets_no_mail(&place, &smtp, server).await;
}

#[tokio::test]
async fn a_request_can_be_sent_again_once_the_mail_server_is_back() {
    let (place, authority) = (Place::new(), Authority::new());
    let certified = authority.server("127.0.0.1");
    let down = smtp_server(&place, &certified, "tls");
    let (maildir, port) = (place.path("maildir"), down.port);
    let server = prover(&place, port, &authority, "").await;
    drop(down);
    let request = request(&place, EMAIL);
    let msp = server.msp(&place);
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
    let (certificate, key) = certified.write(place.folder.path(), "smtp");
    let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let up = SmtpServer::start_on(port, &maildir, &["--tlscert", files[0], "--tlskey", files[1]]).unwrap();
    assert!(msp.request(request.bytes()).await.is_ok());
    assert_eq!(up.mails().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_mail_that_may_have_been_sent_counts() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = "delivery_timeout_ms = 100\n[limits]\nper_cpi_hour = 1";
    let server = prover(&place, silent.local_addr().unwrap().port(), &Authority::new(), settings).await;
    let (msp, request) = (server.msp(&place), request(&place, EMAIL));
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
    assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::RateLimited);
    server.stop().await;
}
