//! What is measured: one file for each part, all by the same meter.

mod chain;
mod comparison;
mod gateway;
mod growth;
mod relay;
mod yardstick;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::capsules::Capsules;
use crate::closed::{self, Caller};
use crate::connection::{Answers, Poster, Speak};
use crate::cores::{self, Cores};
use crate::open::{self, Schedule};
use crate::place::{Place, Running};
use crate::process::{Usage, core_busy};
use crate::report::{LatencyRow, Report, ThroughputRow};
use crate::server::Server;
use crate::settings::{Scenario, Settings};
use crate::{Result, ensure};

/// Requests before a measurement begins.
const WARM_UP: usize = 2_000;
/// Parts of a measurement of throughput.
const PARTS: usize = 8;
/// The answers of one capsule in so many are opened and verified, after the measurement.
const CHECKED: usize = 64;
/// Shares of the greatest throughput at which latency is measured.
const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// All that a scenario works with.
pub struct Bench {
    settings: Settings,
    place: Place,
    cores: Cores,
    report: Report,
}

impl Bench {
    /// Measures all that is wished for.
    ///
    /// # Errors
    ///
    /// The first failure: a server that does not start, an answer that is none.
    pub fn run(settings: Settings, told: impl Fn(&str)) -> Result<Report> {
        let place = Place::lay(&settings.binaries()?, &settings.folder, settings.cache_bytes)?;
        let cores = Cores::choose()?;
        let mut bench = Self { settings, place, cores, report: Report::default() };
        bench.yardstick("before")?;
        for (scenario, what, run) in [
            (Scenario::Comparison, "comparison gateway", Self::comparison as fn(&mut Self) -> Result<()>),
            (Scenario::Gateway, "gateway", Self::gateway),
            (Scenario::Relay, "relay", Self::relay),
            (Scenario::Idle, "idle connections", Self::idle),
            (Scenario::Chain, "whole chain", Self::chain),
            (Scenario::Growth, "growth", Self::growth),
        ] {
            if bench.settings.wants(scenario) {
                told(what);
                run(&mut bench)?;
            }
        }
        bench.yardstick("after")?;
        Ok(bench.report)
    }

    fn records(&self) -> Result<u64> {
        let largest = self.settings.records.iter().copied().max().unwrap_or(0);
        ensure(largest > 0, "a size of the store is needed")?;
        Ok(largest)
    }

    fn store(&self) -> Result<PathBuf> {
        self.place.filled_store(self.records()?)
    }

    fn requests(&self) -> usize {
        self.settings.requests as usize
    }

    fn connections(&self) -> usize {
        self.settings.connections as usize
    }

    /// Does `work` in a runtime on the client's core.
    fn as_client<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        cores::on(&self.cores.client, || Builder::new_current_thread().enable_all().build()?.block_on(work))?
    }

    /// A closed loop of posters against a server on a core of its own.
    async fn throughput(
        &self,
        what: &str,
        server: &Server,
        posters: Vec<Poster>,
        requests: usize,
    ) -> Result<(Vec<Poster>, ThroughputRow)> {
        let (posters, mut rows) = in_parts(what, posters, &[server], &self.cores, requests).await?;
        Ok((posters, rows.swap_remove(0)))
    }
}

/// A closed loop after a warm-up, in parts that are measured each by itself. A row for each of the servers, and one for the
/// client.
async fn in_parts<C: Caller>(
    what: &str,
    callers: Vec<C>,
    servers: &[&Server],
    cores: &Cores,
    requests: usize,
) -> Result<(Vec<C>, Vec<ThroughputRow>)> {
    let (mut callers, _) = closed::run(callers, 0..WARM_UP).await?;
    let names = servers.iter().map(|server| server.name).chain(["client"]);
    let mut rows: Vec<_> = names.map(|name| ThroughputRow::new(what, name)).collect();
    let all = WARM_UP + requests;
    let share = requests.div_ceil(PARTS).max(1);
    for from in (WARM_UP..all).step_by(share) {
        let meter = Meter::start(servers, cores)?;
        let (back, closed) = closed::run(callers, from..all.min(from + share)).await?;
        callers = back;
        let taken = meter.stop(servers)?;
        for (row, usage) in rows.iter_mut().zip(taken.servers.iter().chain([&taken.client])) {
            row.add(closed, *usage, taken.client.processor, taken.others);
        }
    }
    Ok((callers, rows))
}

/// The other end of a measurement: where, how, over how many connections.
struct Line<'a> {
    running: &'a Running,
    path: &'a str,
    speak: &'a Speak,
    /// All on one connection, as between a relay and its gateway.
    shared: bool,
}

impl Line<'_> {
    async fn posters(&self, count: usize, capsules: &Arc<Capsules>, answers: &Answers) -> Result<Vec<Poster>> {
        Poster::open(self.running.address, self.path, self.speak, (count, self.shared), capsules, answers).await
    }
}

/// Latency at several shares of the `greatest` throughput, in calls a second.
async fn latencies<C: Caller>(
    what: &str,
    mut callers: Vec<C>,
    greatest: f64,
    shares: &[f64],
    seconds: u32,
) -> Result<(Vec<C>, Vec<LatencyRow>)> {
    let mut rows = Vec::new();
    for share in shares {
        let schedule = Schedule::from_now(greatest * share, seconds);
        let (back, latencies) = open::run(callers, open::arrivals(schedule)).await?;
        callers = back;
        ensure(latencies.count() == schedule.count as u64, "a call was lost")?;
        rows.push(LatencyRow { what: what.to_owned(), share: *share, rate: schedule.rate, latencies });
    }
    Ok((callers, rows))
}

/// What was taken by whom between two moments.
struct Meter {
    cores: Cores,
    start: Instant,
    busy: Duration,
    servers: Vec<Usage>,
    client: Usage,
}

struct Taken {
    servers: Vec<Usage>,
    client: Usage,
    /// The share of the servers' cores that other processes had: what is measured suffers from them.
    others: f64,
}

impl Meter {
    fn start(servers: &[&Server], cores: &Cores) -> Result<Self> {
        Ok(Self {
            cores: cores.clone(),
            busy: busy(&cores.server)?,
            servers: servers.iter().map(|server| server.usage()).collect::<Result<_>>()?,
            client: Usage::own()?,
            start: Instant::now(),
        })
    }

    fn stop(self, servers: &[&Server]) -> Result<Taken> {
        let elapsed = self.start.elapsed();
        let client = Usage::own()? - self.client;
        let servers: Vec<Usage> = servers
            .iter()
            .zip(self.servers)
            .map(|(server, before)| Ok(server.usage()? - before))
            .collect::<Result<_>>()?;
        let mut ours: Duration = servers.iter().map(|taken| taken.processor).sum();
        if self.cores.client == self.cores.server {
            ours += client.processor;
        }
        let busy = busy(&self.cores.server)?.saturating_sub(self.busy);
        #[allow(clippy::cast_precision_loss, reason = "a count of cores")]
        let time = elapsed.as_secs_f64() * self.cores.server.len() as f64;
        Ok(Taken { servers, client, others: busy.saturating_sub(ours).as_secs_f64() / time })
    }
}

fn busy(cores: &[usize]) -> Result<Duration> {
    Ok(cores.iter().map(|core| core_busy(*core)).sum::<std::io::Result<Duration>>()?)
}
