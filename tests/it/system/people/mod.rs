//! Users, their MSPs, and those who look them up; and what must be found of each, to the document.
//!
//! Every change is sent until it is acknowledged, octet for octet the same. From its start to its acknowledgement either state
//! may be found; after it, only the new one.

mod contacts;
mod counts;
mod forgeries;
mod lookups;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use client::enrollment::{Enrolled, Requested, Wish};
use discovery::enroll::now;
use protocol::cpi::Cpi;
use protocol::credential::DEFAULT_LIFETIME;
use protocol::enrollment::{Code, EnrollmentId};
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

pub(crate) use contacts::Contacts;
use counts::Counts;

use super::parties::{ISSUER, MSPS, PROVER, System};

/// No more people than these at once, but for those whose identifiers were taken back: they stay gone.
const PEOPLE: usize = 400;
/// How long anything may take to be acknowledged, faults and all.
const PATIENCE: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(60);

type Hash = [u8; 32];

/// What one user has published.
pub(crate) struct First {
    pub(crate) enrolled: Enrolled,
    pub(crate) bytes: Vec<u8>,
    pub(crate) issued_at: Timestamp,
}

/// A mapping of a person's at an MSP, or its place.
#[derive(Clone)]
struct Holding {
    msp: usize,
    key: Arc<SigningKey>,
    enrolled: Enrolled,
    seq: u64,
    /// What is to be found.
    live: Option<Vec<u8>>,
}

/// What must be found of an identifier.
#[derive(Clone, Default)]
struct Expected {
    version: u64,
    /// `None` while it is being changed.
    settled: Option<BTreeMap<Hash, usize>>,
}

struct Person {
    cpi: Cpi,
    holdings: tokio::sync::Mutex<Vec<Holding>>,
    expected: Mutex<Expected>,
    removed: std::sync::atomic::AtomicBool,
}

/// Everybody.
pub(crate) struct People {
    pub(crate) counts: Counts,
    contacts: RwLock<Arc<Contacts>>,
    people: RwLock<Vec<Arc<Person>>>,
    /// Of every document that a user has signed.
    signed: Mutex<HashSet<Hash>>,
    issuer: SigningKey,
    outbox: PathBuf,
    born: AtomicUsize,
}

impl People {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            counts: Counts::default(),
            contacts: RwLock::new(Arc::new(Contacts::new(system))),
            people: RwLock::default(),
            signed: Mutex::default(),
            issuer: SigningKey::from_seed(&system.issuer.to_seed()),
            outbox: system.path("outbox"),
            born: AtomicUsize::new(0),
        }
    }

    pub(crate) fn contacts(&self) -> Arc<Contacts> {
        Arc::clone(&self.contacts.read().unwrap())
    }

    /// New connections, under the certificates and to the keys of now.
    pub(crate) fn connect(&self, system: &System) {
        *self.contacts.write().unwrap() = Arc::new(Contacts::new(system));
    }

    pub(crate) fn count(&self) -> usize {
        self.people.read().unwrap().len()
    }

    fn any(&self, rng: &mut StdRng) -> Option<Arc<Person>> {
        let people = self.people.read().unwrap();
        (!people.is_empty()).then(|| Arc::clone(&people[rng.random_range(0..people.len())]))
    }

    fn living(&self) -> usize {
        self.count() - usize::try_from(self.counts.removed.load(Relaxed)).unwrap()
    }

    /// Tries until there is an answer. What is right is not refused, whatever goes wrong on the way.
    async fn insist<T, F>(&self, what: &str, mut attempt: impl FnMut(Arc<Contacts>) -> F) -> T
    where
        F: Future<Output = Result<T, client::Error>>,
    {
        let begun = Instant::now();
        loop {
            match attempt(self.contacts()).await {
                Ok(done) => return done,
                Err(error) => {
                    let refused = error.problem.is_some() && !error.is_passing();
                    assert!(!refused, "{what} is refused: {error}");
                    assert!(begun.elapsed() < PATIENCE, "{what} is not acknowledged, last by: {error}");
                    self.counts.again.fetch_add(1, Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The latest message of an enrollment.
    fn code(&self, id: &EnrollmentId) -> Code {
        let (end, entries) = (format!("-{id}"), std::fs::read_dir(&self.outbox).unwrap());
        let paths = entries.map(|entry| entry.unwrap().path());
        let of_it = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(&end) && !name.starts_with('.')
        };
        let latest = paths.filter(of_it).max().expect("the message is handed over before the challenge");
        let text = std::fs::read_to_string(latest).unwrap();
        Code::parse(text.lines().find_map(|line| line.strip_prefix("Code: ")).unwrap()).unwrap()
    }

    fn sweep(&self, id: &EnrollmentId) {
        let end = format!("-{id}");
        for entry in std::fs::read_dir(&self.outbox).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().ends_with(&end) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    async fn enroll(&self, cpi: &Cpi, msp: usize, key: &SigningKey) -> Enrolled {
        let at = Msp::from_domain(MSPS[msp]).unwrap();
        let requested = Requested::begin(cpi.clone(), at, PROVER, key, now(), &mut rand::rng());
        let request = requested.bytes().to_vec();
        let challenge = self
            .insist("a request", |contacts| {
                let request = request.clone();
                async move { contacts.prover[msp].request(&request).await }
            })
            .await;
        let challenged = requested.challenged(&challenge, &self.contacts().trust.provers, now()).unwrap();
        let id = *challenged.id();
        let proof = challenged.prove(&self.code(&id), &mut rand::rng()).unwrap();
        let credential = self
            .insist("a proof", |contacts| {
                let proof = proof.clone();
                async move { contacts.prover[msp].proof(&id, &proof).await }
            })
            .await;
        self.sweep(&id);
        self.counts.enrolled.fetch_add(1, Relaxed);
        challenged.credential(&credential, &self.contacts().trust.provers).unwrap()
    }

    /// Signs the next mapping of a holding.
    fn sign(&self, holding: &Holding, state: State, fresh: bool, rng: &mut StdRng) -> Vec<u8> {
        let msp = Msp::from_domain(MSPS[holding.msp]).unwrap();
        let wish = Wish {
            reachability: Reachability::At { msp, psi: None },
            tags: Tags::new([format!("Tag{}", rng.random::<u16>())]).unwrap(),
            seq: holding.seq + 1,
            fresh,
            state,
            lifetime: DEFAULT_LIFETIME,
        };
        let bytes = holding.enrolled.map(wish, &holding.key, now()).unwrap();
        self.signed.lock().unwrap().insert(hash(&bytes));
        bytes
    }

    async fn publish(&self, msp: usize, bytes: &[u8]) {
        let publish = |contacts: Arc<Contacts>| {
            let bytes = bytes.to_vec();
            async move { contacts.store[msp].publish(&bytes).await }
        };
        self.insist("a publication", publish).await;
    }

    /// Somebody enrolls at the first MSP, and publishes a first mapping.
    pub(crate) async fn published(&self, cpi: &str, key: &SigningKey) -> First {
        let enrolled = self.enroll(&Cpi::parse(cpi).unwrap(), 0, key).await;
        let key = Arc::new(SigningKey::from_seed(&key.to_seed()));
        let mut holding = Holding { msp: 0, key, enrolled, seq: 0, live: None };
        self.renew(&mut holding, State::Live, false, &mut StdRng::seed_from_u64(0)).await;
        let issued_at = holding.enrolled.credential().document().issued_at;
        First { enrolled: holding.enrolled, bytes: holding.live.unwrap(), issued_at }
    }

    /// Signs and publishes the next mapping of a holding.
    async fn renew(&self, holding: &mut Holding, state: State, fresh: bool, rng: &mut StdRng) {
        let bytes = self.sign(holding, state, fresh, rng);
        self.publish(holding.msp, &bytes).await;
        holding.seq += 1;
        holding.live = (state == State::Live).then_some(bytes);
        let count = if state == State::Live { &self.counts.published } else { &self.counts.withdrawn };
        count.fetch_add(1, Relaxed);
    }

    async fn be_born(&self, rng: &mut StdRng) {
        let number = self.born.fetch_add(1, Relaxed);
        let cpi = if number.is_multiple_of(2) {
            format!("tel:+4915{:09}", 100_000_000 + number)
        } else {
            format!("mailto:user{number}@example.com")
        };
        let person = Arc::new(Person {
            cpi: Cpi::parse(&cpi).unwrap(),
            holdings: tokio::sync::Mutex::default(),
            expected: Mutex::new(Expected::default()),
            removed: false.into(),
        });
        self.people.write().unwrap().push(Arc::clone(&person));
        let mut holdings = person.holdings.lock().await;
        let (msp, key) = (rng.random_range(0..2), Arc::new(SigningKey::generate(&mut rand::rng())));
        let enrolled = self.enroll(&person.cpi, msp, &key).await;
        let mut holding = Holding { msp, key, enrolled, seq: 0, live: None };
        self.renew(&mut holding, State::Live, false, rng).await;
        holdings.push(holding);
        person.settle(&holdings);
    }

    /// One change of one person, until it is acknowledged; `false` if whoever was picked cannot be changed at present.
    pub(crate) async fn change(&self, rng: &mut StdRng) -> bool {
        let living = self.living();
        if living < PEOPLE && (living < 8 || rng.random_bool(0.3)) {
            self.be_born(rng).await;
            return true;
        }
        let Some(person) = self.any(rng) else { return false };
        let Ok(mut holdings) = person.holdings.try_lock() else { return false };
        if person.removed.load(Relaxed) || holdings.is_empty() {
            return false;
        }
        person.unsettle();
        let at = rng.random_range(0..holdings.len());
        match rng.random_range(0..100) {
            0..40 => self.renew(&mut holdings[at], State::Live, false, rng).await,
            40..60 => self.renew(&mut holdings[at], State::Withdrawn, false, rng).await,
            60..72 => {
                // The same key at the other MSP, or its credential anew.
                let (key, msp) = (Arc::clone(&holdings[at].key), rng.random_range(0..2));
                let enrolled = self.enroll(&person.cpi, msp, &key).await;
                let same =
                    holdings.iter_mut().find(|holding| holding.msp == msp && holding.key.public() == key.public());
                if let Some(holding) = same {
                    holding.enrolled = enrolled;
                    self.renew(holding, State::Live, false, rng).await;
                } else {
                    let mut holding = Holding { msp, key, enrolled, seq: 0, live: None };
                    self.renew(&mut holding, State::Live, false, rng).await;
                    holdings.push(holding);
                }
            }
            72..80 if holdings.len() < 6 => {
                // Somebody else beside the holder.
                let (key, msp) = (Arc::new(SigningKey::generate(&mut rand::rng())), rng.random_range(0..2));
                let enrolled = self.enroll(&person.cpi, msp, &key).await;
                let mut holding = Holding { msp, key, enrolled, seq: 0, live: None };
                self.renew(&mut holding, State::Live, false, rng).await;
                // Who was here before withdraws, so that there are never too many.
                self.renew(&mut holdings[at], State::Withdrawn, false, rng).await;
                holdings.push(holding);
            }
            72..92 => self.take_over(&person, &mut holdings, rng).await,
            _ => self.remove(&person, &mut holdings).await,
        }
        person.settle(&holdings);
        true
    }

    /// The number has a new holder, who says so.
    async fn take_over(&self, person: &Person, holdings: &mut Vec<Holding>, rng: &mut StdRng) {
        let (key, msp) = (Arc::new(SigningKey::generate(&mut rand::rng())), rng.random_range(0..2));
        let latest = holdings.iter().map(|holding| holding.enrolled.credential().document().issued_at).max();
        let enrolled = loop {
            let enrolled = self.enroll(&person.cpi, msp, &key).await;
            // Times are whole seconds: it must be later than what it overtakes.
            if Some(enrolled.credential().document().issued_at) > latest {
                break enrolled;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let mut holding = Holding { msp, key, enrolled, seq: 0, live: None };
        self.renew(&mut holding, State::Live, true, rng).await;
        *holdings = vec![holding];
        self.counts.taken_over.fetch_add(1, Relaxed);
    }

    /// The issuer takes the identifier back.
    async fn remove(&self, person: &Person, holdings: &mut Vec<Holding>) {
        let latest = holdings.iter().map(|holding| holding.enrolled.credential().document().issued_at).max().unwrap();
        let removal = Removal {
            issuer: ISSUER.to_owned(),
            cpi: person.cpi.clone(),
            issued_before: latest.plus(Duration::from_secs(1)),
            issued_at: now(),
        };
        let removal = Signed::sign(removal, &self.issuer).bytes().to_vec();
        let remove = |contacts: Arc<Contacts>| {
            let removal = removal.clone();
            async move { contacts.store[0].remove(&removal).await }
        };
        self.insist("a removal", remove).await;
        person.removed.store(true, Relaxed);
        holdings.clear();
        self.counts.removed.fetch_add(1, Relaxed);
    }
}

impl Person {
    fn expected(&self) -> Expected {
        self.expected.lock().unwrap().clone()
    }

    fn unsettle(&self) {
        let mut expected = self.expected.lock().unwrap();
        expected.version += 1;
        expected.settled = None;
    }

    fn settle(&self, holdings: &[Holding]) {
        let live = holdings.iter().filter_map(|holding| Some((hash(holding.live.as_ref()?), holding.msp)));
        let mut expected = self.expected.lock().unwrap();
        expected.version += 1;
        expected.settled = Some(live.collect());
    }
}

/// Everybody does something, until `budget` changes are through; the others look people up.
pub(crate) async fn work(people: Arc<People>, seed: u64, budget: usize, through: Arc<AtomicUsize>) {
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..3 {
        let (people, through) = (Arc::clone(&people), Arc::clone(&through));
        tasks.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed ^ (writer << 32));
            while through.load(Relaxed) < budget {
                if people.change(&mut rng).await {
                    through.fetch_add(1, Relaxed);
                } else {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    for looker in 10..12 {
        let (people, through) = (Arc::clone(&people), Arc::clone(&through));
        tasks.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed ^ (looker << 32));
            while through.load(Relaxed) < budget {
                people.look_up_some(&mut rng).await;
                if rng.random_bool(0.2) {
                    people.forge(&mut rng).await;
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
