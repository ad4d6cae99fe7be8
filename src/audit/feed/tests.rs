//! What is read of a feed: of one shard, and of a log that was carried into a cluster.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use client::http::{Bounds, TlsIdentity};
use hyper_util::service::TowerToHyperService;
use protocol::Signed;
use protocol::mapping::State;
use service::{CancellationToken, ClientCertificates, Listener, ListenerConfig, TlsConfig};

use super::*;
use crate::audit::judge::tests::{NOW, SAYS, Says, cpi, document, kept, key, serving, trust};
use crate::audit::{Finding, Findings, Overtaken, judge, promises, unexplained};
use crate::certificates::Authority;

fn item(number: u64) -> Vec<u8> {
    LogEntry { position: Position { shard: 0, number }, kind: Kind::Mapping, document: vec![7] }.encode()
}

/// A gap is for the judge to see; what stands still or goes back is no feed.
#[test]
fn a_sequence_rises() {
    let after = Position { shard: 0, number: 4 };
    let read = |items: &[Vec<u8>]| entries(&items.concat(), after).map(|entries| entries.len());
    assert_eq!((read(&[]), read(&[item(5), item(7)])), (Ok(0), Ok(2)));
    for wrong in [vec![item(4)], vec![item(5), item(5)], vec![item(6), item(5)], vec![vec![0x80]], vec![vec![0x9f]]] {
        assert!(read(&wrong).is_err());
    }
    assert!(entries(&item(5), Position { shard: 1, number: 0 }).is_err());
}

const SHARDS: u32 = 6;

/// A store that serves a log, one shard after the other, and tells which were asked for.
struct Served {
    http: HttpClient,
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

/// Whether an entry answers a query, which is `shard=S&after=N`.
fn answers(query: &str, entry: &LogEntry) -> bool {
    let (shard, after) = query.trim_start_matches("shard=").split_once("&after=").unwrap();
    let Position { shard: of, number } = entry.position;
    shard == of.to_string() && number > after.parse().unwrap()
}

async fn serve(log: Vec<LogEntry>) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path()).unwrap();
    let identity = authority.issue("store", &["127.0.0.1"]).unwrap();
    let tls = TlsConfig {
        certificate: identity.certificate,
        key: identity.key,
        client_ca: None,
        client_certificates: ClientCertificates::None,
        allow_tls12: false,
    };
    let listener = Listener::bind(&ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback() }).await.unwrap();
    let base = format!("https://{}/", listener.local_addr());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let changes = {
        let (log, asked) = (Arc::new(log), Arc::clone(&asked));
        move |request: Request| {
            let query = request.uri().query().unwrap().to_owned();
            let found: Vec<_> = log.iter().filter(|entry| answers(&query, entry)).cloned().collect();
            let head = found.iter().map(|entry| entry.position.number).max().unwrap_or(3);
            asked.lock().unwrap().push(query);
            let sequence: Vec<u8> = found.into_iter().flat_map(LogEntry::encode).collect();
            async move { ([("mimi-log-head", head.to_string())], sequence) }
        }
    };
    let description = || async { format!("{{\"log_shards\": {SHARDS}}}") };
    let router = Router::new().route("/v1/changes", get(changes)).route(DESCRIPTION, get(description));
    tokio::spawn(service::serve(listener, TowerToHyperService::new(router), CancellationToken::new()));
    let ca_pem = std::fs::read(authority.certificate()).unwrap();
    let http = HttpClient::new(&TlsIdentity { ca_pem, client: None }, Bounds::default()).unwrap();
    Served { http, base, asked, _folder: folder }
}

/// Judges a receipt for position 3 of shard 0 by this log, as `discovery audit` does.
async fn audited(log: &[(u32, u64, Kind, Vec<u8>)], answers: &[Says]) -> (Vec<Findings>, usize) {
    let entry = |(shard, number, kind, document): &(u32, u64, Kind, Vec<u8>)| LogEntry {
        position: Position { shard: *shard, number: *number },
        kind: *kind,
        document: document.clone(),
    };
    let first = (0, 3, Kind::Mapping, document(SAYS));
    let Served { http, base, asked, _folder } = serve([&first].into_iter().chain(log).map(entry).collect()).await;
    let (trust, answers) = (trust(), serving(answers));
    let promises = promises(&[kept(3, SAYS)], &trust);
    let good: Vec<_> = promises.iter().flatten().collect();
    let mut feed = Feed::read(&http, &base, &good, &trust).await.unwrap();
    let mut findings = judge(&promises, Some(&feed), &answers, NOW);
    let unexplained = unexplained(&findings);
    if !unexplained.is_empty() {
        feed.read_on(&http, &base, &unexplained, &trust).await.unwrap();
        findings = judge(&promises, Some(&feed), &answers, NOW);
    }
    assert_eq!(findings[0].found[0], Finding::InLog);
    let shards = asked.lock().unwrap().iter().map(|query| query.split('&').next().unwrap().to_owned()).collect();
    let shards: HashSet<String> = shards;
    (findings, shards.len())
}

/// What ended it came after the move, and stands in the shard of its bucket.
#[tokio::test]
async fn what_was_promised_before_a_move_may_have_ended_after_it() {
    let at = Position { shard: 4, number: 2 };
    let withdrawal = document(Says { seq: 2, state: State::Withdrawn, ..SAYS });
    let (shard, number) = (at.shard, at.number);
    let unrelated = (shard, 1, Kind::Mapping, document(Says { holder: 5, ..SAYS }));
    let (findings, shards) = audited(&[unrelated.clone(), (shard, number, Kind::Mapping, withdrawal)], &[]).await;
    assert_eq!((&findings[0].found[1], shards), (&Finding::Overtaken(Overtaken::ByHolder(at)), 6));

    let later = NOW.plus(Duration::from_secs(60));
    let removal = Removal { issuer: "carrier.example".to_owned(), cpi: cpi(), issued_before: later, issued_at: later };
    let removal = Signed::sign(removal, &key(8)).bytes().to_vec();
    let (findings, _) = audited(&[unrelated.clone(), (shard, number, Kind::Removal, removal)], &[]).await;
    assert_eq!(findings[0].found[1], Finding::Overtaken(Overtaken::Removed(at)));

    // Nothing ended it: it is lost, and the whole log was read.
    let (findings, shards) = audited(&[unrelated], &[]).await;
    assert_eq!((&findings[0].found[1], shards), (&Finding::Unserved { log_was_read: true }, 6));
}

/// Of the other shards nothing is read for what is served.
#[tokio::test]
async fn what_is_served_needs_no_other_shard() {
    let (findings, shards) = audited(&[], &[SAYS]).await;
    assert_eq!((&findings[0].found[1], shards), (&Finding::Served, 1));
}
