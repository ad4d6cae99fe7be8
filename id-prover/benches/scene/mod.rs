//! A prover with its database synced and the file courier, and all that its users do: signing requests, reading codes, sealing
//! proofs.

#![allow(dead_code, reason = "each bench uses its part")]

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use id_prover::courier::Language;
use id_prover::{Config, Enrolled, Prover, system_clock};
use protocol::cpi::Cpi;
use protocol::enrollment::{Challenge, Code, EnrollmentId, EnrollmentRequest, Proof};
use protocol::mimi_uri::Msp;
use protocol::{Signed, SigningKey, Unverified};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const PROVER: &str = "prover.example";
pub(crate) const MSP: &str = "a.example";
/// Enrollments under way at once.
const AT_ONCE: usize = 512;

/// What is done to a code's digit, given its place and value.
pub(crate) type Change = fn(usize, u8) -> u8;

pub(crate) struct Scene {
    pub(crate) runtime: Runtime,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) prover: Prover,
    /// The next telephone number.
    number: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        let plenty = "{ count = 100000000, seconds = 1 }";
        let config: Config = toml::from_str(&format!(
            "name = '{PROVER}'\n\
             state_folder = '{0}/state'\n\
             listener = {{ address = '127.0.0.1:0' }}\n\
             courier.sms = {{ kind = 'file', outbox = '{0}/outbox' }}\n\
             codes = {{ lifetime_seconds = 3600, tries = 10 }}\n\
             limits = {{ total = {plenty}, per_msp = {plenty}, per_number_range = {plenty}, per_country = {plenty}, \
             wrong_codes_total = {plenty}, wrong_codes_per_msp = {plenty}, wrong_codes_per_cpi = {plenty} }}",
            folder.path().display()
        ))
        .unwrap();
        let prover = runtime.block_on(Prover::open(config, system_clock())).unwrap();
        Self { runtime, folder, prover, number: 0 }
    }

    /// Signed requests of as many users, each with a number of their own.
    pub(crate) fn requests(&mut self, count: u64) -> Vec<Vec<u8>> {
        let key = SigningKey::generate(&mut rand::rng());
        let numbers = self.number..self.number + count;
        self.number += count;
        numbers
            .map(|number| {
                // The numbering plan has these, ten million of them.
                let cpi = Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + number)).unwrap();
                let request = EnrollmentRequest {
                    cpi,
                    msp: Msp::from_domain(MSP).unwrap(),
                    user_key: key.public(),
                    prover: PROVER.to_owned(),
                    issued_at: std::time::SystemTime::now().into(),
                    id: rand::random(),
                };
                Signed::sign(request, &key).bytes().to_vec()
            })
            .collect()
    }

    /// Starts all, and returns their challenges and the time it took.
    pub(crate) fn start(&self, requests: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Duration) {
        let prover = &self.prover;
        self.runtime.block_on(all(requests, |request| {
            let prover = prover.clone();
            async move {
                match prover.enroll(&request, &[MSP.to_owned()], Language::ENGLISH).await.unwrap() {
                    Enrolled::New(challenge) | Enrolled::Known(challenge) => challenge,
                }
            }
        }))
    }

    /// The proofs that the users send, once they have read their messages.
    pub(crate) fn proofs(&self, requests: &[Vec<u8>], challenges: &[Vec<u8>]) -> Vec<(EnrollmentId, Vec<u8>)> {
        let proofs = self.wrong_proofs(requests, challenges, [|_, digit| digit]);
        proofs.into_iter().map(|(id, [proof])| (id, proof)).collect()
    }

    /// Proofs of the right codes with their digits changed.
    pub(crate) fn wrong_proofs<const N: usize>(
        &self,
        requests: &[Vec<u8>],
        challenges: &[Vec<u8>],
        changes: [Change; N],
    ) -> Vec<(EnrollmentId, [Vec<u8>; N])> {
        let mut codes = codes(&self.folder.path().join("outbox"));
        let keys: HashMap<[u8; 32], _> = requests
            .iter()
            .map(|request| {
                use sha2::Digest as _;
                let unverified = Unverified::<EnrollmentRequest>::parse(request).unwrap();
                (sha2::Sha256::digest(request).into(), unverified.unverified_document().user_key.thumbprint())
            })
            .collect();
        let proofs = |challenge: &Vec<u8>| {
            let challenge = Unverified::<Challenge>::parse(challenge).unwrap().unverified_document().clone();
            let (code, key) = (codes.remove(&challenge.id.to_string()).unwrap(), keys[&challenge.request_hash]);
            let sealed = changes.map(|change| {
                let digits = code.digits().bytes().enumerate();
                let changed: String =
                    digits.map(|(place, digit)| char::from(b'0' + change(place, digit - b'0'))).collect();
                let changed = Code::parse(&changed).unwrap();
                Proof::seal(&changed, &challenge.id, &key, &challenge.hpke_key, &mut rand::rng()).unwrap().encode()
            });
            (challenge.id, sealed)
        };
        challenges.iter().map(proofs).collect()
    }

    /// Completes all, and returns the time it took.
    pub(crate) fn complete(&self, proofs: Vec<(EnrollmentId, Vec<u8>)>) -> Duration {
        let prover = &self.prover;
        let (_, took) = self.runtime.block_on(all(proofs, |(id, proof)| {
            let prover = prover.clone();
            async move { prover.prove(id, &proof, &[MSP.to_owned()]).await.unwrap() }
        }));
        took
    }
}

/// Does `work` for each of `items`, so many at once.
async fn all<I, T, F>(items: Vec<I>, work: impl Fn(I) -> F) -> (Vec<T>, Duration)
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (mut running, mut done) = (JoinSet::new(), Vec::with_capacity(items.len()));
    let start = Instant::now();
    for item in items {
        if running.len() >= AT_ONCE {
            done.extend(running.join_next().await.map(Result::unwrap));
        }
        running.spawn(work(item));
    }
    while let Some(outcome) = running.join_next().await {
        done.push(outcome.unwrap());
    }
    (done, start.elapsed())
}

/// The codes in the outbox by enrollment. The messages stay: a file system is slow to make files where many were just deleted.
fn codes(outbox: &Path) -> HashMap<String, Code> {
    let messages = std::fs::read_dir(outbox).unwrap().map(|entry| entry.unwrap().path());
    messages
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
            (line("Enrollment: "), Code::parse(&line("Code: ")).unwrap())
        })
        .collect()
}
