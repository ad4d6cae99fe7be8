//! Codes by email, over a real SMTP server.

use std::net::TcpListener;

use protocol::problem::ProblemType;

use crate::authority::{Authority, Certified};
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
async fn a_mail_server_that_comes_back_in_time_gets_the_mail() {
    let (place, authority) = (Place::new(), Authority::new());
    let certified = authority.server("127.0.0.1");
    let down = smtp_server(&place, &certified, "tls");
    let (maildir, port) = (place.path("maildir"), down.port);
    let server = prover(&place, port, &authority, "").await;
    drop(down);
    let (msp, request) = (server.msp(&place), request(&place, EMAIL));
    let waiting = tokio::spawn(async move { msp.request(request.bytes()).await.map(drop) });
    let (certificate, key) = certified.write(place.folder.path(), "smtp");
    let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let up = SmtpServer::start_on(port, &maildir, &["--tlscert", files[0], "--tlskey", files[1]]).unwrap();
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(up.mails().len(), 1);
    server.stop().await;
}

/// What an SMTP server in this mood makes of a mail, its sender's budget being one mail: the first answer, the answer to the
/// same request again, how often a mail was offered each time, and how many it has in the end.
struct Outcome {
    answers: [Result<(), ProblemType>; 2],
    offers: [usize; 2],
    mails: usize,
}

async fn outcome(mood: &str, settings: &str) -> Outcome {
    let (place, authority) = (Place::new(), Authority::new());
    let smtp = smtp_server(&place, &authority.server("127.0.0.1"), "tls");
    let server = prover(&place, smtp.port, &authority, &format!("{settings}\n[limits]\nper_cpi_hour = 1")).await;
    let (msp, request) = (server.msp(&place), request(&place, &format!("mailto:{mood}@b.example")));
    let (mut answers, mut offers) = ([Ok(()); 2], [0; 2]);
    for (answer, offers) in answers.iter_mut().zip(&mut offers) {
        let before = smtp.offers();
        *answer = msp.request(request.bytes()).await.map(drop).map_err(|error| problem_type(Err::<(), _>(error)));
        *offers = smtp.offers() - before;
    }
    server.stop().await;
    Outcome { answers, offers, mails: smtp.mails().len() }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_one_mail_comes() {
    // Greylisted twice; no space once; cut off once; once without an answer.
    for (mood, offers, settings) in [("grey", 3, ""), ("full", 2, ""), ("cut", 2, ""), ("mute", 2, "timeout_ms = 2000")]
    {
        let outcome = outcome(mood, settings).await;
        // The same request again is known, and nothing is sent.
        assert_eq!(outcome.answers, [Ok(()); 2], "{mood}");
        assert_eq!((outcome.offers, outcome.mails), ([offers, 0], 1), "{mood}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_told_at_once_and_takes_nothing_from_the_budget() {
    for mood in ["nobody", "spam"] {
        let outcome = outcome(mood, "").await;
        // The second would be over the limit otherwise.
        assert_eq!(outcome.answers, [Err(ProblemType::DeliveryFailed); 2], "{mood}");
        assert_eq!((outcome.offers, outcome.mails), ([1, 1], 0), "{mood}");
    }
}

#[tokio::test]
async fn a_mail_that_may_have_been_taken_over_is_not_sent_again_and_counts() {
    for mood in ["gone", "dumb"] {
        let outcome = outcome(mood, "timeout_ms = 2000").await;
        assert_eq!(outcome.answers, [Err(ProblemType::DeliveryFailed), Err(ProblemType::RateLimited)], "{mood}");
        assert_eq!((outcome.offers, outcome.mails), ([1, 0], 1), "{mood}");
    }
}

#[tokio::test]
async fn trying_ends_at_the_deadline_and_what_was_not_sent_does_not_count() {
    // Two pauses do not fit.
    let outcome = outcome("grey", "delivery_timeout_ms = 250").await;
    assert_eq!(outcome.answers[0], Err(ProblemType::DeliveryFailed));
    assert_ne!(outcome.answers[1], Err(ProblemType::RateLimited));
}

#[tokio::test]
async fn a_server_that_says_nothing_takes_nothing_from_the_budget() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = "delivery_timeout_ms = 100\n[limits]\nper_cpi_hour = 1";
    let server = prover(&place, silent.local_addr().unwrap().port(), &Authority::new(), settings).await;
    let (msp, request) = (server.msp(&place), request(&place, EMAIL));
    for _ in 0..2 {
        assert_eq!(problem_type(msp.request(request.bytes()).await), ProblemType::DeliveryFailed);
    }
    server.stop().await;
}
