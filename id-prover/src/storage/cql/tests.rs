//! One real node: every behaviour, answers that are lost, late writes, two processes, budgets, keys, the schema, a trail that was
//! changed.

#[path = "../../../../mapping-store/src/storage/cql/tests/proxy.rs"]
mod proxy;

use std::sync::atomic::{AtomicUsize, Ordering};

use cassandra_fixture::Cluster as Nodes;
use futures_util::future::join_all;

use super::super::audit::{BrokenTrail, Event};
use super::super::suite;
use super::*;
use crate::enrollment::Requested;
use crate::fixtures::{NOW, requested};
use crate::limits::shared::{Held, Ledger as _};
use proxy::{BATCH, Proxy};

const BUCKETS: u32 = 4;
const SECRETS: ClusterSecrets = ClusterSecrets { check: [1; 32], buckets: [2; 32] };
const SCHEMA: SchemaConfig = SchemaConfig { replication: 1, buckets: BUCKETS };

/// A keyspace of its own.
async fn config(nodes: &[String]) -> ClusterConfig {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let keyspace = format!("prover{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let config = ClusterConfig::of(nodes.to_vec(), &keyspace);
    // On a machine with much else to do.
    let config = ClusterConfig { request_timeout_ms: 20_000, connect_timeout_ms: 20_000, ..config };
    Cql::create_schema(&config, &SCHEMA, SECRETS, false).await.unwrap();
    config
}

async fn connect(config: &ClusterConfig) -> Cql {
    Cql::connect(config, SECRETS).await.unwrap()
}

/// Connected by way of a proxy.
async fn behind(proxy: &Proxy, config: &ClusterConfig) -> Cql {
    connect(&ClusterConfig { nodes: vec![proxy.address()], ..config.clone() }).await
}

fn new(cql: &Cql, number: u128) -> Requested {
    let mut requested = requested(number);
    requested.facts.id = cql.new_id(&requested.facts.request_key());
    requested
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node() {
    if cassandra_fixture::is_skipped("the prover's engine over Apache Cassandra") {
        return;
    }
    let cluster = tokio::task::spawn_blocking(|| Nodes::start(1)).await.unwrap();
    let nodes = cluster.contact_points();
    suite::every_behaviour(Arc::new(connect(&config(&nodes).await).await)).await;
    a_change_whose_answer_is_lost_is_made_once(&nodes).await;
    a_change_that_comes_late_does_nothing(&nodes).await;
    two_processes_make_one_trail(&nodes).await;
    what_was_read_is_kept_and_what_was_overtaken_is_not(&nodes).await;
    a_bucket_is_not_waited_for_for_ever(&nodes).await;
    a_budget_is_changed_by_who_knows_it(&nodes).await;
    a_budget_whose_answer_is_lost_is_changed_once(&nodes).await;
    keys_are_compared(&nodes).await;
    a_schema_is_created_once(&nodes).await;
    another_datacenter_is_refused(&nodes).await;
    a_changed_trail_is_noticed(&nodes).await;
}

async fn a_change_whose_answer_is_lost_is_made_once(nodes: &[String]) {
    let config = config(nodes).await;
    let proxy = Proxy::start(&nodes[0]).await;
    let cql = behind(&proxy, &config).await;
    let requested = new(&cql, 1);
    proxy.lose_the_next_answer_to(BATCH);
    assert_eq!(cql.write(Change::open(&requested, NOW)).await, Ok(()));
    assert_eq!(proxy.lost(), 1);
    let other = connect(&config).await;
    assert_eq!(other.enrollment(requested.facts.id).await.unwrap(), Some(Stored::Requested(requested)));
    assert_eq!(other.check_audit().await.unwrap(), 1);
}

async fn a_change_that_comes_late_does_nothing(nodes: &[String]) {
    let config = config(nodes).await;
    let proxy = Proxy::start(&nodes[0]).await;
    let (cql, other) = (behind(&proxy, &config).await, connect(&config).await);
    let first = new(&cql, 1);
    proxy.hold_the_next_batch();
    let writing = async { cql.write(Change::open(&first, NOW)).await };
    let between = async {
        proxy.until_one_is_held().await;
        // The same request at another prover, while the first one's batch is on its way.
        other.write(Change::open(&new(&other, 1), NOW)).await
    };
    let (writing, between) = tokio::join!(writing, between);
    let late = proxy.deliver_what_is_held().await;
    assert!(!late.is_empty());
    // Whichever was first: one of them was, and its enrollment is the only one.
    assert_eq!([writing, between].iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!([writing, between].iter().filter(|outcome| **outcome == Err(WriteError::Overtaken)).count(), 1);
    let stored = other.enrollment_of(first.facts.request_key()).await.unwrap().unwrap();
    assert_eq!(stored.facts().id == first.facts.id, writing.is_ok());
    assert_eq!(other.check_audit().await.unwrap(), 1);
}

/// Two processes that write to the same buckets at once lose nothing of each other, and each request is opened by one of them.
async fn two_processes_make_one_trail(nodes: &[String]) {
    let config = config(nodes).await;
    let processes = [connect(&config).await, connect(&config).await];
    let opening = (0..40).map(|n: u128| {
        let cql = processes[usize::try_from(n % 2).unwrap()].clone();
        tokio::spawn(async move { cql.write(Change::open(&new(&cql, 1000 + n / 2), NOW)).await })
    });
    let outcomes: Vec<_> = join_all(opening.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    for both in outcomes.chunks(2) {
        assert_eq!(both.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{both:?}");
    }
    assert_eq!(processes[0].check_audit().await.unwrap(), 20);
    assert_eq!(processes[1].check_audit().await.unwrap(), 20);
}

async fn what_was_read_is_kept_and_what_was_overtaken_is_not(nodes: &[String]) {
    let config = config(nodes).await;
    let (one, other) = (connect(&config).await, connect(&config).await);
    let requested = new(&one, 1);
    let bucket = one.shared.bucket_in(&requested.facts.id).unwrap() as usize;
    let knows = async |cql: &Cql| cql.shared.bases[bucket].lock().await.is_some();
    one.write(Change::open(&requested, NOW)).await.unwrap();
    assert_eq!(other.write(Change::open(&new(&other, 1), NOW)).await, Err(WriteError::Overtaken));
    assert!(knows(&other).await);
    let stored = Stored::Requested(requested.clone());
    other.write(Change::next(stored.clone(), &stored, Event::Resent, NOW)).await.unwrap();
    assert!(knows(&one).await);
    assert_eq!(one.write(Change::open(&new(&one, 1), NOW)).await, Err(WriteError::Overtaken));
    assert!(!knows(&one).await);
    one.write(Change::next(stored.clone(), &stored, Event::Resent, NOW)).await.unwrap();
    assert_eq!(one.check_audit().await.unwrap(), 3);
}

/// Who finds it held by others for longer than they may have it is told to come again.
async fn a_bucket_is_not_waited_for_for_ever(nodes: &[String]) {
    const DEADLINE: Duration = Duration::from_secs(120);
    let config = ClusterConfig { request_timeout_ms: 3000, ..config(nodes).await };
    let cql = connect(&config).await;
    assert_eq!(cql.change_time(), Duration::from_secs(18));
    let requested = new(&cql, 1);
    let bucket = cql.shared.bucket_in(&requested.facts.id).unwrap() as usize;
    let held = cql.shared.bases[bucket].lock().await;
    let writing = tokio::time::timeout(DEADLINE, cql.write(Change::open(&requested, NOW))).await;
    assert_eq!(writing, Ok(Err(WriteError::Busy)));
    drop(held);
    assert_eq!(cql.enrollment(requested.facts.id).await.unwrap(), None);
}

async fn a_budget_is_changed_by_who_knows_it(nodes: &[String]) {
    const NAME: (u8, u64) = (200, u64::MAX - 3);
    let config = config(nodes).await;
    let keep = Duration::from_secs(600);
    let [one, other] = [connect(&config).await, connect(&config).await];
    let whole = one.budget(NAME).await.unwrap();
    assert_eq!(whole, Held::default());
    let (first, done) = one.change(NAME, &whole, [1; 16], keep).await.unwrap();
    assert!(done);
    assert_eq!(
        (first.counter.as_deref(), other.budget(NAME).await.unwrap()),
        (Some([1; 16].as_slice()), first.clone())
    );
    let (there, done) = other.change(NAME, &whole, [2; 16], keep).await.unwrap();
    assert_eq!((there.clone(), done), (first, false));
    let (second, done) = other.change(NAME, &there, [2; 16], keep).await.unwrap();
    assert!(done);
    assert_eq!(one.budget(NAME).await.unwrap(), second);
    assert_eq!(one.budget((200, 3)).await.unwrap(), Held::default());
    // What it remembers is bounded.
    let mut held = second;
    for n in 0..40 {
        let (after, done) = one.change(NAME, &held, [n; 16], keep).await.unwrap();
        assert!(done);
        held = after;
    }
    assert_eq!(held.mark.len(), 256);
}

/// Whether its answer is lost or another one comes in between, it is known what became of it.
async fn a_budget_whose_answer_is_lost_is_changed_once(nodes: &[String]) {
    const NAME: (u8, u64) = (2, 7);
    /// The opcode of a prepared statement (the native protocol's section 4.1.6).
    const EXECUTE: u8 = 0x0a;
    let config = config(nodes).await;
    let proxy = Proxy::start(&nodes[0]).await;
    let (cql, other) = (behind(&proxy, &config).await, connect(&config).await);
    let keep = Duration::from_secs(600);
    let mut held = cql.budget(NAME).await.unwrap();
    for n in 1..4 {
        proxy.lose_the_next_answer_to(EXECUTE);
        let (after, done) = cql.change(NAME, &held, [n; 16], keep).await.unwrap();
        assert!(done);
        assert_eq!(proxy.lost(), usize::from(n));
        assert_eq!(after.mark.len(), usize::from(n) * 8);
        assert_eq!(other.budget(NAME).await.unwrap(), after);
        held = after;
    }
    let (there, done) = other.change(NAME, &held, [9; 16], keep).await.unwrap();
    assert!(done);
    proxy.lose_the_next_answer_to(EXECUTE);
    assert_eq!(cql.change(NAME, &held, [5; 16], keep).await.unwrap(), (there, false));
    assert_eq!(proxy.lost(), 4);
}

async fn keys_are_compared(nodes: &[String]) {
    let cql = connect(&config(nodes).await).await;
    for (replica, keys, others) in [(1, 7, 0), (2, 7, 0), (3, 8, 2), (1, 7, 1), (1, 8, 1), (2, 8, 0)] {
        assert_eq!(cql.compare_keys(&[replica; 16], &[keys; 32]).await.unwrap(), others);
    }
}

async fn a_schema_is_created_once(nodes: &[String]) {
    let missing = ClusterConfig::of(nodes.to_vec(), "nothing");
    let error = Cql::connect(&missing, SECRETS).await.err().unwrap().to_string();
    assert!(error.contains("id-prover schema"), "{error}");
    let config = config(nodes).await;
    let cql = connect(&config).await;
    let requested = new(&cql, 1);
    cql.write(Change::open(&requested, NOW)).await.unwrap();
    Cql::create_schema(&config, &SCHEMA, SECRETS, false).await.unwrap();
    assert!(cql.enrollment(requested.facts.id).await.unwrap().is_some());
    let eight = SchemaConfig { buckets: 8, ..SCHEMA };
    let error = Cql::create_schema(&config, &eight, SECRETS, false).await.unwrap_err().to_string();
    assert!(error.contains("4 buckets"), "{error}");
    let other_key = ClusterSecrets { check: [3; 32], ..SECRETS };
    let error = Cql::connect(&config, other_key).await.err().unwrap().to_string();
    assert!(error.contains("code.key"), "{error}");
    assert!(Cql::create_schema(&config, &SCHEMA, other_key, false).await.is_err());
    Cql::create_schema(&config, &SCHEMA, other_key, true).await.unwrap();
    assert!(Cql::connect(&config, other_key).await.is_ok());
    assert!(Cql::connect(&config, SECRETS).await.is_err());
    let newer = "UPDATE ks.about SET format = 2 WHERE name = 'database' IF format = 1";
    assert!(Cluster::open(&config).await.unwrap().conditionally(newer, ()).await.unwrap());
    assert!(matches!(Cql::connect(&config, other_key).await, Err(StorageError::Newer(2))));
}

async fn another_datacenter_is_refused(nodes: &[String]) {
    let config = config(nodes).await;
    assert!(Cql::connect_to_read(&config).await.is_ok());
    let elsewhere = "UPDATE ks.about SET datacenter = 'elsewhere' WHERE name = 'database' IF format = 1";
    assert!(Cluster::open(&config).await.unwrap().conditionally(elsewhere, ()).await.unwrap());
    for refused in [Cql::connect(&config, SECRETS).await, Cql::connect_to_read(&config).await] {
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("datacenter elsewhere"), "{error}");
    }
}

async fn a_changed_trail_is_noticed(nodes: &[String]) {
    let config = config(nodes).await;
    let cql = connect(&config).await;
    let requested = new(&cql, 1);
    let stored = Stored::Requested(requested.clone());
    cql.write(Change::open(&requested, NOW)).await.unwrap();
    for _ in 0..2 {
        cql.write(Change::next(stored.clone(), &stored, Event::Resent, NOW)).await.unwrap();
    }
    assert_eq!(cql.check_audit().await.unwrap(), 3);
    let bucket = cql.shared.bucket_in(&requested.facts.id).unwrap();
    let text =
        format!("DELETE FROM ks.buckets WHERE bucket = {bucket} AND kind = 0 AND key = 0x0000000000000002 IF EXISTS");
    assert!(cql.shared.cluster.conditionally(&text, ()).await.unwrap());
    let broken = cql.check_audit().await.unwrap_err();
    assert!(matches!(broken, StorageError::TrailOf(found, BrokenTrail::Gap(2)) if found == bucket), "{broken}");
}
