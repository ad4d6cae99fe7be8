//! Who and what is turned away.

use std::time::Duration;

use client::enrollment::Requested;
use client::error::Fault;
use http::{StatusCode, Uri};
use protocol::cpi::Cpi;
use protocol::enrollment::{EnrollmentId, EnrollmentRequest};
use protocol::mimi_uri::Msp;
use protocol::problem::{Problem, ProblemType};
use protocol::{Document as _, Signed, SigningKey, media};

use crate::authority::Authority;
use crate::server::{MSP, PROVER, Place, Server};
use crate::user::{EMAIL, PHONE, another, challenged, offer, problem, problem_type, request, request_at};

#[tokio::test]
async fn nothing_is_served_without_a_certificate_of_the_client_authority() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let well_known: Uri = format!("{}/.well-known/id-prover", server.base()).parse().unwrap();
    for http in [place.http(None), place.http_certified_by(&Authority::new(), Some(MSP))] {
        assert_eq!(http.get(&well_known, "*/*").await.unwrap_err().fault, Fault::Network);
        let refused = server.connection(http).request(request(&place, PHONE).bytes()).await;
        assert_eq!(refused.unwrap_err().fault, Fault::Network);
    }
    assert_eq!(place.letters(), []);
    let certified = place.http(Some("anyone.example")).get(&well_known, "*/*").await.unwrap();
    assert_eq!(certified.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn the_certificate_must_name_the_msp_of_the_request() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let request = request(&place, PHONE);
    for domain in ["b.example", "x.a.example", "*.example"] {
        let other = server.connection(place.http(Some(domain)));
        assert_eq!(problem_type(other.request(request.bytes()).await), ProblemType::NotThisMsp, "{domain}");
    }
    assert_eq!(place.letters(), []);
    let capitals = server.connection(place.http(Some("A.Example")));
    assert!(capitals.request(request.bytes()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn an_enrollment_is_unknown_to_other_msps() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let challenged = challenged(&place, &server.msp(&place), PHONE).await;
    let other = server.connection(place.http(Some("b.example")));
    assert_eq!(problem_type(offer(&other, &challenged, &place.code()).await), ProblemType::UnknownEnrollment);
    assert!(offer(&server.msp(&place), &challenged, &place.code()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn only_admitted_msps_may_enroll() {
    let place = Place::new();
    let server = Server::start(&place, place.file_config("[msps]\nadmitted = ['a.example']")).await;
    assert!(server.msp(&place).request(request(&place, PHONE).bytes()).await.is_ok());
    let other = server.connection(place.http(Some("b.example")));
    let refused = other.request(request_at(&place, PHONE, "b.example").bytes()).await;
    assert_eq!(problem_type(refused), ProblemType::NotThisMsp);
    server.stop().await;
}

#[tokio::test]
async fn wrong_codes_use_up_the_tries_and_then_the_right_one_is_refused() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let code = place.code();
    for left in [4, 3, 2, 1, 0] {
        let refused = problem(offer(&msp, &challenged, &another(&code)).await);
        assert_eq!((refused.problem_type, refused.tries_left), (ProblemType::WrongCode, Some(left)));
    }
    assert_eq!(problem_type(offer(&msp, &challenged, &code).await), ProblemType::EnrollmentLocked);
    server.stop().await;
}

#[tokio::test]
async fn a_locked_or_expired_enrollment_is_not_opened_again_by_its_request() {
    let place = Place::new();
    let config = place.file_config("[codes]\ntries = 1\nlifetime_seconds = 60");
    let server = Server::start(&place, config).await;
    let msp = server.msp(&place);
    let (locked, expired) = (request(&place, PHONE), request(&place, PHONE));
    let (locked_bytes, expired_bytes) = (locked.bytes().to_vec(), expired.bytes().to_vec());
    let challenge = msp.request(&locked_bytes).await.unwrap();
    let challenged = locked.challenged(&challenge, &place.trust(), place.now()).unwrap();
    assert!(offer(&msp, &challenged, &another(&place.code())).await.is_err());
    assert_eq!(problem_type(msp.request(&locked_bytes).await), ProblemType::EnrollmentLocked);
    msp.request(&expired_bytes).await.unwrap();
    place.advance(Duration::from_secs(60));
    assert_eq!(problem_type(msp.request(&expired_bytes).await), ProblemType::EnrollmentExpired);
    assert_eq!(place.letters().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_code_is_taken_until_it_expires() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let early = challenged(&place, &msp, PHONE).await;
    let early_code = place.code();
    let late = challenged(&place, &msp, PHONE).await;
    place.advance(Duration::from_secs(599));
    assert!(offer(&msp, &early, &early_code).await.is_ok());
    place.advance(Duration::from_secs(1));
    assert_eq!(problem_type(offer(&msp, &late, &place.code()).await), ProblemType::EnrollmentExpired);
    server.stop().await;
}

/// An MSP in the middle cannot use the user's proof for an enrollment under a key of its own.
#[tokio::test]
async fn a_proof_for_one_enrollment_is_of_no_use_in_another() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let users = challenged(&place, &msp, PHONE).await;
    let code = protocol::enrollment::Code::parse(&place.code()).unwrap();
    let proof = users.prove(&code, &mut rand::rng()).unwrap();
    let msps = challenged(&place, &msp, PHONE).await;
    assert_eq!(problem_type(msp.proof(msps.id(), &proof).await), ProblemType::WrongCode);
    assert!(msp.proof(users.id(), &proof).await.is_ok());
    server.stop().await;
}

/// A request of a user, with something wrong in it.
fn altered(place: &Place, alter: impl FnOnce(&mut EnrollmentRequest)) -> Vec<u8> {
    let key = SigningKey::generate(&mut rand::rng());
    let mut request = EnrollmentRequest {
        cpi: Cpi::parse(PHONE).unwrap(),
        msp: Msp::from_domain(MSP).unwrap(),
        user_key: key.public(),
        prover: PROVER.to_owned(),
        issued_at: place.now(),
        id: rand::random(),
    };
    alter(&mut request);
    Signed::sign(request, &key).bytes().to_vec()
}

#[tokio::test]
async fn a_request_must_be_for_this_prover_now_and_for_a_number_that_exists() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let skew = protocol::CLOCK_SKEW;
    let second = Duration::from_secs(1);
    let refused = [
        (altered(&place, |request| request.prover = "other.example".to_owned()), ProblemType::OtherProver),
        (altered(&place, |request| request.issued_at = place.now().plus(skew + second)), ProblemType::NotYetValid),
        (altered(&place, |request| request.issued_at = place.now().minus(skew + second)), ProblemType::Expired),
        (altered(&place, |request| request.cpi = Cpi::parse("tel:+14150552671").unwrap()), ProblemType::NotReachable),
    ];
    for (request, expected) in refused {
        assert_eq!(problem_type(msp.request(&request).await), expected);
    }
    assert_eq!(place.letters(), []);
    assert!(msp.request(&altered(&place, |request| request.issued_at = place.now().plus(skew))).await.is_ok());
    assert!(msp.request(&altered(&place, |request| request.issued_at = place.now().minus(skew))).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_request_must_be_signed_by_its_own_key() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let mut forged = request(&place, PHONE).bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(problem_type(server.msp(&place).request(&forged).await), ProblemType::InvalidSignature);
    server.stop().await;
}

#[tokio::test]
async fn a_number_of_a_request_is_taken_once_for_each_key() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let key = SigningKey::generate(&mut rand::rng());
    let signed = |cpi: &str| {
        let cpi = Cpi::parse(cpi).unwrap();
        let (msp, user_key) = (Msp::from_domain(MSP).unwrap(), key.public());
        let request =
            EnrollmentRequest { cpi, msp, user_key, prover: PROVER.to_owned(), issued_at: place.now(), id: [7; 16] };
        Signed::sign(request, &key).bytes().to_vec()
    };
    assert!(msp.request(&signed(PHONE)).await.is_ok());
    let refused = problem(msp.request(&signed(EMAIL)).await);
    assert_eq!(refused.problem_type, ProblemType::Malformed);
    assert!(refused.detail.unwrap().contains("cti"));
    server.stop().await;
}

#[tokio::test]
async fn a_kind_of_identifier_without_courier_is_refused() {
    let place = Place::new();
    let courier = format!("[courier]\nsms = {{ kind = 'file', outbox = '{}' }}", place.path("outbox").display());
    let server = Server::start(&place, place.config(&courier)).await;
    let msp = server.msp(&place);
    assert_eq!(problem_type(msp.request(request(&place, EMAIL).bytes()).await), ProblemType::NoMethod);
    assert!(msp.request(request(&place, PHONE).bytes()).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_http_as_it_should_be_gets_its_problem() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let http = place.http(Some(MSP));
    let post = async |path: &str, media_type: &str, body: Vec<u8>| {
        let uri = format!("{}{path}", server.base()).parse().unwrap();
        let response = http.post(&uri, media_type, body.into()).await.unwrap();
        assert_eq!(response.headers()["content-type"], media::PROBLEM);
        let problem_type = Problem::from_json(response.body()).unwrap().problem_type;
        assert_eq!(problem_type.status(), response.status().as_u16());
        (problem_type, response.status().as_u16())
    };
    let good: Vec<u8> = Requested::bytes(&request(&place, PHONE)).to_vec();
    let (enrollments, request_type) = ("/v1/enrollments", media::ENROLLMENT_REQUEST);
    let trailing = [good.as_slice(), &[0]].concat();
    for malformed in [Vec::new(), b"{}".to_vec(), good[..good.len() - 1].to_vec(), trailing] {
        let answer = post(enrollments, request_type, malformed).await;
        assert_eq!(answer, (ProblemType::Malformed, 400));
    }
    for media_type in ["application/json", media::CBOR, "application/mimi-enrollment-request+cwt; v=1"] {
        assert_eq!(post(enrollments, media_type, good.clone()).await, (ProblemType::UnsupportedMediaType, 415));
    }
    let large = vec![0; EnrollmentRequest::MAX_BYTES + 1];
    assert_eq!(post(enrollments, request_type, large).await, (ProblemType::TooLarge, 413));
    assert_eq!(post("/v1/enrollment", request_type, good.clone()).await, (ProblemType::NotFound, 404));
    assert_eq!(post("/.well-known/id-prover", request_type, good).await, (ProblemType::MethodNotAllowed, 405));
    assert_eq!(place.letters(), []);

    let proof = format!("/v1/enrollments/{}/proof", EnrollmentId::from_bytes([7; 16]));
    assert_eq!(post(&proof, media::CBOR, vec![0xa0]).await, (ProblemType::Malformed, 400));
    assert_eq!(post(&proof, media::CREDENTIAL, vec![0xa0]).await, (ProblemType::UnsupportedMediaType, 415));
    assert_eq!(post(&proof, media::CBOR, vec![0; 129]).await, (ProblemType::TooLarge, 413));
    server.stop().await;
}

#[tokio::test]
async fn an_enrollment_that_is_not_open_is_unknown() {
    let place = Place::new();
    let server = Server::start_simply(&place).await;
    let msp = server.msp(&place);
    let challenged = challenged(&place, &msp, PHONE).await;
    let code = protocol::enrollment::Code::parse("00000000").unwrap();
    let proof = challenged.prove(&code, &mut rand::rng()).unwrap();
    let unknown = msp.proof(&EnrollmentId::from_bytes([7; 16]), &proof).await;
    assert_eq!(problem_type(unknown), ProblemType::UnknownEnrollment);
    let http = place.http(Some(MSP));
    let capitals = challenged.id().to_string().to_uppercase();
    for id in ["7", "%ff", "x%2Fy", capitals.as_str()] {
        let uri = format!("{}/v1/enrollments/{id}/proof", server.base()).parse().unwrap();
        let response = http.post(&uri, media::CBOR, proof.clone().into()).await.unwrap();
        let problem = Problem::from_json(response.body()).unwrap();
        assert_eq!((problem.problem_type, response.status()), (ProblemType::UnknownEnrollment, StatusCode::NOT_FOUND));
    }
    server.stop().await;
}
