//! `load-guard check` counts the instructions of hot paths and compares them with the record; `load-guard record` records them.
//! `make bench-guard` and `make bench-guard-record` build and run it.
//!
//! Paths inside a library are counted in this program (`load-guard run PATH STORE`, under callgrind); a request at the gateway and
//! at the relay in their own binaries, as the difference between a long and a short run.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use client::lookup::{padded_bytes, question};
use client::oblivious::{encapsulate, select};
use encapsulation::{AeadName, KemName, Opener, encode_list};
use load::back_end::BackEnd;
use load::capsules::{Capsules, Questions};
use load::connection::{Answers, Poster, Speak, get};
use load::cores::Cores;
use load::counting::{MadeWith, Recorded, callgrind, compare, instructions, processor, version};
use load::place::{GATEWAY_PATH, LOOKUP_URL, Place, Running, trust};
use load::{Result, closed, ensure};
use mapping_store::Store;
use mapping_store::store::system_clock;
use protocol::Timestamp;
use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, LookupRequest};
use protocol::trust::TrustAnchors;
use tokio::runtime::{Builder, Runtime};

/// What callgrind writes.
const FIGURES: &str = "callgrind.out";
/// The store's cache holds all of it.
const CACHE_BYTES: usize = 256 << 20;
/// Mappings in the store.
const RECORDS: u64 = 1_000;
/// How often a path is gone in this program: with as many documents, numbers or batches; and how large a batch is.
const TIMES: usize = 64;
/// The paths that are counted in this program.
const PATHS: [&str; 10] = [
    "parse a number",
    "parse an address",
    "write and read a question of 64",
    "write and read an answer of 64",
    "look 1 number up",
    "look 64 numbers up",
    "verify a document",
    "verify 64 documents at once",
    "make a capsule",
    "open a capsule and seal its answer",
];
/// Requests of the short and the long run of a binary.
const RUNS: [usize; 2] = [100, 900];
/// As long as an answer about one number, padded.
const ANSWER_BYTES: usize = 4096;

/// Counts instructions, and compares them with what was recorded.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The folder of the release binaries, with their `examples/`
    #[arg(long, global = true, value_name = "DIR", default_value = "target/release")]
    binaries: PathBuf,
    /// Where a store is filled and servers keep their state
    #[arg(long, global = true, value_name = "DIR", default_value = "target/load")]
    folder: PathBuf,
    /// The record
    #[arg(long, global = true, value_name = "FILE", default_value = "benches/load/recorded.toml")]
    recorded: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Count, and fail if a path takes over 5 % more than recorded
    Check,
    /// Count, and record
    Record,
    /// Go a path: to be run under callgrind
    #[command(hide = true)]
    Run {
        /// The path
        path: String,
        /// The filled store
        store: PathBuf,
    },
}

fn main() -> ExitCode {
    let Args { command, binaries, folder, recorded } = Args::parse();
    let done = match command {
        Command::Check => count(&binaries, &folder).and_then(|counted| check(&counted, &recorded)),
        Command::Record => count(&binaries, &folder).and_then(|counted| record(&counted, &recorded)),
        Command::Run { path, store } => run(&path, &store),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load-guard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(counted: &Recorded, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let recorded: Recorded = toml::from_str(&text)?;
    let compared = compare(&recorded, &counted.instructions);
    for line in &compared {
        writeln!(std::io::stdout(), "{line}")?;
    }
    if recorded.made_with != counted.made_with {
        writeln!(std::io::stdout(), "recorded with {:?}\ncounted with  {:?}", recorded.made_with, counted.made_with)?;
    }
    let wrong = compared.iter().filter(|line| line.verdict.fails()).count();
    ensure(wrong == 0, format!("{wrong} of {} paths are not as recorded", compared.len()))
}

fn record(counted: &Recorded, file: &Path) -> Result<()> {
    let head = "# Instructions for each hot path, by callgrind: `make bench-guard` compares, `make bench-guard-record` records.\n\
                # benches/load/src/counting.rs says what they are good for.\n\n";
    std::fs::write(file, format!("{head}{}", toml::to_string(counted)?))?;
    writeln!(std::io::stdout(), "{} paths recorded in {}", counted.instructions.len(), file.display())?;
    Ok(())
}

/// Counts all paths.
fn count(binaries: &Path, folder: &Path) -> Result<Recorded> {
    let binaries = binaries.canonicalize()?;
    let place = Place::lay(&binaries, folder, CACHE_BYTES)?;
    let store = place.filled_store(RECORDS)?;
    let mut counts = BTreeMap::new();
    let mut told = String::new();
    for path in PATHS {
        let figures = place.run_folder().join(FIGURES);
        let mut command = callgrind(&figures, true);
        let output = command.arg(std::env::current_exe()?).args(["run", path]).arg(&store).output();
        let output = output.map_err(|error| format!("valgrind: {error}"))?;
        ensure(output.status.success(), format!("{path}: {}", String::from_utf8_lossy(&output.stderr)))?;
        told = String::from_utf8(output.stdout)?.trim().to_owned();
        let counted = instructions(&figures)?;
        ensure(counted > 0, format!("{path}: nothing was counted"))?;
        counts.insert(path.to_owned(), counted / TIMES as u64);
    }
    // On one core a server has one thread for requests: who of several takes one does not count in.
    let cores = Cores::choose()?;
    let program = || callgrind(&place.run_folder().join(FIGURES), false);
    let back_end = BackEnd::start(place.server_identity(), &cores.client)?;
    let relay = || place.relay_under(program(), back_end.address, &cores.server);
    counts.insert("a request at the relay".to_owned(), in_binary(&place, "/", relay)?);
    let gateway = || place.provider_under(program(), &store, &cores.server);
    counts.insert("a request at the gateway".to_owned(), in_binary(&place, GATEWAY_PATH, gateway)?);
    let made_with = MadeWith { rustc: version("rustc")?, valgrind: version("valgrind")?, processor: told };
    Ok(Recorded { made_with, instructions: counts })
}

/// Instructions of one request: the difference of two runs, so that neither start nor end counts.
fn in_binary(place: &Place, path: &str, start: impl Fn() -> Result<Running>) -> Result<u64> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut counted = [0; RUNS.len()];
    for (requests, counted) in RUNS.into_iter().zip(&mut counted) {
        let running = start()?;
        runtime.block_on(async {
            let capsules = if path == GATEWAY_PATH {
                let keys = get(running.address, path, &Speak::Http1).await?;
                Capsules::make(&keys, Questions { records: RECORDS, each: 1 }, requests, usize::MAX)?
            } else {
                Capsules::opaque(requests)
            };
            let answers = Answers::default();
            let posters =
                Poster::open(running.address, path, &Speak::Http1, (1, false), &Arc::new(capsules), &answers).await?;
            closed::run(posters, 0..requests).await
        })?;
        running.server.stop()?;
        *counted = instructions(&place.run_folder().join(FIGURES))?;
    }
    ensure(counted[1] > counted[0], "a longer run took no more")?;
    Ok((counted[1] - counted[0]) / (RUNS[1] - RUNS[0]) as u64)
}

fn run(path: &str, store: &Path) -> Result<()> {
    let hall = Hall::open(store)?;
    match path {
        "parse a number" => counted_by_callgrind(|n| black_box(Cpi::parse(black_box(&hall.numbers[n]))).is_ok()),
        "parse an address" => counted_by_callgrind(|n| black_box(Cpi::parse(black_box(&hall.addresses[n]))).is_ok()),
        "write and read a question of 64" => {
            counted_by_callgrind(|_| LookupRequest::decode(&black_box(&hall.question).encode()).is_ok())
        }
        "write and read an answer of 64" => {
            counted_by_callgrind(|_| Answer::decode(&black_box(&hall.answer).encode()).is_ok())
        }
        "look 1 number up" => counted_by_callgrind(|n| hall.look_up(&hall.single[n])),
        "look 64 numbers up" => counted_by_callgrind(|_| hall.look_up(&hall.question)),
        "verify a document" => counted_by_callgrind(|n| hall.verify(n)),
        "make a capsule" => counted_by_callgrind(|_| encapsulate(&hall.request, padded_bytes(1), &hall.key).is_ok()),
        "verify 64 documents at once" => counted_by_callgrind(|_| hall.verify_all()),
        "open a capsule and seal its answer" => counted_by_callgrind(|n| hall.open_and_seal(n)),
        _ => return Err(format!("there is no path {path:?}").into()),
    }?;
    writeln!(std::io::stdout(), "{}", processor())?;
    Ok(())
}

/// What callgrind counts, by its name: every call, and it has to succeed.
#[inline(never)]
fn counted_by_callgrind(mut call: impl FnMut(usize) -> bool) -> Result<()> {
    for n in 0..TIMES {
        ensure(call(n), "a call failed")?;
    }
    Ok(())
}

/// What the paths work on.
struct Hall {
    runtime: Runtime,
    store: Store,
    numbers: Vec<String>,
    addresses: Vec<String>,
    single: Vec<LookupRequest>,
    question: LookupRequest,
    answer: Answer,
    trust: TrustAnchors,
    now: Timestamp,
    request: http::Request<bytes::Bytes>,
    key: Vec<u8>,
    gateway: Opener,
    capsules: Vec<Vec<u8>>,
}

impl Hall {
    fn open(folder: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let config: mapping_store::Config = service::load_config(&folder.join("store.toml"))?;
        let store = Store::open(&config.store, system_clock())?;
        let cpis = Questions { records: RECORDS, each: TIMES }.nth(0);
        let batch = LookupRequest::new(cpis.clone(), None)?;
        let answered = runtime.block_on(store.lookup(&batch)).map_err(|_| "the store does not answer")?;
        let answer = Answer::decode(&answered.bytes)?;
        ensure(answer.entries.iter().all(|entry| entry.mappings.len() == 1), "the store lacks a mapping")?;
        let gateway = Opener::derive(1, KemName::X25519, &[AeadName::Aes128Gcm], &[7; 32])?;
        let key = select(&encode_list([gateway.configuration()]))?;
        let request = question(&cpis[..1], &LOOKUP_URL.parse()?)?;
        let capsule = |_| Ok(encapsulate(&request, padded_bytes(1), &key)?.0);
        Ok(Self {
            numbers: cpis.iter().map(ToString::to_string).collect(),
            addresses: (0..TIMES).map(|n| format!("mailto:first.last{n}@mail.example.com")).collect(),
            single: cpis
                .into_iter()
                .map(|cpi| LookupRequest::new(vec![cpi], None))
                .collect::<std::result::Result<_, _>>()?,
            question: batch,
            answer,
            trust: trust().provers,
            now: Timestamp::from(SystemTime::now()),
            capsules: (0..TIMES).map(capsule).collect::<Result<_>>()?,
            request,
            key,
            gateway,
            runtime,
            store,
        })
    }

    fn look_up(&self, question: &LookupRequest) -> bool {
        self.runtime
            .block_on(self.store.lookup(black_box(question)))
            .is_ok_and(|answer| !black_box(answer).bytes.is_empty())
    }

    fn document(&self, n: usize) -> &[u8] {
        &self.answer.entries[n].mappings[0]
    }

    fn verify(&self, n: usize) -> bool {
        client::verify::verify(black_box(self.document(n)), &self.trust, self.now).is_ok()
    }

    fn verify_all(&self) -> bool {
        let parse = |n| UnverifiedMapping::parse(black_box(self.document(n))).map(|parsed| (parsed, self.now));
        let Ok(parsed) = (0..TIMES).map(parse).collect::<std::result::Result<Vec<_>, _>>() else { return false };
        UnverifiedMapping::verify_all(parsed, &self.trust).iter().all(std::result::Result::is_ok)
    }

    /// As a request for one number and its answer.
    fn open_and_seal(&self, n: usize) -> bool {
        let opened = self.gateway.open(black_box(&self.capsules[n]));
        opened.is_ok_and(|(_, sealer)| !black_box(sealer.seal(&[0; ANSWER_BYTES], &mut rand::rng())).is_empty())
    }
}
