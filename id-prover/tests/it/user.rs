//! A user with a key, and the steps that are theirs.

use client::enrollment::{Challenged, Enrolled, Requested};
use client::error::Error;
use client::msp::ProverConnection;
use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::enrollment::Code;
use protocol::mimi_uri::Msp;
use protocol::problem::{Problem, ProblemType};

use crate::server::{MSP, PROVER, Place};

pub(crate) const PHONE: &str = "tel:+14155552671";
pub(crate) const EMAIL: &str = "mailto:bob@b.example";

/// A request, signed now.
pub(crate) fn request(place: &Place, cpi: &str) -> Requested {
    request_at(place, cpi, MSP)
}

pub(crate) fn request_at(place: &Place, cpi: &str, msp: &str) -> Requested {
    request_by(place, cpi, msp, &SigningKey::generate(&mut rand::rng()))
}

fn request_by(place: &Place, cpi: &str, msp: &str, key: &SigningKey) -> Requested {
    let (cpi, msp) = (Cpi::parse(cpi).unwrap(), Msp::from_domain(msp).unwrap());
    Requested::begin(cpi, msp, PROVER, key, place.now(), &mut rand::rng())
}

/// A request that is signed at the system's time.
pub(crate) fn request_now(cpi: &str, key: &SigningKey) -> Requested {
    let (cpi, msp) = (Cpi::parse(cpi).unwrap(), Msp::from_domain(MSP).unwrap());
    Requested::begin(cpi, msp, PROVER, key, std::time::SystemTime::now().into(), &mut rand::rng())
}

/// Requests an enrollment, and has the challenge.
pub(crate) async fn challenged(place: &Place, msp: &ProverConnection, cpi: &str) -> Challenged {
    challenged_with(place, msp, cpi, &SigningKey::generate(&mut rand::rng())).await
}

/// As [`challenged`], with this key.
pub(crate) async fn challenged_with(place: &Place, msp: &ProverConnection, cpi: &str, key: &SigningKey) -> Challenged {
    let request = request_by(place, cpi, MSP, key);
    let challenge = msp.request(request.bytes()).await.unwrap();
    request.challenged(&challenge, &place.trust(), place.now()).unwrap()
}

/// Offers a code; the bytes of the credential come back.
pub(crate) async fn offer(msp: &ProverConnection, challenged: &Challenged, code: &str) -> Result<Vec<u8>, Error> {
    let proof = challenged.prove(&Code::parse(code).unwrap(), &mut rand::rng()).unwrap();
    msp.proof(challenged.id(), &proof).await.map(|credential| credential.to_vec())
}

/// Goes the whole way.
pub(crate) async fn enrolled(place: &Place, msp: &ProverConnection, cpi: &str) -> Enrolled {
    enrolled_with(place, msp, cpi, &SigningKey::generate(&mut rand::rng())).await
}

/// As [`enrolled`], with this key.
pub(crate) async fn enrolled_with(place: &Place, msp: &ProverConnection, cpi: &str, key: &SigningKey) -> Enrolled {
    let challenged = challenged_with(place, msp, cpi, key).await;
    let credential = offer(msp, &challenged, &place.code()).await.unwrap();
    challenged.credential(&credential, &place.trust()).unwrap()
}

/// A code of as many digits that is not `code`.
pub(crate) fn another(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..code.len() - 1])
}

/// The problem that a refusal came with.
pub(crate) fn problem<T>(refused: Result<T, Error>) -> Problem {
    refused.err().expect("it was not refused").problem.expect("it came without a problem document")
}

pub(crate) fn problem_type<T>(refused: Result<T, Error>) -> ProblemType {
    problem(refused).problem_type
}
