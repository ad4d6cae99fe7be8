//! The store as a whole: many at once, a disk that fails, documents again, a follower, a writer that is gone. In `histories` it is held to a simple
//! model: what should be served follows from the history, told anew each time.

mod histories;
mod model;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::Signed;
use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::DEFAULT_LIFETIME;
use protocol::lookup::{Answer, Entry, LookupRequest};
use protocol::mapping::State;
use protocol::removal::Removal;
use protocol::trust::TrustAnchorTable;
use tempfile::TempDir;

use super::open::Keys;
use super::*;
use crate::config::{IssuerTable, StoreConfig};
use crate::label::Ring;
use crate::rules::tests::{DAY, NOW, PUBLICATION, Publication, anchor, key};
use crate::rules::{NOTICE_LIFETIME, Refusal};
use crate::storage::Kind;
use crate::storage::memory::Memory;
use crate::writer::WriteError;
use model::Model;

const CPI: &str = "tel:+14155552671";
const HOUR: Duration = Duration::from_secs(3600);

fn cpi() -> Cpi {
    Cpi::parse(CPI).unwrap()
}

struct Place {
    folder: TempDir,
    seconds: Arc<AtomicU64>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), seconds: Arc::new(AtomicU64::new(NOW.seconds())) }
    }

    fn config(&self) -> StoreConfig {
        StoreConfig {
            provider: "dp.example".to_owned(),
            folder: self.folder.path().join("database"),
            hash_key_file: self.folder.path().join("hash.key"),
            receipt_key_file: self.folder.path().join("receipt.key"),
            provers: vec![TrustAnchorTable::from(&anchor())],
            issuers: vec![IssuerTable {
                name: "carrier.example".to_owned(),
                key: hex::encode(key(98).public().as_bytes()),
                number_prefixes: vec!["+1415".to_owned()],
                mail_domains: Vec::new(),
            }],
            cluster: None,
            cache_bytes: 8 << 20,
            max_answer_bytes: 900 * 1024,
        }
    }

    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.seconds);
        Arc::new(move || Timestamp::from_seconds(seconds.load(Ordering::SeqCst)))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds.load(Ordering::SeqCst))
    }

    fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    fn rocks(&self) -> Store {
        Store::open(&self.config(), self.clock()).unwrap()
    }

    fn keys(&self) -> Keys {
        Keys { ring: Ring::of(crate::label::LabelKey::new([5; 32])), receipt: key(97) }
    }

    fn memory(&self, shards: u32) -> Store<Memory> {
        Store::over(Memory::new(shards), vec![0; shards as usize], self.keys(), &self.config(), self.clock()).unwrap()
    }
}

async fn served<S: Storage>(store: &Store<S>, cpi: &Cpi) -> Entry {
    let request = LookupRequest::new(vec![cpi.clone()], None).unwrap();
    let answered = store.lookup(&request).await.unwrap();
    let answer = Answer::decode(&answered.bytes).unwrap();
    assert_eq!(answer.encode(), answered.bytes, "the answer is written as the protocol's own encoder writes it");
    answer.entries.into_iter().next().unwrap()
}

async fn log<S: Storage>(store: &Store<S>) -> Vec<LogEntry> {
    let mut entries = Vec::new();
    for shard in 0..store.shards() {
        entries.extend(store.changes(Position { shard, number: 0 }, usize::MAX, usize::MAX).await.unwrap());
    }
    entries
}

fn removal(issued_before: Timestamp, now: Timestamp) -> Vec<u8> {
    let removal = Removal { issuer: "carrier.example".to_owned(), cpi: cpi(), issued_before, issued_at: now };
    Signed::sign(removal, &key(98)).bytes().to_vec()
}

/// A thousand tasks write one CPI. The log tells an order; told in that order, the model accepts every entry, comes to the
/// same state, and every refusal has its reason in it.
async fn a_thousand_tasks<S: Storage>(place: &Place, store: Store<S>) {
    let publication = |n: u64| Publication {
        holder: u8::try_from(1 + n % 5).unwrap(),
        msp: [Some("a.example"), Some("b.example"), None][usize::try_from(n / 5 % 3).unwrap()],
        seq: 1 + n * 7919 % 50,
        state: if n.is_multiple_of(6) { State::Withdrawn } else { State::Live },
        tags: if n.is_multiple_of(4) { &["Default"] } else { &[] },
        fresh: n.is_multiple_of(83),
        issued: NOW.minus(HOUR * u32::try_from(n % 48).unwrap()),
        lifetime: 30 * DAY,
    };
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let (store, bytes) = (store.clone(), publication(n).bytes());
            tokio::spawn(async move { (n, store.publish(&bytes).await) })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    let mut model = Model::default();
    let by_bytes: std::collections::HashMap<_, _> = (0..1000).map(|n| (publication(n).bytes(), n)).collect();
    let log = log(&store).await;
    for entry in &log {
        let publication = publication(by_bytes[&entry.document]);
        assert_eq!(model.publish(&publication, &entry.document, NOW), Ok(()), "the log has what no order explains");
    }
    let mut mappings = served(&store, &cpi()).await.mappings;
    mappings.sort();
    assert_eq!(mappings, model.served(NOW));
    let accepted = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(Published::New(_)))).count();
    assert_eq!(accepted, log.len());
    for (n, outcome) in outcomes {
        let (seq, bytes) = (publication(n).seq, publication(n).bytes());
        match outcome {
            Ok(_) => assert!(log.iter().any(|entry| entry.document == bytes)),
            Err(PublishError::Refused(Refusal::StaleSequence(current))) => {
                assert!(current >= seq);
                let reason = |entry: &LogEntry| {
                    let other = publication(by_bytes[&entry.document]);
                    (other.holder, other.msp, other.seq) == (publication(n).holder, publication(n).msp, current)
                };
                assert!(log.iter().any(reason));
            }
            Err(error) => assert!(matches!(error, PublishError::Refused(_)), "{error}"),
        }
    }
    assert_eq!(store.check().await.unwrap().records, 1);
    assert_eq!(place.now(), NOW);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_in_memory() {
    let place = Place::new();
    a_thousand_tasks(&place, place.memory(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_in_rocksdb() {
    let place = Place::new();
    a_thousand_tasks(&place, place.rocks()).await;
}

#[tokio::test]
async fn nothing_is_acknowledged_that_could_not_be_written() {
    let place = Place::new();
    let store = place.memory(1);
    let bytes = PUBLICATION.bytes();
    for (failure, expected) in
        [(StorageError::Full, PublishError::Full), (StorageError::Failed("read-only".to_owned()), PublishError::Failed)]
    {
        store.storage().fail(Some(failure));
        assert_eq!(store.publish(&bytes).await, Err(expected));
        assert_eq!(served(&store, &cpi()).await.mappings, Vec::<Vec<u8>>::new());
    }
    store.storage().fail(None);
    assert!(matches!(store.publish(&bytes).await, Ok(Published::New(_))));
    assert_eq!(served(&store, &cpi()).await.mappings, [bytes]);
    store.check().await.unwrap();
}

/// The second of a group is refused for the first alone, which is not written: then the disk is the reason, and nobody hears of a
/// `seq` that never was.
#[tokio::test]
async fn nothing_is_refused_for_what_could_not_be_written() {
    let place = Place::new();
    let store = place.memory(1);
    let submit = async |seqs: &[u64]| {
        let logged = |seq: &u64| store.verify_logged(Kind::Mapping, &Publication { seq: *seq, ..PUBLICATION }.bytes());
        let documents = seqs.iter().map(|seq| logged(seq).unwrap()).collect();
        store.submit_all(documents).unwrap().wait().await.unwrap()
    };
    let stale = Err(WriteError::Refused(Refusal::StaleSequence(5)));
    store.storage().fail(Some(StorageError::Full));
    assert_eq!(submit(&[5, 3]).await, [Err(WriteError::Full), Err(WriteError::Full)]);
    store.storage().fail(None);
    let outcomes = submit(&[5, 3]).await;
    assert!(outcomes[0].as_ref().is_ok_and(|written| written.new));
    assert_eq!(outcomes[1], stale);
    // For what stands in the database it is refused, whatever becomes of the rest.
    store.storage().fail(Some(StorageError::Full));
    assert_eq!(submit(&[3, 6]).await, [stale, Err(WriteError::Full)]);
}

#[tokio::test]
async fn the_same_document_many_times_at_once_has_one_receipt() {
    let place = Place::new();
    let store = place.rocks();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.publish(&PUBLICATION.bytes()).await.unwrap() })
        })
        .collect();
    let mut receipts = std::collections::HashSet::new();
    let mut new = 0;
    for task in tasks {
        match task.await.unwrap() {
            Published::New(receipt) => {
                new += 1;
                receipts.insert(receipt);
            }
            Published::Known(receipt) => drop(receipts.insert(receipt)),
        }
    }
    assert_eq!((new, receipts.len(), log(&store).await.len()), (1, 1, 1));
}

/// A withdrawal that has expired since still takes back what a longer mapping would revive.
#[tokio::test]
async fn a_follower_takes_back_what_was_taken_back() {
    let (place, standby) = (Place::new(), Place::new());
    let long = Publication { lifetime: 40 * DAY, ..PUBLICATION };
    let withdrawal = Publication { seq: 2, state: State::Withdrawn, lifetime: DAY, ..PUBLICATION };
    let source = place.rocks();
    source.publish(&long.bytes()).await.unwrap();
    source.publish(&withdrawal.bytes()).await.unwrap();
    standby.advance(3 * DAY);
    let follower = standby.rocks();
    for entry in log(&source).await {
        let submitted = follower.submit(entry.kind, &entry.document).unwrap();
        follower.outcome(submitted).await.unwrap();
    }
    assert_eq!(served(&follower, &cpi()).await.mappings, Vec::<Vec<u8>>::new());
    assert_eq!(
        follower.publish(&withdrawal.bytes()).await.unwrap_err(),
        PublishError::Mapping(
            UnverifiedMapping::parse(&withdrawal.bytes())
                .unwrap()
                .verify(&follower.shared.trust, standby.now())
                .unwrap_err()
        )
    );
}

/// What ends its thread ends the store's readiness, though lookups go on.
#[tokio::test]
async fn a_store_whose_writer_is_gone_is_not_ready() {
    let place = Place::new();
    let is_broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (broken, now) = (Arc::clone(&is_broken), place.clock());
    let clock: Clock = Arc::new(move || {
        assert!(!broken.load(Ordering::SeqCst), "the clock is broken");
        now()
    });
    let store = Store::open(&place.config(), clock).unwrap();
    assert_eq!(store.sweep(1).await, Ok(0));
    assert!(store.is_ready().await);
    is_broken.store(true, Ordering::SeqCst);
    assert_eq!(store.sweep(1).await, Err(PublishError::Failed));
    // The queue goes with the thread, a moment after the answer.
    let gone = async {
        while store.is_ready().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    assert_eq!(store.sweep(1).await, Err(PublishError::Busy));
}
