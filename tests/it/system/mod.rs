//! The five parties as processes of their own, on different addresses, with clocks that differ by up to five minutes and a
//! fault proxy between every pair; and what holds whatever happens:
//!
//! - every acknowledged mapping is found, and verifies; every removed or withdrawn one is gone;
//! - nothing is accepted that its user has not signed;
//! - no party leaks memory or descriptors.
//!
//! An episode is one fault, during which users, MSPs and askers go on; it ends, and everybody is looked up.
//! `DISCOVERY_SYSTEM_MINUTES` sets how long (a little more than one without it), `DISCOVERY_SYSTEM_SEED` which faults in which order. The
//! counts are printed (`--nocapture`). Clocks need Debian's `libfaketime`; without it all are the same, and the test says so.

#![allow(clippy::print_stdout, reason = "the counts are for people to read")]

mod certificates;
mod hangup;
pub(crate) mod parties;
pub(crate) mod people;
mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use client::http::{Bounds, HttpClient, TlsIdentity};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio_rustls::rustls::{CertificateError, Error};

use crate::between::refusal;
use certificates::moment;
use parties::{MSPS, Settings, System, Who};
use people::{Contacts, People};
use proxy::Fault;

/// Changes in one episode; the fault ends after half of them, or after this time.
const CHANGES: usize = 40;
const FAULT: Duration = Duration::from_millis(2500);
/// Certificates are renewed so often, and hold so long: longer than until the next renewal is written and taken up.
const RENEWED_EVERY: Duration = Duration::from_secs(30);
const RENEWED_SECONDS: i64 = 130;
/// The first certificates have ended by then, and others are in use.
const SHORTEST: Duration = Duration::from_secs(76);
const YEAR: i64 = 365 * 24 * 3600;

/// What happens in an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// One link has a fault.
    Link(usize, Fault),
    /// All links have faults of their own.
    Storm,
    /// A party is killed, and comes back.
    Kill(Who),
    /// A party is stopped in order, and comes back.
    Restart(Who),
    /// The gateway has new HPKE keys.
    GatewayKeys,
    /// The prover has a new HPKE key.
    ProverHpke,
    /// The prover has a new signing key.
    ProverSigning,
    /// The store has a new hash key.
    HashKey,
    /// The certificate of a party ends before there is another.
    CertificateEnds(Who),
    /// An MSP's certificate ends before there is another.
    MspEnds,
}

impl Event {
    /// Each kind once, for those with a minute.
    fn first(rng: &mut StdRng) -> Vec<Self> {
        let mut faults = Fault::ALL;
        faults.shuffle(rng);
        let mut events: Vec<_> = faults.into_iter().enumerate().map(|(n, fault)| Self::Link(n % 5, fault)).collect();
        events.extend(Who::ALL.map(Self::Kill));
        let ended = Who::ALL[rng.random_range(0..4)];
        events.extend([Self::GatewayKeys, Self::ProverHpke, Self::ProverSigning, Self::HashKey, Self::Storm]);
        events.extend([Self::CertificateEnds(ended), Self::MspEnds]);
        events.shuffle(rng);
        // Those that end processes come first, from the end of the list.
        events.sort_by_key(|event| !event.leaves_all_running());
        events
    }

    /// Every kind at every place.
    fn all(rng: &mut StdRng) -> Vec<Self> {
        let mut events: Vec<_> = (0..5).flat_map(|link| Fault::ALL.map(|fault| Self::Link(link, fault))).collect();
        events.extend(
            Who::ALL.into_iter().flat_map(|who| [Self::Kill(who), Self::Restart(who), Self::CertificateEnds(who)]),
        );
        events.extend([Self::GatewayKeys, Self::ProverHpke, Self::ProverSigning, Self::HashKey, Self::MspEnds]);
        events.extend([Self::Storm; 6]);
        events.shuffle(rng);
        events
    }

    /// Whether no process ends by it: what leaks shows only in those that live long.
    const fn leaves_all_running(self) -> bool {
        matches!(
            self,
            Self::Link(..) | Self::Storm | Self::GatewayKeys | Self::ProverHpke | Self::HashKey | Self::MspEnds
        )
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// A running system, its people, and what happens to them.
struct Run {
    system: System,
    people: Arc<People>,
    rng: StdRng,
    renewed: Instant,
    begun: Instant,
}

impl Run {
    async fn start(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // Prover and store are 290 seconds apart, as far as honest clocks may be but for the time that things take.
        let ahead = if rng.random() { 145 } else { -145 };
        let settings = Settings { clocks: [ahead, -ahead, -ahead, ahead], patience_ms: 3000, ..Settings::default() };
        let system = System::start(seed, settings).await;
        if parties::faketime().is_none() {
            println!("SKIPPED: libfaketime is not installed, so all clocks are the same");
        }
        let people = Arc::new(People::new(&system));
        Self { system, people, rng, renewed: Instant::now() - RENEWED_EVERY, begun: Instant::now() }
    }

    /// One fault, all the work during and after it, and everybody looked up.
    async fn episode(&mut self, event: Event) {
        if self.renewed.elapsed() >= RENEWED_EVERY {
            self.renewed = Instant::now();
            for who in Who::ALL {
                self.system.renew_certificate(who, RENEWED_SECONDS);
            }
        }
        let through = Arc::new(AtomicUsize::new(0));
        let work = people::work(Arc::clone(&self.people), self.rng.random(), CHANGES, Arc::clone(&through));
        let work = tokio::spawn(work);
        self.befall(event, &through).await;
        for link in self.system.links() {
            link.set(Fault::None);
        }
        work.await.unwrap();
        self.people.look_everybody_up(&mut self.rng, false).await;
        self.people.look_up_by_command(&self.system, &mut self.rng).await;
        self.system.assert_all_running();
        self.system.measure();
    }

    async fn befall(&mut self, event: Event, through: &AtomicUsize) {
        match event {
            Event::Link(link, fault) => {
                self.system.links()[link].set(fault);
                if fault == Fault::Reorder {
                    // Only connections that are made anew can come in another order.
                    self.system.links()[link].reset();
                }
                half(through).await;
            }
            Event::Storm => {
                for link in self.system.links() {
                    link.set(Fault::ALL[self.rng.random_range(0..Fault::ALL.len())]);
                }
                half(through).await;
            }
            Event::Kill(who) => {
                some(through, 2).await;
                self.system.kill(who);
                self.system.run(who).await;
            }
            Event::Restart(who) => {
                some(through, 2).await;
                self.system.stop(who).await;
                self.system.run(who).await;
            }
            Event::GatewayKeys => {
                for changes in [1, 3] {
                    some(through, changes).await;
                    self.system.signal(Who::Gateway, "HUP");
                }
            }
            Event::ProverHpke => {
                self.system.command(Who::Prover, &["keys", "renew-hpke"]).await;
                some(through, 2).await;
                self.system.signal(Who::Prover, "HUP");
            }
            Event::ProverSigning => {
                self.system.announce_signing_key().await;
                self.people.connect(&self.system);
                some(through, 2).await;
                self.system.activate_signing_key().await;
            }
            Event::HashKey => {
                some(through, 2).await;
                self.system.command(Who::Store, &["rotate-hash-key"]).await;
            }
            Event::CertificateEnds(who) => self.certificate_ends(who).await,
            Event::MspEnds => self.msp_ends().await,
        }
    }

    /// A party is left with a certificate that ends: nobody talks to it, until it has another.
    async fn certificate_ends(&mut self, who: Who) {
        self.system.end_certificate(who, 4);
        let ends = Instant::now() + Duration::from_secs(5);
        self.system.stop(who).await;
        self.system.run(who).await;
        tokio::time::sleep(ends.saturating_duration_since(Instant::now())).await;
        for link in self.system.links() {
            link.reset();
        }
        // Whoever comes anew is not taken in by what has ended.
        if who == Who::Gateway {
            // It has ended by the relay's clock, and the relay does not talk to it.
            let asker = Contacts::new(&self.system);
            let nobody = protocol::cpi::Cpi::parse("mailto:nobody@example.com").unwrap();
            asker.asker.lookup(&[nobody], |_| ()).await.unwrap_err();
        } else {
            let ca = std::fs::read(self.system.authority.path()).unwrap();
            let (address, name) = (self.system.address(who), self.system.name(who));
            let refusal = refusal(address, &name, &ca).await;
            let ended = matches!(
                refusal,
                Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
            );
            assert!(ended, "{who:?}: {refusal}");
        }
        self.system.renew_certificate(who, RENEWED_SECONDS);
        self.system.stop(who).await;
        self.system.run(who).await;
    }

    async fn get(&self, url: &str) -> client::Error {
        let (ca_pem, client) =
            (std::fs::read(self.system.authority.path()).unwrap(), self.system.authority.pair(MSPS[0]));
        let identity = TlsIdentity { ca_pem, client: Some(client) };
        let http = HttpClient::new(&identity, Bounds::default()).unwrap();
        http.get(&url.parse().unwrap(), "*/*").await.unwrap_err()
    }

    /// An MSP comes with a certificate that has ended: the prover does not talk to it.
    async fn msp_ends(&mut self) {
        let names = [MSPS[0].to_owned()];
        let ended = moment(-10, self.system.clock(Who::Prover));
        self.system.authority.issue(MSPS[0], &names, ended);
        let error = self.get(&format!("{}/.well-known/id-prover", self.system.prover_url())).await;
        assert_eq!(error.fault, client::Fault::Network, "{error}");
        self.system.authority.issue(MSPS[0], &names, moment(YEAR, 0));
        self.people.connect(&self.system);
    }

    /// How often parties took up new certificates while they ran.
    fn reloads(&self) -> usize {
        Who::ALL.into_iter().map(|who| self.system.reloads(who, false)).sum()
    }

    /// What each party holds at the end is not much more than what it held when it had warmed up.
    fn assert_no_leaks(&self) -> usize {
        let mut judged = 0;
        for who in Who::ALL {
            let usage = self.system.usage(who);
            if usage.len() < 6 {
                println!("{who:?}: started anew {} episodes before the end, too few to judge", usage.len());
                continue;
            }
            judged += 1;
            // The least of the last few: what is held for a moment is no leak.
            let (warm, last) = (&usage[1..usage.len() / 2], &usage[usage.len() - 3..]);
            let descriptors = (warm.iter().map(|at| at.descriptors).max(), last.iter().map(|at| at.descriptors).min());
            let resident = (warm.iter().map(|at| at.resident_kib).max(), last.iter().map(|at| at.resident_kib).min());
            let (Some(warm_fds), Some(last_fds), Some(warm_kib), Some(last_kib)) =
                (descriptors.0, descriptors.1, resident.0, resident.1)
            else {
                unreachable!("there are six")
            };
            println!(
                "{who:?}: {} episodes; descriptors {warm_fds} warmed up, {last_fds} at the end; resident {} MiB, {} MiB",
                usage.len(),
                warm_kib / 1024,
                last_kib / 1024
            );
            // The store's database has more files as it grows.
            assert!(last_fds <= warm_fds * 5 / 4 + 24, "{who:?} leaks descriptors: {usage:?}");
            assert!(last_kib <= warm_kib * 3 / 2 + 32 * 1024, "{who:?} leaks memory: {usage:?}");
        }
        judged
    }
}

/// Until so many changes are through, or the time of a fault is over.
async fn some(through: &AtomicUsize, changes: usize) {
    let reached = async {
        while through.load(Relaxed) < changes {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // A fault may let nothing through: then its time is what ends it.
    let _ = tokio::time::timeout(FAULT, reached).await;
}

async fn half(through: &AtomicUsize) {
    some(through, CHANGES / 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_holds_through_faults() {
    let seed = number("DISCOVERY_SYSTEM_SEED").unwrap_or(1);
    let minutes = number("DISCOVERY_SYSTEM_MINUTES");
    let least = minutes.map_or(SHORTEST, |minutes| Duration::from_secs(60 * minutes));
    let mut run = Run::start(seed).await;
    let mut events = Event::first(&mut run.rng);
    let (mut kinds, mut episodes) = (std::collections::BTreeMap::<String, usize>::new(), 0_usize);
    // Each kind of fault once, and then until the time is over.
    let at_least = events.len();
    while episodes < at_least || run.begun.elapsed() < least || run.reloads() == 0 {
        // The last third of a long run, and what follows once each kind has been in a short one, ends no process: what leaks has
        // the time to show, and certificates are taken up by those that run.
        let calm = match minutes {
            Some(_) => run.begun.elapsed() > least * 2 / 3,
            None => episodes >= at_least,
        };
        let event = loop {
            match events.pop() {
                Some(event) if calm && !event.leaves_all_running() => {}
                Some(event) => break event,
                None => events = Event::all(&mut run.rng),
            }
        };
        let kind = format!("{event:?}");
        let began = Instant::now();
        run.episode(event).await;
        *kinds.entry(kind.split(['(', ' ']).next().unwrap().to_owned()).or_default() += 1;
        episodes += 1;
        println!(
            "{:>6.1} s  episode {episodes}: {event:?}, {:.1} s",
            run.begun.elapsed().as_secs_f32(),
            began.elapsed().as_secs_f32()
        );
    }
    run.people.look_everybody_up(&mut run.rng, true).await;
    println!("seed {seed}; {episodes} episodes in {:.0} s: {kinds:?}", run.begun.elapsed().as_secs_f32());
    println!("{} people; {}", run.people.count(), run.people.counts);
    println!("links: {}", run.system.done);
    println!("certificates taken up by running parties: {}", run.reloads());
    let judged = run.assert_no_leaks();
    assert!(judged > 0 || minutes.is_none(), "no party ran for long enough");
    let database = run.system.verify_database().await;
    println!("database: {database}");
    assert!(database.ends_with(" 0 faults"), "{database}");
    let trail = run.system.command(Who::Prover, &["audit"]).await;
    println!("prover: {}", trail.lines().collect::<Vec<_>>().join("; "));
    let counts = &run.people.counts;
    for count in [&counts.published, &counts.withdrawn, &counts.exact, &counts.forged, &counts.again] {
        assert!(count.load(Relaxed) > 0, "nothing of a kind was done: {counts:?}");
    }
}
