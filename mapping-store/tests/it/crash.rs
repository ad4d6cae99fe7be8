//! The real binary, killed (SIGKILL) at random moments under concurrent load. After each restart every acknowledged
//! publication and withdrawal is there, and log and records agree.
//!
//! `MAPPING_STORE_CRASH_ROUNDS` sets how many rounds (20 without it). A kill leaves the system's page cache alone: this shows
//! what the process loses, not what a power failure would.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use client::http::HttpClient;
use http::StatusCode;
use mapping_store::Store;
use mapping_store::store::system_clock;
use protocol::lookup::LookupRequest;
use protocol::mapping::State;
use protocol::{Timestamp, media};
use rand::RngExt as _;

use crate::binary::{Binary, wait_until_serving};
use crate::papers::{Paper, number};
use crate::place::Place;

const WRITERS: u32 = 16;
const DEADLINE: Duration = Duration::from_secs(60);

/// What one writer has been told of its own number.
#[derive(Clone, Default)]
struct Told {
    /// The last seq that was sent.
    sent: u64,
    /// The last one acknowledged.
    acknowledged: u64,
    /// Every document with its receipt.
    receipts: Vec<(Vec<u8>, Bytes)>,
}

fn rounds() -> u32 {
    std::env::var("MAPPING_STORE_CRASH_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap())
}

/// A live mapping or, every third time, a withdrawal.
fn paper(writer: u32, seq: u64, issued: Timestamp) -> Paper {
    let state = if seq.is_multiple_of(3) { State::Withdrawn } else { State::Live };
    Paper { seq, state, issued, ..Paper::of(writer) }
}

/// Publishes one seq after the other until the server is gone.
async fn write(
    http: HttpClient,
    uri: http::Uri,
    writer: u32,
    mut told: Told,
    issued: Timestamp,
    acknowledged: Arc<AtomicU64>,
) -> Told {
    loop {
        let bytes = paper(writer, told.sent + 1, issued).bytes();
        told.sent += 1;
        match http.post(&uri, media::AUTHENTICATED_MAPPING, bytes.clone().into()).await {
            Ok(answer) => {
                assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
                told.acknowledged = told.sent;
                told.receipts.push((bytes, answer.into_body()));
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => return told,
        }
    }
}

/// Opens what the killed process left, and compares it with what was acknowledged.
async fn verify(store: &Store, told: &HashMap<u32, Told>, issued: Timestamp, receipts_from: &HashMap<u32, usize>) {
    store.check().await.unwrap();
    for (writer, told) in told {
        let request = LookupRequest::new(vec![number(*writer)], None).unwrap();
        let answer = protocol::lookup::Answer::decode(&store.lookup(&request).await.unwrap().bytes).unwrap();
        let possible = (told.acknowledged..=told.sent).map(|seq| paper(*writer, seq, issued));
        let mut served = possible.map(|paper| match (paper.seq, paper.state) {
            (0, _) | (_, State::Withdrawn) => Vec::new(),
            (_, State::Live) => vec![paper.bytes()],
        });
        assert!(served.any(|served| served == answer.entries[0].mappings), "an acknowledged change is gone");
        for (bytes, receipt) in &told.receipts[receipts_from[writer]..] {
            let again = store.publish(bytes).await.unwrap();
            assert_eq!(again, mapping_store::Published::Known(receipt.to_vec()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let place = Place::new();
    let binary = Binary::new(&place);
    let config = binary.config();
    let issued = Timestamp::from(SystemTime::now());
    let base = binary.base();
    let uri: http::Uri = format!("{base}/v1/mappings").parse().unwrap();
    let mut told: HashMap<u32, Told> = (0..WRITERS).map(|writer| (writer, Told::default())).collect();
    for _ in 0..rounds() {
        let mut process = binary.start(&[]);
        let http = place.client(Some("a.example"));
        wait_until_serving(&http, &base).await;
        let receipts_from = told.iter().map(|(writer, told)| (*writer, told.receipts.len())).collect();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = told
            .drain()
            .map(|(writer, told)| {
                let (http, uri, acknowledged) = (http.clone(), uri.clone(), Arc::clone(&acknowledged));
                (writer, tokio::spawn(write(http, uri, writer, told, issued, acknowledged)))
            })
            .collect();
        let moment = rand::rng().random_range(1..400);
        let reached = async {
            while acknowledged.load(Ordering::SeqCst) < moment {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.unwrap();
        process.kill();
        for (writer, task) in writers {
            told.insert(writer, task.await.unwrap());
        }
        let store = Store::open(&config.store, system_clock()).unwrap();
        verify(&store, &told, issued, &receipts_from).await;
    }
    let store = Store::open(&config.store, system_clock()).unwrap();
    verify(&store, &told, issued, &told.keys().map(|writer| (*writer, 0)).collect()).await;
    let acknowledged: usize = told.values().map(|told| told.receipts.len()).sum();
    assert!(acknowledged >= rounds() as usize);
}
