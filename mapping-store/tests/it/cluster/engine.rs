//! The engine by itself, on its own keyspace: every acknowledged update is found, at the place in the log that was acknowledged; nobody reads
//! anything that was overtaken by an acknowledged update.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mapping_store::storage::{
    ClusterConfig, Cql, Kind, NewEntry, SchemaConfig, Stamp, Storage as _, StorageError, Tally, Update, Updated,
};
use protocol::Timestamp;
use protocol::receipt::Position;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Records, each with a writer of its own at any time.
const RECORDS: u8 = 24;
const WRITERS: u8 = 4;
const READERS: usize = 2;

/// What the writers have been told, and the readers have seen.
#[derive(Default)]
pub(super) struct Told {
    /// The last count that was acknowledged, and the last that was tried, of each record.
    acknowledged: [AtomicU64; RECORDS as usize],
    tried: [AtomicU64; RECORDS as usize],
    /// Where each acknowledged document stands, by its hash, and its record.
    places: Mutex<HashMap<[u8; 32], (u8, Position)>>,
    updates: watch::Sender<u64>,
    unknown: AtomicU64,
    reads: AtomicU64,
    failed_reads: AtomicU64,
    enough: AtomicBool,
}

fn label(n: u8) -> [u8; 33] {
    let mut label = [n; 33];
    // Spread over all buckets.
    label[1] = n.wrapping_mul(37);
    label
}

async fn count(cql: &Cql, n: u8) -> Result<(u64, u64), StorageError> {
    let read = cql.record(&label(n), |stored| stored.map(|stored| (stored.revision, stored.bytes.to_vec()))).await?;
    let counted = |(revision, bytes): (u64, Vec<u8>)| (revision, u64::from_be_bytes(bytes.try_into().unwrap()));
    Ok(read.map_or((0, 0), counted))
}

/// Counts up the records `n` with `n % WRITERS == writer`.
async fn write(cql: Cql, writer: u8, told: Arc<Told>) {
    for n in (0..RECORDS).cycle().filter(|n| n % WRITERS == writer) {
        if told.enough.load(Ordering::Relaxed) {
            return;
        }
        let Ok((revision, before)) = count(&cql, n).await else { continue };
        let index = usize::from(n);
        assert!(before >= told.acknowledged[index].load(Ordering::SeqCst), "an acknowledged update is lost");
        let next = before + 1;
        told.tried[index].fetch_max(next, Ordering::SeqCst);
        let document = [&[n][..], &next.to_be_bytes(), &revision.to_be_bytes(), &[0; 500]].concat();
        let hash = Sha256::digest(&document).into();
        let entry = NewEntry { kind: Kind::Mapping, document, hash, at: Timestamp::from_seconds(next), turn: 0 };
        let update = Update {
            label: label(n),
            expected: revision,
            moved_from: None,
            record: Some(next.to_be_bytes().to_vec()),
            was_due: (before > 0).then(|| Timestamp::from_seconds(before)),
            is_due: Some(Timestamp::from_seconds(next)),
            entries: vec![entry],
            tally: Tally { live: 1, tombstones: 0 },
        };
        match cql.update(vec![update]).await {
            Ok(outcome) => {
                let [Updated::Done(positions)] = outcome.as_slice() else { panic!("nobody else writes: {outcome:?}") };
                told.places.lock().unwrap().insert(hash, (n, positions[0]));
                told.acknowledged[index].fetch_max(next, Ordering::SeqCst);
                told.updates.send_modify(|updates| *updates += 1);
            }
            Err(error) => {
                println!("not acknowledged: {error}");
                told.unknown.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

async fn read(cql: Cql, told: Arc<Told>) {
    for n in (0..RECORDS).cycle() {
        if told.enough.load(Ordering::Relaxed) {
            return;
        }
        let index = usize::from(n);
        let least = told.acknowledged[index].load(Ordering::SeqCst);
        told.reads.fetch_add(1, Ordering::SeqCst);
        match count(&cql, n).await {
            Ok((_, found)) => {
                assert!(found >= least, "a lookup was answered with what had been overtaken");
                assert!(
                    found <= told.tried[index].load(Ordering::SeqCst),
                    "a lookup was answered with what nobody wrote"
                );
            }
            Err(_) => {
                told.failed_reads.fetch_add(1, Ordering::SeqCst);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Two processes' engines at work.
pub(super) struct Engines {
    pub(super) told: Arc<Told>,
    config: ClusterConfig,
    processes: [Cql; 2],
    tasks: Vec<JoinHandle<()>>,
}

impl Engines {
    pub(super) async fn start(config: ClusterConfig) -> Self {
        Cql::create_schema(&config, &SchemaConfig { replication: 3, buckets: 8 }).await.unwrap();
        let processes = [Cql::connect(&config).await.unwrap(), Cql::connect(&config).await.unwrap()];
        let told = Arc::new(Told::default());
        let process = |n: usize| processes[n % 2].clone();
        let writers = (0..WRITERS).map(|n| tokio::spawn(write(process(n.into()), n, Arc::clone(&told))));
        let readers = (0..READERS).map(|n| tokio::spawn(read(process(n), Arc::clone(&told))));
        let tasks = writers.chain(readers).collect();
        Self { told, config, processes, tasks }
    }

    /// Ends the work, and looks for all that was acknowledged: one process is gone; the other, and a new one that is in no hurry, have it.
    pub(super) async fn stop_and_check(self) {
        let Self { told, config, processes: [first, second], tasks } = self;
        told.enough.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        drop(first);
        let patient = ClusterConfig { request_timeout_ms: 20_000, ..config };
        told.check(&Cql::connect(&patient).await.unwrap()).await;
        told.look_for_records(&second).await;
        let (reads, failed) = (told.reads.load(Ordering::SeqCst), told.failed_reads.load(Ordering::SeqCst));
        assert!(failed * 100 <= reads, "{failed} of {reads} reads failed");
    }
}

impl Told {
    /// Waits until that many more updates are acknowledged.
    pub(super) async fn more(&self, updates: u64) {
        super::more(&self.updates, updates).await;
    }

    pub(super) fn report(&self, when: &str) {
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        println!(
            "{when}: engine: {} updates acknowledged, {} of unknown outcome, {} reads, {} failed",
            *self.updates.borrow(),
            of(&self.unknown),
            of(&self.reads),
            of(&self.failed_reads)
        );
    }

    async fn look_for_records(&self, cql: &Cql) {
        for n in 0..RECORDS {
            let index = usize::from(n);
            let (_, found) = count(cql, n).await.unwrap();
            let (least, most) = (&self.acknowledged[index], &self.tried[index]);
            assert!((least.load(Ordering::SeqCst)..=most.load(Ordering::SeqCst)).contains(&found), "record {n}");
        }
    }

    /// Looks for everything that was acknowledged.
    async fn check(&self, cql: &Cql) {
        self.look_for_records(cql).await;
        let places = self.places.lock().unwrap().clone();
        let mut logs = Vec::new();
        for shard in 0..cql.shards() {
            let log = cql.log_after(Position { shard, number: 0 }, usize::MAX, usize::MAX).await.unwrap();
            assert!(log.iter().zip(1..).all(|(entry, number)| entry.position.number == number), "a gap in the log");
            assert_eq!(cql.head(shard).await.unwrap(), log.len() as u64);
            logs.push(log);
        }
        for (hash, (_, position)) in &places {
            let entry = &logs[position.shard as usize][usize::try_from(position.number).unwrap() - 1];
            assert_eq!(<[u8; 32]>::from(Sha256::digest(&entry.document)), *hash, "the log has something else there");
            let stamp = cql.stamp_in(position.shard, hash).await.unwrap();
            assert!(matches!(stamp, Some(Stamp { position: found, .. }) if found == *position));
        }
        let due = cql.due(Timestamp::from_seconds(u64::MAX), usize::MAX).await.unwrap();
        assert_eq!(due.len(), usize::from(RECORDS), "each record stands in the index of the sweep, once");
        cql.refresh().await.unwrap();
        let entries: usize = logs.iter().map(Vec::len).sum();
        assert_eq!(cql.tally(), Tally { live: i64::try_from(entries).unwrap(), tombstones: 0 });
    }
}
