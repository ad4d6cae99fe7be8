//! Users, their MSPs, and those who look them up; and what must be found of each, to the document.
//!
//! Every change is sent until it is acknowledged, octet for octet the same. From its start to its acknowledgement either state
//! may be found; after it, only the new one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use client::enrollment::{Enrolled, Requested, Wish};
use client::http::{Bounds, HttpClient, TlsIdentity};
use client::lookup::{Client, Found};
use client::msp::{ProverConnection, StoreConnection};
use client::trust::Trust;
use discovery::enroll::now;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME};
use protocol::enrollment::{Code, EnrollmentId};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::problem::ProblemType;
use protocol::removal::Removal;
use protocol::{Signed, SigningKey, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use super::parties::{ISSUER, MSPS, PROVER, PROVIDER, System};

/// No more people than these at once, but for those whose identifiers were taken back: they stay gone.
const PEOPLE: usize = 400;
/// So many of the latter are looked up between episodes; all of them at the end.
const GONE: usize = 192;
/// How long anything may take to be acknowledged, faults and all.
const PATIENCE: Duration = Duration::from_secs(150);
const PAUSE: Duration = Duration::from_millis(60);

type Hash = [u8; 32];

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) enrolled: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) withdrawn: AtomicU64,
    pub(crate) removed: AtomicU64,
    pub(crate) taken_over: AtomicU64,
    /// Requests that got no answer, or a passing one, and were sent again.
    pub(crate) again: AtomicU64,
    pub(crate) lookups: AtomicU64,
    /// Lookups without an answer.
    pub(crate) unanswered: AtomicU64,
    /// Answers for one CPI that were held to the document to what is acknowledged.
    pub(crate) exact: AtomicU64,
    /// Answers for one CPI that was being changed: held to what its users ever signed.
    pub(crate) under_way: AtomicU64,
    pub(crate) mappings: AtomicU64,
    pub(crate) forged: AtomicU64,
    pub(crate) forged_unanswered: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |count: &AtomicU64| count.load(Relaxed);
        writeln!(
            f,
            "acknowledged: {} credentials, {} mappings, {} withdrawals, {} removals, {} takeovers; {} requests sent again",
            of(&self.enrolled),
            of(&self.published),
            of(&self.withdrawn),
            of(&self.removed),
            of(&self.taken_over),
            of(&self.again)
        )?;
        writeln!(
            f,
            "looked up: {} questions and {} without answer; of identifiers {} as acknowledged, {} while they were changed; \
             {} mappings, all verified; {} by the command",
            of(&self.lookups),
            of(&self.unanswered),
            of(&self.exact),
            of(&self.under_way),
            of(&self.mappings),
            of(&self.commands)
        )?;
        write!(
            f,
            "forgeries: {} refused, {} without answer; {} old documents replayed to no effect",
            of(&self.forged),
            of(&self.forged_unanswered),
            of(&self.replayed)
        )
    }
}

/// Connections, and whom to trust.
pub(crate) struct Contacts {
    pub(crate) trust: Trust,
    prover: [ProverConnection; 2],
    store: [StoreConnection; 2],
    pub(crate) asker: Client,
}

impl Contacts {
    pub(crate) fn new(system: &System) -> Self {
        let trust = system.trust();
        let receipt_key = trust.provider.receipt_key;
        let bounds = Bounds { timeout: system.patience() + Duration::from_secs(2), ..Bounds::default() };
        let ca_pem = std::fs::read(system.authority.path()).unwrap();
        let https = MSPS.map(|msp| {
            let client = Some(system.authority.pair(msp));
            HttpClient::new(&TlsIdentity { ca_pem: ca_pem.clone(), client }, bounds).unwrap()
        });
        let lookup = format!("https://{PROVIDER}/v1/lookup");
        let [relay, keys, lookup] =
            [system.relay_url(), system.keys_url(), lookup].map(|url| url.parse::<http::Uri>().unwrap());
        let asker = Client::builder(relay, keys, lookup, trust.clone(), ca_pem).bounds(bounds).build().unwrap();
        Self {
            prover: [0, 1].map(|msp| ProverConnection::new(https[msp].clone(), &system.prover_url())),
            store: [0, 1].map(|msp| StoreConnection::new(https[msp].clone(), &system.store_url(), receipt_key)),
            trust,
            asker,
        }
    }
}

impl Contacts {
    /// The mapping store, as the first MSP reaches it.
    pub(crate) fn store(&self) -> &StoreConnection {
        &self.store[0]
    }
}

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

    /// Asks for a few people at once, and holds the answer to what was acknowledged. It may be lost.
    pub(crate) async fn look_up_some(&self, rng: &mut StdRng) {
        let mut people = BTreeMap::new();
        for _ in 0..rng.random_range(1..9) {
            if let Some(person) = self.any(rng) {
                people.insert(person.cpi.clone(), person);
            }
        }
        if people.is_empty() {
            return tokio::time::sleep(PAUSE).await;
        }
        let people: Vec<_> = people.into_values().collect();
        let before: Vec<_> = people.iter().map(|person| person.expected()).collect();
        let cpis: Vec<_> = people.iter().map(|person| person.cpi.clone()).collect();
        let Ok(found) = self.contacts().asker.lookup(&cpis, |_| ()).await else {
            self.counts.unanswered.fetch_add(1, Relaxed);
            return tokio::time::sleep(PAUSE).await;
        };
        self.counts.lookups.fetch_add(1, Relaxed);
        for ((person, found), before) in people.iter().zip(&found).zip(before) {
            self.judge(person, found, &before);
        }
    }

    /// Everybody is looked up and held to what was acknowledged: nobody is being changed. Of those whose identifiers were taken
    /// back, some, unless it is the end.
    pub(crate) async fn look_everybody_up(&self, rng: &mut StdRng, is_end: bool) {
        let mut people: Vec<_> = self.people.read().unwrap().clone();
        people.shuffle(rng);
        let mut gone = 0;
        people.retain(|person| {
            gone += usize::from(person.removed.load(Relaxed));
            is_end || gone <= GONE || !person.removed.load(Relaxed)
        });
        for people in people.chunks(64) {
            let cpis: Vec<_> = people.iter().map(|person| person.cpi.clone()).collect();
            let ask = |contacts: Arc<Contacts>| {
                let cpis = cpis.clone();
                async move { contacts.asker.lookup(&cpis, |_| ()).await }
            };
            let found = self.insist("a lookup", ask).await;
            self.counts.lookups.fetch_add(1, Relaxed);
            for (person, found) in people.iter().zip(&found) {
                let expected = person.expected();
                assert!(expected.settled.is_some(), "somebody is still being changed");
                self.judge(person, found, &expected);
            }
        }
    }

    /// Nothing but what users have signed, and, if nothing was being changed meanwhile, exactly what is acknowledged.
    fn judge(&self, person: &Person, found: &Found, before: &Expected) {
        assert_eq!(found.cpi, person.cpi);
        assert!(found.agrees(), "the provider serves what does not count: {:?}", found.refused);
        let hashes: BTreeSet<Hash> = found.mappings.iter().map(VerifiedMapping::hash).collect();
        let signed = self.signed.lock().unwrap();
        assert!(hashes.iter().all(|hash| signed.contains(hash)), "a mapping was accepted that nobody has signed");
        drop(signed);
        self.counts.mappings.fetch_add(hashes.len() as u64, Relaxed);
        match &before.settled {
            Some(settled) if before.version == person.expected().version => {
                let acknowledged: BTreeSet<Hash> = settled.keys().copied().collect();
                assert_eq!(hashes, acknowledged, "what is found is not what was acknowledged");
                self.counts.exact.fetch_add(1, Relaxed);
            }
            _ => drop(self.counts.under_way.fetch_add(1, Relaxed)),
        }
    }

    /// Publications that nobody may make.
    pub(crate) async fn forge(&self, rng: &mut StdRng) {
        let Some(person) = self.any(rng) else { return };
        let Ok(holdings) = person.holdings.try_lock() else { return };
        let Some(holding) = holdings.first() else { return };
        let stranger = SigningKey::generate(&mut rand::rng());
        let credential = holding.enrolled.credential();
        let mapping = Mapping {
            cpi: person.cpi.clone(),
            reachability: Reachability::At { msp: Msp::from_domain(MSPS[holding.msp]).unwrap(), psi: None },
            tags: Tags::new(["Forged"]).unwrap(),
            seq: holding.seq + 100,
            credential_hash: credential.hash(),
            fresh: true,
            state: State::Live,
            issued_at: now(),
            expires_at: credential.document().expires_at,
        };
        let removal = |by: &SigningKey, issuer: &str| {
            let (cpi, issued_before) = (person.cpi.clone(), now());
            let removal = Removal { issuer: issuer.to_owned(), cpi, issued_before, issued_at: now() };
            Signed::sign(removal, by).bytes().to_vec()
        };
        let contacts = self.contacts();
        let store = &contacts.store[holding.msp];
        let answer = match rng.random_range(0..5) {
            0 => store.publish(&VerifiedMapping::encode(credential, &Signed::sign(mapping, &stranger))).await,
            1 => {
                // A prover that nobody trusts, under the name of one that is.
                let theirs = CpiCredential { user_key: stranger.public(), ..credential.document().clone() };
                let theirs = Signed::sign(theirs, &stranger);
                let mapping = Mapping { credential_hash: theirs.hash(), ..mapping };
                store.publish(&VerifiedMapping::encode(&theirs, &Signed::sign(mapping, &stranger))).await
            }
            2 => {
                let mut bytes = self.sign(holding, State::Live, false, rng);
                self.signed.lock().unwrap().remove(&hash(&bytes));
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
                store.publish(&bytes).await
            }
            3 => store.remove(&removal(&stranger, ISSUER)).await,
            _ => store.remove(&removal(&self.issuer, "other.example")).await,
        };
        match answer {
            Ok(_) => panic!("a forgery was taken"),
            Err(error) => match error.problem.map(|problem| problem.problem_type) {
                Some(
                    ProblemType::InvalidSignature
                    | ProblemType::UntrustedProver
                    | ProblemType::Malformed
                    | ProblemType::NotTheIssuer,
                ) => self.counts.forged.fetch_add(1, Relaxed),
                None => self.counts.forged_unanswered.fetch_add(1, Relaxed),
                Some(ProblemType::Unavailable) => self.counts.forged_unanswered.fetch_add(1, Relaxed),
                Some(other) => panic!("a forgery is refused for another reason: {other:?}"),
            },
        };
        // What was published once and is so no more proves itself still, and changes nothing.
        if let Some(live) = &holding.live
            && store.publish(live).await.is_ok()
        {
            self.counts.replayed.fetch_add(1, Relaxed);
        }
    }

    /// The `discovery` command, as a user runs it, finds what was acknowledged of somebody.
    pub(crate) async fn look_up_by_command(&self, system: &System, rng: &mut StdRng) {
        let Some(person) = self.any(rng) else { return };
        let trust = system.path("trust.toml");
        std::fs::write(&trust, system.trust().to_toml()).unwrap();
        let saved = tempfile::tempdir().unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_discovery"));
        let lookup = format!("https://{PROVIDER}/v1/lookup");
        command.args(["lookup", "--relay", &system.relay_url(), "--lookup", &lookup]);
        command.arg("--trust").arg(trust).arg("--ca").arg(system.authority.path());
        command.arg("--save").arg(saved.path()).arg(person.cpi.as_str()).env("HOME", saved.path());
        let output = command.output().await.unwrap();
        let expected = person.expected().settled.unwrap();
        let wanted = i32::from(expected.is_empty());
        assert_eq!(output.status.code(), Some(wanted), "{output:?}");
        let documents = files(saved.path()).into_iter().map(|path| hash(&std::fs::read(path).unwrap()));
        let documents: BTreeSet<Hash> = documents.collect();
        assert_eq!(documents, expected.keys().copied().collect(), "{output:?}");
        self.counts.commands.fetch_add(1, Relaxed);
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

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "mapping")).collect()
}
