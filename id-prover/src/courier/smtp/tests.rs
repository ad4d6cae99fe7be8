//! The message as it is composed, and the settings that would put a code or a password at risk.

use std::os::unix::fs::PermissionsExt as _;

use protocol::enrollment::{Code, EnrollmentId};

use super::*;
use crate::fixtures::{MINUTE, email, msp, phone, user};

const SENDER: &str = "ID Prover <codes@prover.example>";

/// A configuration of these lines beyond host and sender.
fn config(lines: &str) -> SmtpConfig {
    toml::from_str(&format!("host = '127.0.0.1'\nfrom = '{SENDER}'\n{lines}")).unwrap()
}

fn refused(lines: &str) -> String {
    check(&config(lines)).unwrap_err().to_string()
}

fn message() -> Message {
    let code = Code::parse("12345678").unwrap();
    let id = EnrollmentId::from_bytes([7; 16]);
    Message::new(id, code, &msp(), &user().public().thumbprint(), 10 * MINUTE).unwrap()
}

fn composed(to: &Cpi) -> (Envelope, String) {
    let Cpi::Email(to) = to else { panic!("no email address") };
    let (envelope, email) = compose(&SENDER.parse().unwrap(), to, &message()).unwrap();
    (envelope, String::from_utf8(email).unwrap())
}

/// The parts of a multipart body.
fn parts(head: &str, body: &str) -> Vec<String> {
    assert!(head.contains("Content-Type: multipart/alternative"), "{head}");
    let (_, boundary) = head.split_once("boundary=\"").unwrap();
    let boundary = format!("--{}", boundary.split('"').next().unwrap());
    let parts: Vec<_> = body.split(&boundary).map(|part| part.trim_start_matches("\r\n").to_owned()).collect();
    assert_eq!((parts[0].as_str(), parts.last().unwrap().trim_end()), ("", "--"));
    parts[1..parts.len() - 1].to_vec()
}

#[test]
fn an_email_has_the_headers_of_an_automatic_one() {
    let (envelope, text) = composed(&email());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let headers: Vec<_> = head.split("\r\n").collect();
    for header in [
        "From: \"ID Prover\" <codes@prover.example>",
        "To: bob@b.example",
        "Subject: Your code for a.example",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.contains(&header), "{header} is not in {headers:?}");
    }
    assert!(headers.iter().any(|header| header.starts_with("Message-ID: <") && header.ends_with("@prover.example>")));
    assert!(headers.iter().any(|header| header.starts_with("Date: ")));
    assert!(headers.contains(&"Content-Language: en"));
    let [plain, html] = &parts(head, body)[..] else { panic!("not two parts: {text}") };
    assert!(plain.starts_with("Content-Type: text/plain; charset=utf-8\r\n"), "{plain}");
    assert!(plain.contains("\r\n\r\n12345678 is your code for a.example."), "{plain}");
    assert!(html.starts_with("Content-Type: text/html; charset=utf-8\r\n"), "{html}");
    assert!(html.contains("<bdi>12345678</bdi>"), "{html}");
    assert!(!head.contains("12345678"));
    assert_eq!(envelope.from().map(ToString::to_string).as_deref(), Some("codes@prover.example"));
    assert_eq!(envelope.to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["bob@b.example"]);
}

#[test]
fn no_two_emails_have_the_same_number() {
    let number = |(_, text): (Envelope, String)| {
        text.split("\r\n").find(|line| line.starts_with("Message-ID:")).unwrap().to_owned()
    };
    assert_ne!(number(composed(&email())), number(composed(&email())));
}

#[test]
fn a_local_part_beyond_ascii_is_kept() {
    let (envelope, text) = composed(&Cpi::from_user_input("jörg@b.example", None).unwrap());
    assert_eq!(envelope.to()[0].to_string(), "jörg@b.example");
    assert!(text.contains("\r\nTo: jörg@b.example\r\n"), "{text}");
}

#[test]
fn a_minimal_configuration_asks_for_starttls() {
    let config = config("");
    assert_eq!((config.security, config.port()), (SmtpSecurity::Starttls, 587));
    assert_eq!(self::config("security = 'implicit'").port(), 465);
    assert_eq!(self::config("security = 'plaintext'").port(), 25);
    assert_eq!(self::config("port = 2525").port(), 2525);
}

#[test]
fn plaintext_is_for_loopback_and_by_explicit_choice() {
    assert!(check(&config("security = 'plaintext'\nallow_plaintext = true")).is_ok());
    assert!(refused("security = 'plaintext'").contains("allow_plaintext"));
    let mut elsewhere = config("security = 'plaintext'\nallow_plaintext = true");
    for host in ["mail.example", "192.0.2.1", "localhost.example"] {
        elsewhere.host = host.to_owned();
        assert!(check(&elsewhere).is_err(), "{host}");
    }
    for host in ["localhost", "::1", "127.0.0.2"] {
        elsewhere.host = host.to_owned();
        assert!(check(&elsewhere).is_ok(), "{host}");
    }
}

#[test]
fn a_password_is_read_from_a_file_of_its_owner_and_never_sent_in_plaintext() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    service::secret_file::write(&path, b"secret\n").unwrap();
    let lines = format!("security = 'implicit'\nuser = 'prover'\npassword_file = '{}'", path.display());
    let expected = Credentials::new("prover".to_owned(), "secret".to_owned());
    assert_eq!(credentials(&config(&lines)).unwrap(), Some(expected));
    let plaintext = lines.replace("'implicit'", "'plaintext'\nallow_plaintext = true");
    assert!(refused(&plaintext).contains("not sent in plaintext"));
    assert!(refused("user = 'prover'").contains("go together"));
    assert!(refused("password_file = '/none'").contains("go together"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&lines).contains("0600"));
    fs::remove_file(&path).unwrap();
    assert!(refused(&lines).contains("no such file"));
}

#[test]
fn the_authorities_must_be_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let line = format!("ca_file = '{}'", path.display());
    assert!(refused(&line).contains("ca.pem"));
    fs::write(&path, "no certificate").unwrap();
    assert!(refused(&line).contains("no certificate in it"));
    let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    fs::write(&path, certificate.cert.pem()).unwrap();
    assert!(check(&config(&line)).is_ok());
}

#[test]
fn the_sender_must_be_an_address() {
    for from in ["", "prover", "codes@prover.example\r\nBcc: eve@e.example", "ID Prover <codes@prover.example"] {
        let config = SmtpConfig { from: from.to_owned(), ..config("") };
        assert!(check(&config).unwrap_err().to_string().contains("from must be an address"), "{from:?}");
    }
}

#[tokio::test]
async fn it_carries_nothing_to_a_telephone() {
    let courier = SmtpCourier::new(&config("security = 'plaintext'\nallow_plaintext = true")).unwrap();
    assert_eq!(courier.deliver(&phone(), &message()).await, Err(CourierError::Unsupported));
}
