//! The real binary, several times over one cluster: publishers that insist, askers that turn to the other store when one fails them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::http::HttpClient;
use http::{Response, StatusCode, Uri};
use protocol::lookup::{Answer, LookupRequest};
use protocol::mapping::State;
use protocol::problem::ProblemType;
use protocol::{Timestamp, media};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Scene;
use crate::binary::{Binary, Process, wait_until_serving};
use crate::papers::{Paper, number, signed_removal};
use crate::place::{GATEWAY, PUBLISHER, Place, refused};

/// Numbers, each with a publisher of its own.
pub(super) const NUMBERS: u32 = 12;
const PUBLISHERS: u32 = 3;
const ASKERS: u32 = 3;
/// Numbers in every other lookup.
const TOGETHER: u32 = 6;
/// Credentials are as old as this, so that there is room for removals after them.
const AGE_SECONDS: u64 = 20_000;

/// A document, where it goes, and the receipt for it.
#[derive(Clone)]
pub(super) struct Post {
    path: &'static str,
    media_type: &'static str,
    bytes: Bytes,
}

/// What was published about one number: the mappings to be found after each document, from none.
#[derive(Default)]
struct Number {
    versions: Mutex<Vec<Vec<Vec<u8>>>>,
    /// The last version that was acknowledged.
    acknowledged: AtomicUsize,
}

/// What the publishers have been told, and the askers have seen.
#[derive(Default)]
pub(super) struct Told {
    numbers: [Number; NUMBERS as usize],
    receipts: Mutex<Vec<(Post, Bytes)>>,
    updates: watch::Sender<u64>,
    removals: AtomicU64,
    lookups: AtomicU64,
    /// Lookups that neither store answered.
    failed: AtomicU64,
    /// Requests that a store refused for the time being, and those that it did not answer at all.
    refused: AtomicU64,
    unanswered: AtomicU64,
    enough: AtomicBool,
}

/// Two stores at work.
pub(super) struct Stores {
    pub(super) told: Arc<Told>,
    pub(super) doors: [Arc<Door>; 2],
    binaries: [Binary; 2],
    processes: [Option<Process>; 2],
    tasks: Vec<JoinHandle<()>>,
}

/// The way to one store.
pub(super) struct Door {
    base: String,
    publisher: HttpClient,
    gateway: HttpClient,
}

impl Door {
    pub(super) fn of(place: &Place, binary: &Binary) -> Self {
        let (publisher, gateway) = (place.client(Some(PUBLISHER)), place.client(Some(GATEWAY)));
        Self { base: binary.base(), publisher, gateway }
    }

    fn uri(&self, path: &str) -> Uri {
        format!("{}{path}", self.base).parse().unwrap()
    }

    /// As a supervisor has it: a process that cannot start yet is started again.
    pub(super) async fn start(&self, binary: &Binary) -> Process {
        let mut process = binary.start(&[]);
        let serving = wait_until_serving(&self.publisher, &self.base);
        let watching = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if process.has_ended() {
                    println!("ended, and started again: {}", std::fs::read_to_string(binary.log()).unwrap());
                    process = binary.start(&[]);
                }
            }
        };
        tokio::select! { () = serving => {}, () = watching => {} }
        process
    }

    /// The receipt; or none where the store refused for the time being, or did not answer: then `count` hears which.
    pub(super) async fn publish(&self, post: &Post, count: impl FnOnce(bool)) -> Option<Bytes> {
        let answer = self.publisher.post(&self.uri(post.path), post.media_type, post.bytes.clone()).await;
        passing(answer.ok(), &[StatusCode::OK, StatusCode::CREATED], count)
    }

    /// The mappings of each number, likewise.
    pub(super) async fn lookup(&self, asked: &[u32], count: impl FnOnce(bool)) -> Option<Vec<Vec<Vec<u8>>>> {
        let request = LookupRequest::new(asked.iter().map(|n| number(*n)).collect(), None).unwrap();
        let answer = self.gateway.post(&self.uri("/v1/lookup"), media::CBOR, request.encode().into()).await;
        let body = passing(answer.ok(), &[StatusCode::OK], count)?;
        Some(Answer::decode(&body).unwrap().entries.into_iter().map(|entry| entry.mappings).collect())
    }
}

/// The body of an answer with one of these codes. Every other one says that it will pass, and when to come back.
fn passing(answer: Option<Response<Bytes>>, good: &[StatusCode], count: impl FnOnce(bool)) -> Option<Bytes> {
    match answer {
        Some(answer) if good.contains(&answer.status()) => return Some(answer.into_body()),
        Some(answer) => {
            refused(&answer, ProblemType::Unavailable);
            let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(seconds > 0);
            count(true);
        }
        None => count(false),
    }
    None
}

impl Post {
    pub(super) fn mapping(paper: &Paper) -> Self {
        Self { path: "/v1/mappings", media_type: media::AUTHENTICATED_MAPPING, bytes: paper.bytes().into() }
    }

    pub(super) fn removal(n: u32, issued_before: Timestamp) -> Self {
        let bytes = signed_removal(&number(n), issued_before).into();
        Self { path: "/v1/removals", media_type: media::REMOVAL, bytes }
    }
}

/// A time at which credentials can have been issued.
pub(super) fn earlier(place: &Place) -> Timestamp {
    Timestamp::from_seconds(place.now().seconds() - AGE_SECONDS)
}

/// `[store.cluster]`, as one who trusts `ca` and asks `nodes` first.
pub(super) fn settings(nodes: &[String], ca: &std::path::Path) -> String {
    format!("[store.cluster]\nnodes = {nodes:?}\nkeyspace = 'stores'\n[store.cluster.tls]\nca = '{}'\n", ca.display())
}

impl Told {
    fn count(&self, refused: bool) {
        let counter = if refused { &self.refused } else { &self.unanswered };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until that many more documents are acknowledged.
    pub(super) async fn more(&self, updates: u64) {
        super::more(&self.updates, updates).await;
    }

    pub(super) fn report(&self, when: &str) {
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        println!(
            "{when}: stores: {} documents acknowledged, of them {} removals; {} lookups, {} failed; requests refused: {}, not \
             answered: {}",
            *self.updates.borrow(),
            of(&self.removals),
            of(&self.lookups),
            of(&self.failed),
            of(&self.refused),
            of(&self.unanswered),
        );
    }

    /// The last versions of these numbers that were acknowledged.
    fn acknowledged(&self, asked: &[u32]) -> Vec<usize> {
        asked.iter().map(|n| self.numbers[*n as usize].acknowledged.load(Ordering::SeqCst)).collect()
    }

    /// Nothing that was overtaken before the question, nothing that nobody published.
    fn check(&self, asked: &[u32], least: &[usize], found: &[Vec<Vec<u8>>]) {
        assert_eq!(asked.len(), found.len());
        for ((n, least), found) in asked.iter().zip(least).zip(found) {
            let versions = self.numbers[*n as usize].versions.lock().unwrap();
            assert!(versions[*least..].contains(found), "a lookup of number {n} was answered wrongly");
        }
    }

    /// A lookup at a store; whether it was answered, rightly.
    pub(super) async fn look_up(&self, door: &Door, asked: &[u32]) -> bool {
        let least = self.acknowledged(asked);
        let found = door.lookup(asked, |refused| self.count(refused)).await;
        found.is_some_and(|found| {
            self.check(asked, &least, &found);
            true
        })
    }
}

/// Publishes, replaces, withdraws and removes the numbers `n` with `n % PUBLISHERS == publisher`.
async fn publish(doors: [Arc<Door>; 2], publisher: u32, issued: Timestamp, told: Arc<Told>) {
    let mut issued = [issued; NUMBERS as usize];
    for (seq, n) in
        (1..).flat_map(|seq| (0..NUMBERS).map(move |n| (seq, n))).filter(|(_, n)| n % PUBLISHERS == publisher)
    {
        let about = &told.numbers[n as usize];
        let at = &mut issued[n as usize];
        let paper = Paper { seq, issued: *at, ..Paper::of(n) };
        let is_removal = (seq + u64::from(n)).is_multiple_of(3);
        let (post, found) = match (is_removal, (seq + u64::from(n)) % 3) {
            (true, _) => {
                *at = Timestamp::from_seconds(at.seconds() + 1);
                (Post::removal(n, *at), Vec::new())
            }
            (false, 1) => (Post::mapping(&paper), vec![paper.bytes()]),
            (false, _) => (Post::mapping(&Paper { state: State::Withdrawn, ..paper }), Vec::new()),
        };
        about.versions.lock().unwrap().push(found);
        let mut turns = doors.iter().cycle().skip(usize::try_from(seq).unwrap() % 2);
        let receipt = loop {
            if told.enough.load(Ordering::Relaxed) {
                return;
            }
            // Whatever became of it at one store, the other has the last word on it.
            let door = turns.next().unwrap();
            if let Some(receipt) = door.publish(&post, |refused| told.count(refused)).await {
                break receipt;
            }
        };
        about.acknowledged.fetch_add(1, Ordering::SeqCst);
        told.receipts.lock().unwrap().push((post, receipt));
        told.removals.fetch_add(is_removal.into(), Ordering::SeqCst);
        told.updates.send_modify(|updates| *updates += 1);
    }
}

async fn ask(doors: [Arc<Door>; 2], asker: u32, told: Arc<Told>) {
    for turn in asker.. {
        if told.enough.load(Ordering::Relaxed) {
            return;
        }
        let together = if turn % 2 == 0 { 1 } else { TOGETHER };
        let asked: Vec<_> = (0..together).map(|more| (turn + more) % NUMBERS).collect();
        let [first, second] = &doors;
        let (first, second) = if turn / 2 % 2 == 0 { (first, second) } else { (second, first) };
        told.lookups.fetch_add(1, Ordering::SeqCst);
        if !told.look_up(first, &asked).await && !told.look_up(second, &asked).await {
            told.failed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Stores {
    pub(super) async fn start(place: &Place, scene: &Scene) -> Self {
        let cluster = settings(&scene.contact_points, &scene.all);
        let binaries = ["one", "two"].map(|name| Binary::of(place, name, &cluster));
        let made = binaries[0].run(&["schema", "--replication", "3", "--buckets", "8"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let told = Arc::new(Told::default());
        for number in &told.numbers {
            number.versions.lock().unwrap().push(Vec::new());
        }
        let doors = [0, 1].map(|which: usize| Arc::new(Door::of(place, &binaries[which])));
        let processes = [Some(doors[0].start(&binaries[0]).await), Some(doors[1].start(&binaries[1]).await)];
        let issued = earlier(place);
        let publishers = (0..PUBLISHERS).map(|n| tokio::spawn(publish(doors.clone(), n, issued, Arc::clone(&told))));
        let askers = (0..ASKERS).map(|n| tokio::spawn(ask(doors.clone(), n, Arc::clone(&told))));
        let tasks = publishers.chain(askers).collect();
        Self { told, doors, binaries, processes, tasks }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, which: usize) {
        self.processes[which].take().unwrap().kill();
    }

    pub(super) async fn start_again(&mut self, which: usize) {
        self.processes[which] = Some(self.doors[which].start(&self.binaries[which]).await);
    }

    /// Ends the work and looks for all that was acknowledged: at the store that was never killed, at the other one, and in the log.
    pub(super) async fn stop_and_check(self, scene: &Scene) {
        let Self { told, doors, binaries, processes, tasks } = self;
        told.enough.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        told.report("at the end");
        let asked: Vec<_> = (0..NUMBERS).collect();
        for door in &doors {
            assert!(told.look_up(door, &asked).await);
        }
        let receipts = told.receipts.lock().unwrap().clone();
        for ((post, receipt), door) in receipts.iter().zip(doors.iter().cycle()) {
            let again = door.publish(post, |_| {}).await;
            assert_eq!(again.as_ref(), Some(receipt), "the same document, the same receipt, whichever store is asked");
        }
        let (lookups, failed) = (told.lookups.load(Ordering::SeqCst), told.failed.load(Ordering::SeqCst));
        assert!(failed * 100 <= lookups, "{failed} of {lookups} lookups failed");
        drop(processes);
        // Both stores gone: records and log agree, every signature holds.
        scene.with_nodes(|_| {}).await;
        let verified = binaries[1].run(&["verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        println!("{} receipts are as they were", receipts.len());
    }
}
