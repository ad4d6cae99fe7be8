//! A provider moves from its embedded database into a cluster while it serves: two stores over the cluster then answer as the old one did,
//! with the same receipts and positions, and its follower goes on.

use cassandra_fixture::Cluster;
use http::StatusCode;
use mapping_store::config::Config;
use mapping_store::follow::{FollowConfig, Follower};
use mapping_store::moving::{Carried, MoveError, carry};
use mapping_store::storage::{ClusterConfig, SchemaConfig, StorageError};
use mapping_store::{OpenError, Store};
use protocol::lookup::{Entry, Outcome};

use crate::papers::{NOW, Paper, number, signed_removal};
use crate::place::{Place, Server};

const EARLIER: u32 = 40;
const LATER: u32 = 50;
const BUCKETS: u32 = 4;

/// The same provider over the cluster.
fn over(cluster: &Cluster, place: &Place) -> Config {
    let mut config = place.config();
    config.store.cluster = Some(ClusterConfig::of(cluster.contact_points(), "store"));
    config.store.folder = place.path("cluster");
    std::fs::create_dir_all(&config.store.folder).unwrap();
    config
}

async fn answers(server: &Server) -> Vec<Entry> {
    let mut answers = Vec::new();
    for n in 0..LATER + 2 {
        answers.push(server.lookup_one(&number(n)).await);
    }
    answers
}

async fn carried(config: &Config, place: &Place, finish: bool) -> Result<Carried, MoveError> {
    let mut last = Carried::default();
    let from = place.path("database");
    let ended = carry(&config.store, &from, finish, |carried| {
        assert!(carried.entries > last.entries, "progress");
        last = carried;
    });
    ended.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_moves_into_a_cluster_and_loses_nothing() {
    if cassandra_fixture::is_skipped("a move into Apache Cassandra") {
        return;
    }
    let place = Place::new();
    let server = Server::start(&place).await;
    let mut receipts = Vec::new();
    for n in 0..EARLIER {
        receipts.push((n, server.publish_paper(&Paper::of(n)).await));
    }
    assert_eq!(server.publish(Paper::withdrawal(1, 2).bytes()).await.status(), StatusCode::CREATED);
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(1)).await.unwrap();
    let config = over(&cluster, &place);
    assert!(matches!(Store::connect(&config.store, place.clock()).await, Err(OpenError::Storage(_))), "no schema");
    let schema = SchemaConfig { replication: 1, buckets: BUCKETS };
    for _twice in 0..2 {
        Store::create_schema(&config.store, &schema).await.unwrap();
    }

    // While it serves; then what came meanwhile; then the rest, once it has stopped.
    assert_eq!(carried(&config, &place, false).await.unwrap().entries, u64::from(EARLIER) + 1);
    for n in EARLIER..LATER {
        receipts.push((n, server.publish_paper(&Paper::of(n)).await));
    }
    assert_eq!(server.remove(signed_removal(&number(2), NOW)).await.status(), StatusCode::CREATED);
    assert!(carried(&config, &place, true).await.is_err(), "somebody has it open");
    assert_eq!(carried(&config, &place, false).await.unwrap().entries, u64::from(LATER) + 2);
    assert!(matches!(Store::connect(&config.store, place.clock()).await, Err(OpenError::Storage(_))), "half moved");
    assert_eq!(server.publish(Paper::withdrawal(3, 2).bytes()).await.status(), StatusCode::CREATED);
    let before = answers(&server).await;
    let elsewhere = Place::new();
    let standby = Store::open(&elsewhere.config().store, elsewhere.clock()).unwrap();
    follow(&server, &place, &standby).await;
    server.stop().await;
    assert_eq!(carried(&config, &place, true).await.unwrap().entries, u64::from(LATER) + 3);
    assert!(matches!(Store::open(&place.config().store, place.clock()), Err(OpenError::Moved)));

    // Two stores, one answer: that of the old one.
    let (first, second) =
        (Server::start_with(&place, config.clone()).await, Server::start_with(&place, config.clone()).await);
    assert_eq!(first.store.receipt_key(), second.store.receipt_key());
    for server in [&first, &second] {
        assert_eq!(answers(server).await, before);
        for (n, receipt) in &receipts {
            let again = server.publish(Paper::of(*n).bytes()).await;
            assert_eq!(
                (again.status(), again.body()),
                (StatusCode::OK, receipt),
                "the same document, the same receipt"
            );
        }
    }
    assert_eq!(first.store.check().await.unwrap().entries, u64::from(LATER) + 3);
    assert_eq!(std::fs::read_dir(&config.store.folder).unwrap().count(), 0, "they have no control socket");
    // What was removed or withdrawn stays so; what is new at one is found at the other.
    assert_eq!(before[1].outcome, Outcome::NeverMapped);
    let receipt = first.publish_paper(&Paper::of(LATER)).await;
    assert_eq!(second.publish(Paper::of(LATER).bytes()).await.into_body(), receipt);
    assert_eq!(second.lookup_one(&number(LATER)).await.mappings.len(), 1);
    // What was published before the move ends after it, in the shard of its bucket, and counts for whoever reads shard 0 first.
    assert_eq!(first.publish(Paper::withdrawal(5, 2).bytes()).await.status(), StatusCode::CREATED);
    assert_eq!(second.lookup_one(&number(5)).await.outcome, Outcome::NeverMapped);
    // A follower that knew the old one has the rest from any of the new ones, and nothing twice.
    follow(&second, &place, &standby).await;
    assert_eq!(standby.check().await.unwrap().entries, u64::from(LATER) + 5);
    first.stop().await;
    assert_eq!(second.lookup_one(&number(LATER)).await.mappings.len(), 1);
    second.stop().await;
}

/// Reads all there is.
async fn follow(source: &Server, place: &Place, standby: &Store) {
    let config = FollowConfig { url: source.base(), tls: place.follower_tls(), wait_seconds: 0 };
    let follower = Follower::new(&config, standby.clone()).unwrap();
    let (name, shards) = follower.describe().await.unwrap();
    for shard in 0..shards {
        while follower.step(&name, shard).await.unwrap().behind > 0 {}
    }
}

/// What is not there is not made by looking for it.
#[tokio::test]
async fn nothing_is_moved_from_where_nothing_is() {
    let place = Place::new();
    let mut config = place.config();
    config.store.cluster = Some(ClusterConfig::of(vec!["127.0.0.1:1".to_owned()], "store"));
    let from = place.path("mistyped");
    let moved = carry(&config.store, &from, true, |_| {}).await;
    assert!(matches!(moved, Err(MoveError::Storage(StorageError::Open { folder, .. })) if folder == from));
    assert!(!from.exists());
}

/// A store that made keys of its own would answer for nobody: they come from the schema, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_cluster_makes_no_keys() {
    let place = Place::new();
    let mut config = place.config();
    assert!(matches!(Store::create_schema(&config.store, &SchemaConfig::default()).await, Err(OpenError::NoCluster)));
    config.store.cluster = Some(ClusterConfig::of(vec!["127.0.0.1:1".to_owned()], "store"));
    for key in [&config.store.hash_key_file, &config.store.receipt_key_file] {
        match Store::connect(&config.store, place.clock()).await {
            Err(OpenError::NotShared(missing)) => assert_eq!(missing, *key),
            other => panic!("{:?}", other.map(|_| ()).unwrap_err()),
        }
        std::fs::write(key, "7".repeat(64)).unwrap();
        std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    assert!(matches!(Store::open(&config.store, place.clock()), Err(OpenError::Cluster)));
}
