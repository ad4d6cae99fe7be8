//! Codes by SMS over SMPP 3.4, to a real SMSC.

use std::net::TcpListener;

use protocol::problem::ProblemType;

use crate::authority::Authority;
use crate::languages::request_in;
use crate::server::{Place, Server};
use crate::smsc::{Smsc, tls_in_front};
use crate::user::{PHONE, challenged, offer, problem_type, request};

/// A prover that hands its SMS to the SMSC on `port`.
async fn prover(place: &Place, port: u16, settings: &str) -> Server {
    let password = place.path("password");
    service::secret_file::write(&password, b"secret08\n").unwrap();
    let courier = format!(
        "[courier.sms]\n\
         kind = 'smpp'\n\
         host = '127.0.0.1'\n\
         port = {port}\n\
         system_id = 'prover'\n\
         password_file = '{}'\n\
         from = 'ID Prover'\n\
         {settings}",
        password.display()
    );
    Server::start(place, place.config(&courier)).await
}

const PLAINTEXT: &str = "allow_plaintext = true";

/// TLS by this authority alone.
fn tls(place: &Place, authority: &Authority) -> String {
    std::fs::write(place.path("smsc-ca.pem"), authority.pem()).unwrap();
    format!("tls = {{ ca = '{}' }}", place.path("smsc-ca.pem").display())
}

fn octets(submitted: &serde_json::Value) -> Vec<u8> {
    hex::decode(submitted["message"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_code_comes_by_sms_over_smpp() {
    let (place, smsc) = (Place::new(), Smsc::start());
    let server = prover(&place, smsc.port, PLAINTEXT).await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let bound = smsc.next("bound");
    assert_eq!((bound["system_id"].as_str(), bound["can_receive"].as_bool()), (Some("prover"), Some(false)));
    let submitted = smsc.next("submitted");
    // An alphanumeric sender, an international number, no flags, the default alphabet.
    assert_eq!(submitted["source"], serde_json::json!([5, 0, "ID Prover"]));
    assert_eq!(submitted["destination"], serde_json::json!([1, 1, "14155552671"]));
    assert_eq!((submitted["esm_class"].as_u64(), submitted["data_coding"].as_u64()), (Some(0), Some(0)));
    let message = octets(&submitted);
    // In the default alphabet the digits and letters are as in ASCII; `@` is 0.
    let code = std::str::from_utf8(&message[..8]).unwrap();
    assert!(message.ends_with(format!("\n\u{0}a.example #{code}").as_bytes()));
    let credential = offer(&msp, &challenged, code).await.unwrap();
    assert!(challenged.credential(&credential, &place.trust()).is_ok());
    server.stop().await;
    smsc.next("unbound");
}

#[tokio::test]
async fn a_code_comes_over_verified_tls() {
    let (place, smsc, authority) = (Place::new(), Smsc::start(), Authority::new());
    let port = tls_in_front(smsc.port, &authority.server("127.0.0.1")).await;
    let server = prover(&place, port, &tls(&place, &authority)).await;
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    smsc.next("bound");
    smsc.next("submitted");
    server.stop().await;
}

#[tokio::test]
async fn an_smsc_of_another_authority_or_name_gets_nothing() {
    let (place, smsc, authority) = (Place::new(), Smsc::start(), Authority::new());
    for certified in [Authority::new().server("127.0.0.1"), authority.server("smsc.example")] {
        let port = tls_in_front(smsc.port, &certified).await;
        let settings = format!("{}\ndelivery_timeout_ms = 500", tls(&place, &authority));
        let server = prover(&place, port, &settings).await;
        let refused = server.msp(&place).request(request(&place, PHONE).bytes()).await;
        assert_eq!(problem_type(refused), ProblemType::DeliveryFailed);
        server.stop().await;
    }
    assert!(smsc.is_quiet());
}

#[tokio::test]
async fn a_long_message_comes_in_parts_of_ucs2() {
    let (place, smsc) = (Place::new(), Smsc::start());
    let server = prover(&place, smsc.port, PLAINTEXT).await;
    let challenged = request_in(&place, &server, "ja").await;
    smsc.next("bound");
    let mut text = Vec::new();
    let mut references = Vec::new();
    for number in 1..=2 {
        let submitted = smsc.next("submitted");
        // A header is there; UCS-2.
        assert_eq!((submitted["esm_class"].as_u64(), submitted["data_coding"].as_u64()), (Some(0x40), Some(8)));
        let message = octets(&submitted);
        assert!(message.len() <= 140);
        assert_eq!((&message[..3], &message[4..6]), (&[5, 0, 3][..], &[2, number][..]));
        references.push(message[3]);
        text.extend(message[6..].chunks(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])));
    }
    assert_eq!(references[0], references[1]);
    let text = String::from_utf16(&text).unwrap();
    assert!(text.contains("確認コード"), "{text}");
    assert!(offer(&server.msp(&place), &challenged, &text[..8]).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_throttled_message_is_sent_again_and_a_refused_one_is_not() {
    let (place, smsc) = (Place::new(), Smsc::start());
    let server = prover(&place, smsc.port, &format!("{PLAINTEXT}\n[limits]\nper_cpi_hour = 1")).await;
    let msp = server.msp(&place);
    assert!(msp.request(request(&place, "tel:+14155552691").bytes()).await.is_ok());
    smsc.next("bound");
    for _ in 0..3 {
        smsc.next("submitted");
    }
    // A refusal gives back what it took.
    for _ in 0..2 {
        let refused = msp.request(request(&place, "tel:+14155552690").bytes()).await;
        assert_eq!(problem_type(refused), ProblemType::DeliveryFailed);
        smsc.next("submitted");
    }
    assert!(smsc.is_quiet());
    server.stop().await;
}

#[tokio::test]
async fn a_prover_that_is_back_binds_again() {
    let (place, smsc) = (Place::new(), Smsc::start());
    let server = prover(&place, smsc.port, PLAINTEXT).await;
    let msp = server.msp(&place);
    msp.request(request(&place, PHONE).bytes()).await.unwrap();
    smsc.next("bound");
    smsc.next("submitted");
    server.stop().await;
    smsc.next("unbound");
    let server = prover(&place, smsc.port, PLAINTEXT).await;
    server.msp(&place).request(request(&place, PHONE).bytes()).await.unwrap();
    smsc.next("bound");
    smsc.next("submitted");
    server.stop().await;
}

#[tokio::test]
async fn a_message_to_an_smsc_that_is_down_takes_nothing_from_the_budget() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let settings = format!("{PLAINTEXT}\ndelivery_timeout_ms = 300\n[limits]\nper_cpi_hour = 1");
    let server = prover(&place, port, &settings).await;
    for _ in 0..2 {
        let failed = server.msp(&place).request(request(&place, PHONE).bytes()).await;
        assert_eq!(problem_type(failed), ProblemType::DeliveryFailed);
    }
    server.stop().await;
}
