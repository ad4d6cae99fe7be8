//! Enrollments through a storm: the prover is killed over and over, the MSP goes down in the middle of questions and comes back
//! without its connections, questions and answers are lost, users forget what they began. In the end each user has exactly one
//! credential, and the audit trail holds. `STORM_USERS=10000` in front of the command for more users than the ordinary 2,000.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::enrollment::Challenged;
use client::error::{Error, Fault};
use client::msp::ProverConnection;
use protocol::SigningKey;
use protocol::credential::CpiCredential;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::problem::ProblemType;
use protocol::trust::TrustAnchors;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::binary::{Running, audit_counts, write_config};
use crate::server::Place;
use crate::user::{another, request_now};

const USERS: usize = 2_000;
const AT_ONCE: usize = 250;
/// The prover is killed after as many have finished, again and again.
const KILL_EVERY: usize = 400;
/// An MSP goes down up to so many milliseconds after a question.
const DOWN_WITHIN_MS: u64 = 20;

fn users() -> usize {
    std::env::var("STORM_USERS").map_or(USERS, |users| users.parse().unwrap())
}

/// One in so many.
fn one_in(many: u32) -> bool {
    rand::random::<u32>().is_multiple_of(many)
}

/// What a user asks by way of the MSP.
#[derive(Clone, Copy)]
enum Question<'a> {
    Request(&'a [u8]),
    Proof(&'a EnrollmentId, &'a [u8]),
}

/// What all users share.
struct Storm {
    msp: std::sync::RwLock<ProverConnection>,
    msp_restarts: AtomicUsize,
    place: Place,
    address: String,
    trust: TrustAnchors,
    outbox: std::path::PathBuf,
    /// How often the prover has been started.
    starts: watch::Receiver<usize>,
    finished: AtomicUsize,
}

impl Storm {
    /// Asks until there is an answer that arrives: some are lost on the way, and some are cut off by the prover's end.
    async fn ask(&self, question: Question<'_>) -> Result<Bytes, Error> {
        let mut starts = self.starts.clone();
        loop {
            let start = *starts.borrow_and_update();
            if one_in(50) {
                // The question is lost on its way.
                continue;
            }
            let msp = self.msp.read().unwrap().clone();
            let asking = async {
                match question {
                    Question::Request(request) => msp.request(request).await,
                    Question::Proof(id, proof) => msp.proof(id, proof).await,
                }
            };
            let answer = if one_in(50) {
                // The MSP goes down in the middle of it, or after it, and is back with new connections.
                let down_within = Duration::from_millis(rand::random_range(0..DOWN_WITHIN_MS));
                let answer = tokio::time::timeout(down_within, asking).await;
                *self.msp.write().unwrap() = connection(&self.place, &self.address);
                self.msp_restarts.fetch_add(1, Ordering::SeqCst);
                let Ok(answer) = answer else { continue };
                answer
            } else {
                asking.await
            };
            match answer {
                Err(error) if error.fault == Fault::Network => {
                    // It is down, or was: a later start is waited for if there was none meanwhile.
                    if *starts.borrow() == start && std::net::TcpStream::connect(&self.address).is_err() {
                        starts.changed().await.unwrap();
                    }
                }
                _ if one_in(10) => {}
                answer => return answer,
            }
        }
    }

    /// The code in the latest message of an enrollment.
    fn code(&self, challenged: &Challenged) -> String {
        let end = format!("-{}", challenged.id());
        let names: BTreeMap<_, _> = std::fs::read_dir(&self.outbox)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
            .filter(|(name, _)| name.ends_with(&end) && !name.starts_with('.'))
            .collect();
        let (_, latest) = names.last_key_value().unwrap();
        let text = std::fs::read_to_string(latest).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned()
    }

    /// Goes on until it has a credential.
    async fn enroll(&self, number: usize) -> CpiCredential {
        let cpi = format!("tel:+4915{:09}", 100_000_000 + number);
        let key = SigningKey::generate(&mut rand::rng());
        loop {
            let request = request_now(&cpi, &key);
            let challenge = self.ask(Question::Request(request.bytes())).await.unwrap();
            if one_in(20) {
                // The user's device has crashed, and forgotten the enrollment.
                continue;
            }
            let now = std::time::SystemTime::now().into();
            let challenged = request.challenged(&challenge, &self.trust, now).unwrap();
            let code = self.code(&challenged);
            if one_in(20) {
                let wrong = self.proof(&challenged, &another(&code));
                let refused = self.ask(Question::Proof(challenged.id(), &wrong)).await.unwrap_err();
                let refused = refused.problem.unwrap();
                // Each answer that was lost has cost a try.
                match (refused.problem_type, refused.tries_left) {
                    (ProblemType::WrongCode, Some(1..)) => {}
                    (ProblemType::WrongCode | ProblemType::EnrollmentLocked, _) => continue,
                    (other, _) => panic!("{other:?}"),
                }
            }
            let proof = self.proof(&challenged, &code);
            let id = *challenged.id();
            let credential = self.ask(Question::Proof(&id, &proof)).await.unwrap();
            let again = self.ask(Question::Proof(&id, &proof)).await.unwrap();
            assert_eq!(credential, again);
            let enrolled = challenged.credential(&credential, &self.trust).unwrap();
            self.finished.fetch_add(1, Ordering::SeqCst);
            return enrolled.credential().document().clone();
        }
    }

    fn proof(&self, challenged: &Challenged, code: &str) -> Vec<u8> {
        challenged.prove(&Code::parse(code).unwrap(), &mut rand::rng()).unwrap()
    }
}

fn connection(place: &Place, address: &str) -> ProverConnection {
    ProverConnection::new(place.http(Some("a.example")), &format!("https://{address}"))
}

fn empty(outbox: &Path) {
    for entry in std::fs::read_dir(outbox).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_ends_with_one_credential_whatever_crashes() {
    let place = Place::new();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let plenty = "{ count = 1000000, seconds = 1 }";
    let limits = format!(
        "[limits]\nper_number_range = {plenty}\nper_cpi_hour = 1000\nper_cpi_day = 1000\n\
         per_cpi_and_msp_hour = 1000\nper_cpi_and_msp_day = 1000"
    );
    let config = write_config(&place, port, &limits);
    let mut running = Running::start(&config);
    let (started, starts) = watch::channel(1);
    let address = format!("127.0.0.1:{port}");
    let storm = Arc::new(Storm {
        msp: std::sync::RwLock::new(connection(&place, &address)),
        msp_restarts: AtomicUsize::new(0),
        address,
        trust: place.trust(),
        outbox: place.path("outbox"),
        place,
        starts,
        finished: AtomicUsize::new(0),
    });
    let (users_in_all, mut credentials, mut kills) = (users(), HashSet::new(), 0);
    for batch in 0..users_in_all / AT_ONCE {
        let mut users = JoinSet::new();
        for number in batch * AT_ONCE..(batch + 1) * AT_ONCE {
            let storm = Arc::clone(&storm);
            users.spawn(async move { (number, storm.enroll(number).await) });
        }
        while let Some(user) = users.join_next().await {
            let (number, credential) = user.unwrap();
            assert_eq!(credential.cpi.as_str(), format!("tel:+4915{:09}", 100_000_000 + number));
            assert!(credentials.insert(credential.id));
            if storm.finished.load(Ordering::SeqCst) / KILL_EVERY > kills {
                kills += 1;
                // SIGKILL: nothing is drained, nothing closed.
                running = tokio::task::block_in_place(|| {
                    drop(running);
                    Running::start(&config)
                });
                started.send_modify(|starts| *starts += 1);
            }
        }
        empty(&storm.outbox);
    }
    drop(running);
    assert_eq!((credentials.len(), kills), (users_in_all, users_in_all / KILL_EVERY));
    assert!(storm.msp_restarts.load(Ordering::SeqCst) > 0);
    // Nobody was given two: what was proven is what the users have.
    assert_eq!(audit_counts(&config, "proven"), users_in_all);
}
