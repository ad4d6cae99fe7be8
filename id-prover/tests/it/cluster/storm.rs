//! Users enroll by way of two processes, of which one is killed and started again: each ends with one credential.

use std::sync::Arc;
use std::time::Duration;

use client::msp::ProverConnection;
use protocol::SigningKey;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::problem::ProblemType;
use tokio::task::JoinSet;

use super::{DEADLINE, configs};
use crate::binary::{self, Running};
use crate::server::Place;
use crate::user::request_now;

const USERS: usize = 60;
const KILL_EVERY: usize = 12;

pub(super) async fn one_is_killed_over_and_over(nodes: &[String]) {
    let place = Place::new();
    let limits = "[limits]\nper_cpi_hour = 1000\nper_cpi_day = 1000\nper_cpi_and_msp_hour = 1000\nper_cpi_and_msp_day = 1000\n\
                  per_number_range = { count = 1000000, seconds = 1 }";
    let [first, second] = configs(&place, nodes, "storm", "").await;
    let ports = [(); 2].map(|()| {
        std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
    });
    let files = [(&first, ports[0]), (&second, ports[1])].map(|(config, port)| {
        let tables =
            format!("[cluster]\nnodes = ['{}']\nkeyspace = 'storm'\nrequest_timeout_ms = 5000\n{limits}", nodes[0]);
        let written = binary::write_config(&place, port, &tables);
        let text = std::fs::read_to_string(&written).unwrap();
        let state = config.state_folder.display();
        let text = text.replace(
            &format!("state_folder = '{}'", place.path("state").display()),
            &format!("state_folder = '{state}'"),
        );
        let file = place.path(&format!("id-prover-{port}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    });
    let start = |file: std::path::PathBuf| tokio::task::spawn_blocking(move || Running::start(&file));
    let mut killed = start(files[0].clone()).await.unwrap();
    let stays = start(files[1].clone()).await.unwrap();
    let place = Arc::new(place);
    let mut enrolling = JoinSet::new();
    for n in 0..USERS {
        let place = Arc::clone(&place);
        let msps = ports
            .map(|port| ProverConnection::new(place.http(Some("a.example")), &format!("https://127.0.0.1:{port}")));
        enrolling.spawn(async move { enroll_through_kills(&place, &msps, n).await });
    }
    let (mut credentials, mut kills) = (Vec::new(), 0);
    while let Some(enrolled) = enrolling.join_next().await {
        credentials.push(enrolled.unwrap());
        if credentials.len().is_multiple_of(KILL_EVERY) && credentials.len() < USERS {
            kills += 1;
            // SIGKILL: nothing is drained, nothing closed.
            drop(killed);
            killed = start(files[0].clone()).await.unwrap();
        }
    }
    assert_eq!(kills, USERS / KILL_EVERY - 1);
    credentials.sort_unstable();
    credentials.dedup();
    assert_eq!(credentials.len(), USERS);
    let audited = files[1].clone();
    let proven = tokio::task::spawn_blocking(move || binary::audit_counts(&audited, "proven")).await.unwrap();
    assert_eq!(proven, USERS);
    drop((killed, stays));
}

/// By way of either, until there is a credential; the number of it.
async fn enroll_through_kills(place: &Place, msps: &[ProverConnection; 2], number: usize) -> [u8; 16] {
    let cpi = format!("tel:+4915{:09}", 200_000_000 + number);
    let key = SigningKey::generate(&mut rand::rng());
    let request = request_now(&cpi, &key);
    let challenge = asked(number, msps, Question::Request(request.bytes())).await;
    let now = std::time::SystemTime::now().into();
    let challenged = request.challenged(&challenge, &place.trust(), now).unwrap();
    let end = format!("-{}", challenged.id());
    let mut files: Vec<_> = std::fs::read_dir(place.path("outbox"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(&end))
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let text = std::fs::read_to_string(files.last().unwrap()).unwrap();
    let code = text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap().to_owned();
    let proof = challenged.prove(&Code::parse(&code).unwrap(), &mut rand::rng()).unwrap();
    let id = *challenged.id();
    let credential = asked(number, msps, Question::Proof(&id, &proof)).await;
    assert_eq!(asked(number + 1, msps, Question::Proof(&id, &proof)).await, credential);
    challenged.credential(&credential, &place.trust()).unwrap().credential().document().id
}

/// What a user asks by way of the MSP.
#[derive(Clone, Copy)]
enum Question<'a> {
    Request(&'a [u8]),
    Proof(&'a EnrollmentId, &'a [u8]),
}

/// Asks one and the other until there is an answer: one that is down, or waits for what a dead one was at, has none.
async fn asked(first: usize, msps: &[ProverConnection; 2], question: Question<'_>) -> Vec<u8> {
    let asking = async {
        for turn in first.. {
            let msp = &msps[turn % 2];
            let answer = match question {
                Question::Request(request) => msp.request(request).await,
                Question::Proof(id, proof) => msp.proof(id, proof).await,
            };
            match answer {
                Ok(answer) => return answer.to_vec(),
                Err(error) => match error.problem.map(|problem| problem.problem_type) {
                    None | Some(ProblemType::Unavailable) => tokio::time::sleep(Duration::from_millis(100)).await,
                    Some(other) => panic!("{other:?}"),
                },
            }
        }
        unreachable!("turns do not end")
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("neither prover has answered in time")
}
