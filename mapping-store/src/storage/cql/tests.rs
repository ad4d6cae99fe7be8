//! One real node: every behaviour, answers that are lost, late writes, many writers, the schema, a move.

mod outcomes;
mod proxy;
mod secured;

use std::sync::atomic::{AtomicUsize, Ordering};

use cassandra_fixture::Cluster as Nodes;

use super::super::suite::{self, label, put as update, read};
use super::super::{Kind, NewEntry};
use super::*;

const BUCKETS: u32 = 4;

/// A cluster in a keyspace of its own.
async fn config(nodes: &[String]) -> ClusterConfig {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let keyspace = format!("store{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let config = patient(ClusterConfig::of(nodes.to_vec(), &keyspace));
    let schema = SchemaConfig { replication: 1, buckets: BUCKETS };
    Cql::create_schema(&config, &schema).await.unwrap();
    config
}

/// On a machine with much else to do.
fn patient(config: ClusterConfig) -> ClusterConfig {
    ClusterConfig { request_timeout_ms: 20_000, connect_timeout_ms: 20_000, ..config }
}

async fn fresh(nodes: &[String]) -> Cql {
    Cql::connect(&config(nodes).await).await.unwrap()
}

fn entry(hash: [u8; 32]) -> NewEntry {
    NewEntry { kind: Kind::Mapping, document: hash.to_vec(), hash, at: Timestamp::from_seconds(7), turn: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node() {
    if cassandra_fixture::is_skipped("the engine over Apache Cassandra") {
        return;
    }
    let cluster = tokio::task::spawn_blocking(|| Nodes::start(1)).await.unwrap();
    let nodes = cluster.contact_points();
    let wait = |future| tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future));
    suite::every_behaviour(|| wait(fresh(&nodes))).await;
    outcomes::a_write_whose_answer_is_lost_is_done_once(&nodes).await;
    outcomes::a_write_that_comes_late_does_nothing(&nodes).await;
    outcomes::two_processes_lose_nothing_of_each_other(&nodes).await;
    updates_larger_than_a_batch_may_be_are_written(&nodes).await;
    a_schema_is_created_once(&nodes).await;
    a_newer_format_is_refused(&nodes).await;
    a_record_stays_in_its_bucket(&nodes).await;
    a_database_is_taken_over(&nodes).await;
}

/// Cassandra's thresholds are its own: 50 KiB for batches of more than one partition.
async fn updates_larger_than_a_batch_may_be_are_written(nodes: &[String]) {
    let cql = fresh(nodes).await;
    let mut updates: Vec<_> = (0..60).map(|n| update(n, 0, &[n; 20_000])).collect();
    updates.push(update(61, 0, &[61; 400_000]));
    for update in &mut updates {
        let n = update.label[1];
        update.entries = vec![NewEntry { document: vec![n; 4096], turn: n.into(), ..entry([n; 32]) }];
    }
    let outcomes = cql.update(updates).await.unwrap();
    let numbers: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Updated::Done(positions) => (positions[0].shard, positions[0].number),
            Updated::Conflict => panic!("nobody else writes"),
        })
        .collect();
    let expected: Vec<_> = (1..=61).map(|number| (0, number)).collect();
    assert_eq!(numbers, expected);
    assert_eq!(read(&cql, 61).await.unwrap().1, [61; 400_000]);
    assert_eq!(cql.log_after(Position { shard: 0, number: 0 }, 1000, usize::MAX).await.unwrap().len(), 61);
}

async fn a_schema_is_created_once(nodes: &[String]) {
    let missing = ClusterConfig::of(nodes.to_vec(), "nothing");
    let error = Cql::connect(&missing).await.err().unwrap().to_string();
    assert!(error.contains("mapping-store schema"), "{error}");
    let config = config(nodes).await;
    let cql = Cql::connect(&config).await.unwrap();
    cql.update(vec![update(1, 0, b"stays")]).await.unwrap();
    let schema = |buckets| SchemaConfig { replication: 1, buckets };
    Cql::create_schema(&config, &schema(BUCKETS)).await.unwrap();
    assert_eq!(read(&cql, 1).await.unwrap().1, b"stays");
    let error = Cql::create_schema(&config, &schema(8)).await.unwrap_err().to_string();
    assert!(error.contains("4 buckets"), "{error}");
    assert!(cql.is_ready().await);
    let elsewhere = ClusterConfig { datacenter: Some("elsewhere".to_owned()), ..config };
    assert!(Cql::connect(&elsewhere).await.is_err());
}

async fn a_newer_format_is_refused(nodes: &[String]) {
    let config = config(nodes).await;
    let newer = "UPDATE ks.about SET format = 2 WHERE name = 'database' IF format = 1";
    assert!(Cluster::open(&config).await.unwrap().conditionally(newer, ()).await.unwrap());
    let refused = StorageError::Newer { found: 2, known: 1 };
    assert_eq!(Cql::connect(&config).await.err(), Some(refused.clone()));
    assert_eq!(Cql::create_schema(&config, &SchemaConfig { replication: 1, buckets: BUCKETS }).await, Err(refused));
}

async fn a_record_stays_in_its_bucket(nodes: &[String]) {
    let cql = fresh(nodes).await;
    cql.update(vec![update(1, 0, b"here")]).await.unwrap();
    let moving = Update { moved_from: Some(label(1)), ..update(255, 1, b"there") };
    assert!(cql.update(vec![moving]).await.is_err());
    assert_eq!(read(&cql, 1).await.unwrap(), (1, b"here".to_vec()));
}

async fn a_database_is_taken_over(nodes: &[String]) {
    const OLD: u64 = 5000;
    let config = config(nodes).await;
    let at = Timestamp::from_seconds(7);
    let hash = |number: u64| [&[9; 24][..], &number.to_be_bytes()].concat().try_into().unwrap();
    let old = |number: u64| InheritedEntry {
        entry: LogEntry {
            position: Position { shard: 0, number },
            kind: Kind::Mapping,
            document: number.to_be_bytes().to_vec(),
        },
        hash: hash(number),
        at,
    };
    let record = |n: u8, due: u64| {
        let due = Some(Timestamp::from_seconds(due));
        (label(n), Some(InheritedRecord { bytes: vec![n], due }))
    };
    let tally_of = |bytes: &[u8]| Ok(Tally { live: bytes[0].into(), tombstones: 1 });

    let cut_off = Cql::connect_to_move(&config).await.unwrap();
    let first: Vec<_> = (1..=3000).map(old).collect();
    cut_off.inherit(&first, &[record(1, 10), record(2, 20), record(200, 5)]).await.unwrap();
    let error = Cql::connect(&config).await.err().unwrap().to_string();
    assert!(error.contains("being moved"), "{error}");
    let moving = Cql::connect_to_move(&config).await.unwrap();
    assert!(cut_off.finish_move(tally_of).await.is_err(), "the move was begun anew");
    assert_eq!(moving.inherited(0).await.unwrap(), 3000);
    let rest: Vec<_> = (2900..=OLD).map(old).collect();
    moving.inherit(&rest, &[record(1, 30), (label(2), None), record(3, 15)]).await.unwrap();
    moving.finish_move(tally_of).await.unwrap();
    let error = Cql::connect_to_move(&config).await.err().unwrap().to_string();
    assert!(error.contains("in use"), "{error}");

    let cql = Cql::connect(&config).await.unwrap();
    assert_eq!(cql.heads().await.unwrap(), [OLD, 0, 0, 0]);
    assert_eq!(cql.tally(), Tally { live: 204, tombstones: 3 });
    assert_eq!(read(&cql, 2).await, None);
    let due = cql.due(Timestamp::from_seconds(u64::MAX), usize::MAX).await.unwrap();
    assert_eq!(due, [label(200), label(3), label(1)]);
    let (revision, bytes) = read(&cql, 1).await.unwrap();
    assert_eq!(bytes, [1]);
    let published = Update { entries: vec![entry([77; 32])], ..update(1, revision, b"new") };
    let position = |number| Position { shard: 0, number };
    assert_eq!(cql.update(vec![published]).await.unwrap(), [Updated::Done(vec![position(OLD + 1)])]);
    assert_eq!(read(&cql, 1).await.unwrap().1, b"new");
    let log = cql.log_after(position(4000), 2000, usize::MAX).await.unwrap();
    let numbers: Vec<_> = log.iter().map(|entry| entry.position.number).collect();
    assert_eq!(numbers, (4001..=OLD + 1).collect::<Vec<_>>());
    assert_eq!(log[0].document, 4001_u64.to_be_bytes());
    for shard in 0..BUCKETS {
        let stamp = cql.stamp_in(shard, &hash(4096)).await.unwrap();
        assert_eq!(stamp, Some(Stamp { position: position(4096), at }));
    }
    assert_eq!(cql.stamp_in(0, &[77; 32]).await.unwrap().unwrap().position, position(OLD + 1));
}
