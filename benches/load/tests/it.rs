//! Small loads: as many answers as requests, whatever they took. One on the constant gateway, for the generator; one on the real
//! binaries, as they were built for their own tests: all of the workspace has to be built (`cargo test --workspace`).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use load::back_end::BackEnd;
use load::capsules::Capsules;
use load::connection::{Answers, Poster, Speak, get, take};
use load::cores::Cores;
use load::open::Schedule;
use load::place::Place;
use load::scenario::Bench;
use load::settings::Settings;
use load::{closed, open};

const REQUESTS: usize = 200;
const CONNECTIONS: usize = 4;

/// The constant gateway speaks HTTP/2 with TLS, as a relay wants it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_in_both_loops() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::lay(Path::new("/nowhere"), folder.path(), 1 << 20).unwrap();
    let cores = Cores::choose().unwrap();
    let identity = place.server_identity().clone();
    let back_end =
        tokio::task::spawn_blocking(move || BackEnd::start(&identity, &cores.client)).await.unwrap().unwrap();
    let tls = place.client_tls(false).load().unwrap();
    let capsules = Arc::new(Capsules::opaque(REQUESTS));
    for (speak, shared) in [(Speak::Http2Tls(tls.clone()), true), (Speak::Http1Tls(tls), false)] {
        let answers = Answers::default();
        let how = (CONNECTIONS, shared);
        let posters = Poster::open(back_end.address, "/", &speak, how, &capsules, &answers).await.unwrap();
        let (posters, closed) = closed::run(posters, 0..REQUESTS).await.unwrap();
        assert_eq!((posters.len(), closed.answered), (CONNECTIONS, REQUESTS as u64));
        let schedule = Schedule::from_now(200.0, 1);
        let (_, latencies) = open::run(posters, open::arrivals(schedule)).await.unwrap();
        assert_eq!(latencies.count(), REQUESTS as u64);
        assert!(take(&answers).is_empty(), "nobody could open them");
        assert_eq!(get(back_end.address, "/", &speak).await.unwrap(), "keys");
    }
    let mut plain =
        Poster::open(back_end.address, "/", &Speak::Http1, (1, false), &capsules, &Answers::default()).await.unwrap();
    assert!(closed::Caller::call(&mut plain[0], 0).await.is_err(), "it is no answer if TLS is not spoken");
}

#[test]
fn a_short_run_on_the_real_binaries_measures_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "load --records 64 --requests 100 --connections 4 --idle 20 --only relay,idle,growth --folder";
    let mut settings = Settings::parse_from(arguments.split(' ').chain([folder.path().to_str().unwrap()]));
    settings.binaries = Path::new(env!("CARGO_BIN_EXE_load")).parent().map(Path::to_owned);
    let report = Bench::run(settings.clone(), |_| ()).unwrap();
    let rows: Vec<_> = report.throughput.iter().map(|row| (row.server.as_str(), row.requests)).collect();
    assert_eq!(rows, [("relay", 100), ("relay", 100), ("relay", 100), ("provider", 100)]);
    assert!(report.throughput.iter().all(|row| !row.taken.processor.is_zero() && row.taken.resident_bytes > 0));
    assert_eq!(report.growth.iter().map(|row| row.records).collect::<Vec<_>>(), [64]);
    assert_eq!((report.latency.len(), report.facts.len()), (0, 5));
    report.write(&settings.report()).unwrap();
    assert!(settings.report().join("growth.svg").is_file());
}
