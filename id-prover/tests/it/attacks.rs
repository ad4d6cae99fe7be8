//! What thieves, hostile MSPs and hostile clocks try.

use std::time::Duration;

use client::enrollment::Challenged;
use client::msp::ProverConnection;
use http::{StatusCode, Uri};
use protocol::cbor::{FieldError, Label, MapReader, MapWriter};
use protocol::enrollment::Code;
use protocol::problem::{Problem, ProblemType};
use protocol::{Document, PublicKey, Signed, SigningKey, media};

use crate::server::{MSP, PROVER, Place, Server};
use crate::user::{EMAIL, PHONE, another, challenged, offer, problem, problem_type, request, request_at};

const OTHER_MSP: &str = "b.example";

/// As `challenged`, by way of another MSP.
async fn challenged_at(place: &Place, msp: &ProverConnection, cpi: &str, domain: &str) -> Challenged {
    let request = request_at(place, cpi, domain);
    let challenge = msp.request(request.bytes()).await.unwrap();
    request.challenged(&challenge, &place.trust(), place.now()).unwrap()
}

/// What `id-prover audit` counts of one event.
fn audited(place: &Place, event: &str) -> usize {
    let mut out = Vec::new();
    id_prover::command::audit(&place.file_config(""), None, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let line = out.lines().find_map(|line| line.trim().strip_suffix(&format!(" {event}")));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn a_second_enrollment_of_the_same_cpi_gains_a_thief_nothing() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let (msp, thief) = (server.msp(&place), server.connection(place.http(Some(OTHER_MSP))));
    let users = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    let thiefs = challenged_at(&place, &thief, PHONE, OTHER_MSP).await;
    let letters = place.letters();
    // The holder sees whose code it is, and for which key.
    assert!(letters[0].text.contains(MSP) && !letters[0].text.contains(OTHER_MSP));
    assert!(letters[1].text.contains(OTHER_MSP) && !letters[1].text.contains(MSP));
    let fingerprint = |text: &str| text.split("Key ").nth(1).unwrap()[..12].to_owned();
    assert_ne!(fingerprint(&letters[0].text), fingerprint(&letters[1].text));
    // The user's code is of no use in the thief's enrollment, and the other way round.
    assert_eq!(problem_type(offer(&thief, &thiefs, &code).await), ProblemType::WrongCode);
    assert_eq!(problem_type(offer(&msp, &users, &letters[1].code).await), ProblemType::WrongCode);
    let credential = offer(&msp, &users, &code).await.unwrap();
    assert!(users.credential(&credential, &place.trust()).is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_replayed_proof_yields_the_same_credential_and_nothing_else() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let (msp, thief) = (server.msp(&place), server.connection(place.http(Some(OTHER_MSP))));
    let users = challenged(&place, &msp, PHONE).await;
    let proof = users.prove(&Code::parse(&place.code()).unwrap(), &mut rand::rng()).unwrap();
    let credential = msp.proof(users.id(), &proof).await.unwrap();
    assert_eq!(msp.proof(users.id(), &proof).await.unwrap(), credential);
    assert_eq!(problem_type(thief.proof(users.id(), &proof).await), ProblemType::UnknownEnrollment);
    for (connection, domain) in [(&msp, MSP), (&thief, OTHER_MSP)] {
        let other = challenged_at(&place, connection, PHONE, domain).await;
        assert_eq!(problem_type(connection.proof(other.id(), &proof).await), ProblemType::WrongCode);
    }
    server.stop().await;
    assert_eq!(audited(&place, "proven"), 1);
}

/// The wrong code for an enrollment, whose code is the latest message.
async fn guess(place: &Place, msp: &ProverConnection, challenged: &Challenged) -> Problem {
    problem(offer(msp, challenged, &another(&place.code())).await)
}

#[tokio::test]
async fn guesses_in_many_enrollments_of_one_cpi_share_a_budget() {
    let place = Place::new();
    let config = || place.file_config("[limits]\nwrong_codes_per_cpi = { count = 3, seconds = 3600 }");
    let server = Server::start(&place, config()).await;
    let msp = server.msp(&place);
    let first = challenged(&place, &msp, PHONE).await;
    for left in [4, 3, 2] {
        assert_eq!(guess(&place, &msp, &first).await.tries_left, Some(left));
    }
    let refused = offer(&msp, &first, &another(&place.code())).await.unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1200)));
    assert_eq!(problem_type::<()>(Err(refused)), ProblemType::RateLimited);
    // Another enrollment has its first try, and no more.
    let second = challenged(&place, &msp, PHONE).await;
    assert_eq!(guess(&place, &msp, &second).await.tries_left, Some(4));
    assert_eq!(guess(&place, &msp, &second).await.problem_type, ProblemType::RateLimited);
    // Neither a restart nor another MSP helps.
    server.stop().await;
    let server = Server::start(&place, config()).await;
    let msp = server.msp(&place);
    assert_eq!(guess(&place, &msp, &second).await.problem_type, ProblemType::RateLimited);
    let thief = server.connection(place.http(Some(OTHER_MSP)));
    let third = challenged_at(&place, &thief, PHONE, OTHER_MSP).await;
    assert_eq!(guess(&place, &thief, &third).await.tries_left, Some(4));
    assert_eq!(guess(&place, &thief, &third).await.problem_type, ProblemType::RateLimited);
    // Other CPIs are not concerned.
    let other = challenged(&place, &msp, EMAIL).await;
    assert_eq!(guess(&place, &msp, &other).await.tries_left, Some(4));
    assert_eq!(guess(&place, &msp, &other).await.tries_left, Some(3));
    // A refusal has spent no try, and time gives one back.
    place.advance(Duration::from_secs(599));
    let late = offer(&msp, &second, &another(&place.code())).await;
    assert_eq!(problem_type(late), ProblemType::RateLimited);
    server.stop().await;
}

#[tokio::test]
async fn guesses_across_many_cpis_share_a_budget_in_total_and_for_each_msp() {
    let place = Place::new();
    let limits = "[limits]\nwrong_codes_total = { count = 6, seconds = 3600 }\nwrong_codes_per_msp = { count = 4, seconds = 3600 }";
    let server = Server::start(&place, place.file_config(limits)).await;
    let (msp, thief) = (server.msp(&place), server.connection(place.http(Some(OTHER_MSP))));
    let mut granted = 0;
    for number in 0..8 {
        let cpi = format!("tel:+141555526{number:02}");
        let challenged = challenged_at(&place, &thief, &cpi, OTHER_MSP).await;
        while guess(&place, &thief, &challenged).await.problem_type == ProblemType::WrongCode {
            granted += 1;
        }
    }
    // The first four come out of the MSP's budget, in the first enrollment; then there is one for each further message.
    assert_eq!(granted, 4 + 7);
    // One MSP has not used up what all have.
    let other = challenged(&place, &msp, EMAIL).await;
    assert_eq!(guess(&place, &msp, &other).await.tries_left, Some(4));
    server.stop().await;
}

#[tokio::test]
async fn nobody_can_lock_a_victim_out() {
    let place = Place::new();
    let server =
        Server::start(&place, place.file_config("[limits]\nwrong_codes_total = { count = 2, seconds = 86400 }")).await;
    let (msp, thief) = (server.msp(&place), server.connection(place.http(Some(OTHER_MSP))));
    let victims = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    // The thief uses up all messages that its MSP may send to the victim, and all wrong codes there are.
    let mut sent = 0;
    loop {
        let request = request_at(&place, PHONE, OTHER_MSP);
        let Ok(challenge) = thief.request(request.bytes()).await else { break };
        let challenged = request.challenged(&challenge, &place.trust(), place.now()).unwrap();
        while guess(&place, &thief, &challenged).await.problem_type == ProblemType::WrongCode {}
        sent += 1;
    }
    assert_eq!(sent, 4);
    // The victim's own code is taken,
    assert!(offer(&msp, &victims, &code).await.is_ok());
    // and the thief has used up the hour's messages with the victim's own, but not the day's.
    place.advance(Duration::from_secs(720));
    let again = challenged(&place, &msp, PHONE).await;
    assert!(offer(&msp, &again, &place.code()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn the_same_right_proof_from_two_connections_gives_one_credential() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let challenged = challenged(&place, &server.msp(&place), PHONE).await;
    let code = Code::parse(&place.code()).unwrap();
    let proof = challenged.prove(&code, &mut rand::rng()).unwrap();
    let other_proof = challenged.prove(&code, &mut rand::rng()).unwrap();
    let connections: Vec<_> = (0..8).map(|_| server.msp(&place)).collect();
    let mut racing = tokio::task::JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let (id, proof) = (*challenged.id(), if number % 2 == 0 { proof.clone() } else { other_proof.clone() });
        racing.spawn(async move { connection.proof(&id, &proof).await.unwrap() });
    }
    let credentials = racing.join_all().await;
    assert_eq!(credentials.len(), 8);
    assert!(credentials.iter().all(|credential| *credential == credentials[0]));
    server.stop().await;
    assert_eq!((audited(&place, "proven"), audited(&place, "tried")), (1, 1));
}

#[tokio::test]
async fn wrong_proofs_at_once_get_no_more_tries_than_one_after_another() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let challenged = challenged(&place, &server.msp(&place), PHONE).await;
    let wrong = Code::parse(&another(&place.code())).unwrap();
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (connection, id) = (server.msp(&place), *challenged.id());
        let proof = challenged.prove(&wrong, &mut rand::rng()).unwrap();
        racing.spawn(async move { problem_type(connection.proof(&id, &proof).await) });
    }
    let answers = racing.join_all().await;
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!((count(ProblemType::WrongCode), count(ProblemType::EnrollmentLocked)), (5, 15));
    server.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_lengthens_no_code() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let start = place.now();
    let open = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    // Back by more than honest clocks may be apart: nobody knows how long the code has been about.
    place.set(start.minus(Duration::from_secs(301)));
    assert_eq!(problem_type(offer(&msp, &open, &code).await), ProblemType::EnrollmentExpired);
    // Ahead, it has expired; and set right again, it is taken, for the same time as ever.
    place.set(start.plus(Duration::from_secs(86_400)));
    assert_eq!(problem_type(offer(&msp, &open, &code).await), ProblemType::EnrollmentExpired);
    place.set(start.plus(Duration::from_secs(599)));
    let credential = offer(&msp, &open, &code).await.unwrap();
    let enrolled = open.credential(&credential, &place.trust()).unwrap();
    assert_eq!(enrolled.credential().document().issued_at, place.now());
    server.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_grants_no_further_messages() {
    let place = Place::new();
    let config = || place.file_config("[limits]\nper_cpi_day = 1");
    let server = Server::start(&place, config()).await;
    let start = place.now();
    server.msp(&place).request(request(&place, PHONE).bytes()).await.unwrap();
    place.set(start.minus(Duration::from_secs(30 * 86_400)));
    let refused = server.msp(&place).request(request(&place, PHONE).bytes()).await;
    assert_eq!(problem_type(refused), ProblemType::RateLimited);
    server.stop().await;
    // After a restart the wait is a whole budget, not a month.
    let server = Server::start(&place, config()).await;
    let refused = server.msp(&place).request(request(&place, PHONE).bytes()).await.unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(86_400)));
    server.stop().await;
}

/// A request with texts that no honest client could put in.
#[derive(Clone)]
struct Forged {
    cpi: String,
    msp: String,
    prover: String,
    key: PublicKey,
    issued_at: protocol::Timestamp,
}

impl Document for Forged {
    const TYP: &'static str = media::ENROLLMENT_REQUEST;
    const MAX_BYTES: usize = 4096;

    fn to_claims(&self) -> MapWriter {
        MapWriter::new()
            .field(Label::new(2, "sub"), self.cpi.as_str())
            .field(Label::new(3, "aud"), self.prover.as_str())
            .field(Label::new(6, "iat"), self.issued_at)
            .field(Label::new(7, "cti"), rand::random::<[u8; 16]>().to_vec())
            .field(Label::new(8, "cnf"), self.key.to_cnf())
            .field(Label::new(-65538, "msp"), self.msp.as_str())
    }

    fn from_claims(_: &mut MapReader) -> Result<Self, FieldError> {
        Err(FieldError::Rule("sub", "it is written alone".to_owned()))
    }
}

#[tokio::test]
async fn nothing_is_injected_through_names_and_addresses() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let http = place.http(Some(MSP));
    let uri: Uri = format!("{}/v1/enrollments", server.base()).parse().unwrap();
    let post = async |cpi: &str, msp: &str| {
        let key = SigningKey::generate(&mut rand::rng());
        let (cpi, msp, prover) = (cpi.to_owned(), msp.to_owned(), PROVER.to_owned());
        let forged = Forged { cpi, msp, prover, key: key.public(), issued_at: place.now() };
        let body = Signed::sign(forged, &key).bytes().to_vec();
        http.post(&uri, media::ENROLLMENT_REQUEST, body.into()).await.unwrap()
    };
    let msp = format!("mimi://{MSP}");
    // The forger's tool is not at fault.
    assert_eq!(post(PHONE, &msp).await.status(), StatusCode::CREATED);
    assert_eq!(post(EMAIL, &msp).await.status(), StatusCode::CREATED);
    for cpi in [
        "mailto:bob@b.example\r\nBcc: eve@e.example",
        "mailto:bob@b.example\nSubject: a prize",
        "mailto:bob%0d%0aBcc:%20eve@b.example",
        "mailto:bob@b.example,eve@e.example",
        "mailto:bob@b.example?bcc=eve@e.example",
        "mailto:\"bob\r\n\"@b.example",
        "mailto:<bob>@b.example",
        "tel:+14155552671\r\nRCPT TO:<eve@e.example>",
        "tel:+14155552671;phone-context=e.example",
        "tel:+1415555267\u{0}1",
        "tel:+1415555２671",
    ] {
        assert_eq!(post(cpi, &msp).await.status(), StatusCode::BAD_REQUEST, "{cpi:?}");
    }
    for msp in [
        "mimi://a.example\r\nBcc: eve@e.example",
        "mimi://a.example is yours. Call +1 900",
        "mimi://a.example\u{2028}",
        "mimi://<b>a.example",
        "mimi://a.example/../../e.example",
        "mimi://a.example{code}",
    ] {
        assert_eq!(post(PHONE, msp).await.status(), StatusCode::BAD_REQUEST, "{msp:?}");
    }
    assert_eq!(place.letters().len(), 2);
    server.stop().await;
}
