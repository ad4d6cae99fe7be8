//! Conditional writes of unknown outcome, and writers beside each other.

use super::proxy::{BATCH, Proxy};
use super::*;

/// Connected by way of a proxy.
async fn behind(proxy: &Proxy, config: &ClusterConfig) -> Cql {
    Cql::connect(&ClusterConfig { nodes: vec![proxy.address()], ..config.clone() }).await.unwrap()
}

/// A record with one log entry, as somebody else reads it.
async fn assert_written_once(config: &ClusterConfig, outcome: Vec<Updated>) {
    let position = Position { shard: 0, number: 1 };
    assert_eq!(outcome, [Updated::Done(vec![position])]);
    let other = Cql::connect(config).await.unwrap();
    assert_eq!(other.heads().await.unwrap()[0], 1);
    assert_eq!(other.log_after(Position { shard: 0, number: 0 }, 10, usize::MAX).await.unwrap().len(), 1);
    assert_eq!(other.stamp_in(0, &[1; 32]).await.unwrap().unwrap().position, position);
    assert_eq!(other.tally(), Tally { live: 1, tombstones: 0 });
    assert_eq!(read(&other, 1).await.unwrap(), (1, b"once".to_vec()));
}

fn once() -> Update {
    Update { entries: vec![entry([1; 32])], tally: Tally { live: 1, tombstones: 0 }, ..update(1, 0, b"once") }
}

pub(super) async fn a_write_whose_answer_is_lost_is_done_once(nodes: &[String]) {
    let config = config(nodes).await;
    let proxy = Proxy::start(&nodes[0]).await;
    let cql = behind(&proxy, &config).await;
    proxy.lose_the_next_answer_to(BATCH);
    let outcome = cql.update(vec![once()]).await.unwrap();
    assert_eq!(proxy.lost(), 1);
    assert_written_once(&config, outcome).await;
}

pub(super) async fn a_write_that_comes_late_does_nothing(nodes: &[String]) {
    let config = config(nodes).await;
    let proxy = Proxy::start(&nodes[0]).await;
    let cql = behind(&proxy, &config).await;
    proxy.hold_the_next_batch();
    let outcome = cql.update(vec![once()]).await.unwrap();
    let answer = proxy.deliver_what_is_held().await;
    assert!(!answer.is_empty());
    assert_written_once(&config, outcome).await;
    // The same again, and somebody else has written meanwhile.
    proxy.hold_the_next_batch();
    let (writing, other) = (cql.clone(), Cql::connect(&config).await.unwrap());
    let second = async { writing.update(vec![update(1, 1, b"second")]).await.unwrap() };
    let between = async {
        proxy.until_one_is_held().await;
        other.update(vec![update(2, 0, b"between")]).await.unwrap()
    };
    let (second, between) = tokio::join!(second, between);
    proxy.deliver_what_is_held().await;
    assert_eq!((second, between), (vec![Updated::Done(Vec::new())], vec![Updated::Done(Vec::new())]));
    assert_eq!(read(&other, 1).await.unwrap().1, b"second");
    assert_eq!(read(&other, 2).await.unwrap().1, b"between");
}

/// Of tasks in two processes that add one to the same record, and to one of their own in the same bucket, each succeeds as often as
/// it was told so.
pub(super) async fn two_processes_lose_nothing_of_each_other(nodes: &[String]) {
    const STEPS: u8 = 10;
    let config = config(nodes).await;
    let processes = [Cql::connect(&config).await.unwrap(), Cql::connect(&config).await.unwrap()];
    let add = |cql: Cql, task: u8| async move {
        for (step, n) in (0..STEPS).flat_map(|step| [(step, 1), (step, task + 10)]) {
            loop {
                let (revision, count) = read(&cql, n).await.map_or((0, 0), |(revision, bytes)| (revision, bytes[0]));
                let hash = [&[task, step, n][..], &[0; 29]].concat().try_into().unwrap();
                let update = Update { entries: vec![entry(hash)], ..update(n, revision, &[count + 1]) };
                match cql.update(vec![update]).await.unwrap().pop().unwrap() {
                    Updated::Done(positions) => {
                        assert_eq!(cql.stamp_in(0, &hash).await.unwrap().unwrap().position, positions[0]);
                        break;
                    }
                    Updated::Conflict => {}
                }
            }
        }
    };
    let tasks: Vec<_> =
        (0..4_u8).map(|task| tokio::spawn(add(processes[usize::from(task) % 2].clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(read(&processes[0], 1).await.unwrap().1, [4 * STEPS]);
    for task in 0..4 {
        assert_eq!(read(&processes[1], 10 + task).await.unwrap().1, [STEPS]);
    }
    let expected = u64::from(STEPS) * 8;
    assert_eq!(processes[1].heads().await.unwrap()[0], expected);
    let log = processes[0].log_after(Position { shard: 0, number: 0 }, 1000, usize::MAX).await.unwrap();
    let numbers: Vec<_> = log.iter().map(|entry| entry.position.number).collect();
    assert_eq!(numbers, (1..=expected).collect::<Vec<_>>());
}
