//! A contact book of 10,000 through the real chain: relay, gateway and store in a process of their own, TLS on every hop, every
//! answer verified. Prints what the client takes: wall time, processor time, peak memory.
//!
//! `cargo bench --bench contact_book`, or, with what the tests have built, `cargo test --workspace --bench contact_book`. Fails if
//! an answer is missing or wrong; says nothing of how fast it has to be.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement fails by panicking, and prints")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::cache::{Cache, Freshness};
use discovery::codes::{CodeSource, Outbox};
use discovery::enroll::{Desk, MAPPING_LIFETIME};
use discovery::settings::Settings;
use discovery::stack::Description;
use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::mapping::{Reachability, State, Tags};
use protocol::mimi_uri::Msp;

const BOOK: usize = 10_000;
const ENROLLED: usize = 100;
/// How far apart in the book those who are enrolled are.
const SPACING: usize = BOOK / ENROLLED;
/// Clock ticks a second in `/proc` (USER_HZ).
const TICKS: u64 = 100;

/// A stack in a process of its own; it ends with this one.
struct Up(Child);

impl Up {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_discovery"))
            .args(["up", "--dir", "stack"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("The stack is up: "), "{line}");
        Self(child)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What this process has taken so far.
struct Taken {
    start: Instant,
    processor: Duration,
}

impl Taken {
    /// From here on; the peak of memory is counted anew.
    fn from_here() -> Self {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Self { start: Instant::now(), processor: processor() }
    }

    fn print(&self, what: &str) {
        let (wall, processor) = (self.start.elapsed(), processor() - self.processor);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
        println!("{what:34} {wall:>8.2?} wall, {processor:>8.2?} processor, {} MiB at most", kib / 1024);
    }
}

/// User and system time: the fields 14 and 15 of `/proc/self/stat` (proc_pid_stat(5)).
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// A contact: telephone numbers, and among them email addresses, every one of which can be enrolled.
fn contact(index: usize) -> Cpi {
    let text = match index % SPACING {
        0 => format!("mailto:contact{index}@example.com"),
        _ => format!("tel:+1415{index:07}"),
    };
    Cpi::parse(&text).unwrap()
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let _up = Up::start(folder.path());
    let description = Description::read(&folder.path().join("stack/stack.json")).unwrap();
    let msp = Msp::parse(&description.msp).unwrap();
    let desk = Desk::open(&description, msp.clone(), &description.msp_identity()).unwrap();
    let codes = CodeSource::Outbox(Outbox::new(&description.outbox));
    for index in 0..ENROLLED {
        let key = SigningKey::generate(&mut rand::rng());
        let enrolled = desk.enroll(&contact(index * SPACING), &key, &codes).await.unwrap();
        let wish = client::enrollment::Wish {
            reachability: Reachability::At { msp: msp.clone(), psi: None },
            tags: Tags::new(["Default"]).unwrap(),
            seq: 1,
            fresh: false,
            state: State::Live,
            lifetime: MAPPING_LIFETIME,
        };
        desk.publish(&enrolled, wish, &key).await.unwrap();
    }

    let book: Vec<Cpi> = (0..BOOK).map(contact).collect();
    let asker = Settings::of(&description).client().unwrap().build().unwrap();
    let taken = Taken::from_here();
    let found = asker.lookup(&book, |_| ()).await.unwrap();
    taken.print(&format!("lookup of {BOOK}, {ENROLLED} enrolled"));
    assert_eq!(found.len(), BOOK);
    assert_eq!(found.iter().filter(|found| found.mappings.len() == 1).count(), ENROLLED);
    assert!(found.iter().all(client::Found::agrees));
    drop(found);

    let asker = Settings::of(&description).client().unwrap().build().unwrap();
    let file = folder.path().join("cache");
    for (what, asked) in [("first synchronisation", BOOK), ("second, with everything fresh", 0)] {
        let taken = Taken::from_here();
        let mut cache = Cache::load(&file, Freshness::default()).unwrap();
        let synced = asker.sync(&book, &mut cache, |_| ()).await;
        cache.save(&file).unwrap();
        taken.print(what);
        assert_eq!((synced.progress.answered, synced.interrupted), (asked, None));
    }
}
