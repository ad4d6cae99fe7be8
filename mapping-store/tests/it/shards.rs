//! Following a log of many shards, as a cluster has them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use mapping_store::follow::{FollowConfig, Follower, Step};
use mapping_store::store::Store;
use service::CancellationToken;
use tokio::sync::{Barrier, mpsc};

use crate::feed::{entries, plain_get};
use crate::papers::{Paper, number};
use crate::place::{Place, Server};

const DEADLINE: Duration = Duration::from_secs(60);
/// Requests that a follower has under way at once, at most.
const READERS: usize = 64;
const SHARDS: u32 = 200;

fn config(place: &Place, url: String, wait_seconds: u64) -> FollowConfig {
    FollowConfig { url, tls: place.follower_tls(), wait_seconds }
}

/// The most that a cluster may have: a few requests at a time, each for another shard, and none that waits.
#[tokio::test]
async fn a_million_shards_are_read_in_turn() {
    const ROUNDS: usize = 4;
    let (place, elsewhere) = (Place::new(), Place::new());
    let (asked, mut seen) = mpsc::unbounded_channel();
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (together, first) = (Arc::new(Barrier::new(READERS)), Arc::new(AtomicUsize::new(0)));
    let changes = {
        let most = Arc::clone(&most);
        move |request: Request| {
            let (asked, at_once, most) = (asked.clone(), Arc::clone(&at_once), Arc::clone(&most));
            let (together, first) = (Arc::clone(&together), Arc::clone(&first));
            async move {
                // Shard 0 comes first, alone. Then nobody is answered before as many have asked as may be under way at once.
                if first.fetch_add(1, Ordering::SeqCst) > 0 {
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    asked.send(request.uri().query().unwrap().to_owned()).unwrap();
                    together.wait().await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                }
                [("mimi-log-head", "0")]
            }
        }
    };
    let description = || async { r#"{"provider": "source.example", "log_shards": 1048576}"# };
    let router = Router::new()
        .route("/.well-known/mimi-discovery-provider", get(description))
        .route("/v1/changes", get(changes));
    let listener = place.config().bind().await.unwrap().public;
    let url = format!("https://{}", listener.local_addr());
    let serving = tokio::spawn(service::serve(listener, TowerToHyperService::new(router), CancellationToken::new()));

    let follower = Follower::new(&config(&place, url, 20), elsewhere.open()).unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { follower.run(shutdown).await }
    });
    let mut queries = BTreeSet::new();
    let read = async {
        while queries.len() < ROUNDS * READERS {
            assert!(queries.insert(seen.recv().await.unwrap()), "a shard twice in one round");
        }
    };
    tokio::time::timeout(DEADLINE, read).await.unwrap();
    let expected: BTreeSet<_> = (0..ROUNDS * READERS).map(|shard| format!("shard={shard}&after=0&wait=0")).collect();
    assert_eq!(queries, expected);
    assert_eq!(most.load(Ordering::SeqCst), READERS);
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap();
    serving.abort();
}

/// Makes the empty log of a new database one of many shards.
fn split(place: &Place) {
    drop(place.open());
    let (path, options) = (place.path("database"), rocksdb::Options::default());
    let families = rocksdb::DB::list_cf(&options, &path).unwrap();
    let database = rocksdb::DB::open_cf(&options, &path, families).unwrap();
    database.put_cf(database.cf_handle("meta").unwrap(), "shards", SHARDS.to_be_bytes()).unwrap();
}

/// A follower that runs, until it is stopped.
struct Following(CancellationToken, tokio::task::JoinHandle<()>);

impl Following {
    fn start(config: &FollowConfig, store: &Store) -> Self {
        let (follower, shutdown) = (Follower::new(config, store.clone()).unwrap(), CancellationToken::new());
        let token = shutdown.clone();
        Self(shutdown, tokio::spawn(async move { follower.run(token).await }))
    }

    async fn stop(self) {
        self.0.cancel();
        tokio::time::timeout(DEADLINE, self.1).await.unwrap().unwrap();
    }
}

/// Reads what there still is; answers how many shards have any entries.
async fn used_shards(config: &FollowConfig, standby: &Store, source: &Server) -> usize {
    let config = FollowConfig { wait_seconds: 0, ..config.clone() };
    let follower = Follower::new(&config, standby.clone()).unwrap();
    let (name, shards) = follower.describe().await.unwrap();
    let mut used = 0;
    for shard in 0..shards {
        follower.step(&name, shard).await.unwrap();
        let answer = source.get(&format!("/v1/changes?shard={shard}")).await;
        used += usize::from(!entries(&answer).is_empty());
    }
    used
}

#[tokio::test]
async fn every_shard_of_many_is_followed_and_its_position_kept() {
    let (place, elsewhere) = (Place::new(), Place::new());
    split(&place);
    let source = Server::start(&place).await;
    assert_eq!(source.store.shards(), SHARDS);
    let standby = elsewhere.open();
    let config = config(&place, source.base(), 20);
    let caught_up = async |wanted: u64| {
        let wait = async {
            // What is being written meanwhile may not add up yet.
            while !standby.check().await.is_ok_and(|checked| checked.entries >= wanted) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap();
    };
    for n in 0..80 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let following = Following::start(&config, &standby);
    caught_up(80).await;
    for n in 0..40 {
        source.publish_paper(&Paper::withdrawal(n, 2)).await;
    }
    caught_up(120).await;
    following.stop().await;

    // What it was about to note comes again; then nothing does: each shard goes on where it was.
    assert!(used_shards(&config, &standby, &source).await > READERS / 2);
    drop(standby);
    let standby = elsewhere.open();
    let again = Follower::new(&FollowConfig { wait_seconds: 0, ..config }, standby.clone()).unwrap();
    let (name, shards) = again.describe().await.unwrap();
    for shard in 0..shards {
        assert_eq!(again.step(&name, shard).await.unwrap(), Step::default(), "shard {shard}");
    }
    drop((again, standby));

    // One series for all of them.
    let metrics = plain_get(source.admin, "/metrics").await;
    for name in ["mapping_store_log_head", "mapping_store_follower_lag"] {
        let lines: Vec<_> = metrics.lines().filter(|line| line.starts_with(name)).collect();
        assert!(lines.iter().any(|line| line.starts_with(&format!("{name} "))), "{lines:?}");
        assert!(lines.len() < READERS, "{lines:?}");
    }
    let standby = Server::start(&elsewhere).await;
    let some: Vec<_> = (20..80).map(number).collect();
    assert_eq!(standby.lookup(some.clone()).await, source.lookup(some).await);
    source.stop().await;
    standby.stop().await;
}
