//! `load-cluster`: a store on RocksDB, and one and two stores over three real nodes of Apache Cassandra, all on this machine: lookups
//! and publications a second, how long they take, and what each process takes for them. Prints a table in Markdown.
//!
//! Each bucket is on all three nodes, which wait for the disk before they acknowledge (`commitlog_sync: batch`), as the store does on
//! RocksDB. Stores are asked as gateways ask them: one HTTP/2 connection under TLS for each.

mod requests;
mod setup;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cassandra_fixture::{Cluster, Options, Place as Nodes};
use clap::Parser;
use load::process::Usage;
use load::{Result, closed, ensure, open};
use requests::{Asker, Requests};
use setup::{Setup, Store};

#[derive(Parser)]
#[command(about = "Measures the mapping store on RocksDB and over a cluster of Cassandra")]
struct Args {
    /// Where the release binaries are; else beside this one
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// Where stores, configurations and logs go
    #[arg(long, default_value = "target/load-cluster")]
    folder: PathBuf,
    /// Mappings in the store
    #[arg(long, default_value_t = 20_000)]
    records: u64,
    /// Lookups of each measurement; the first half is not counted
    #[arg(long, default_value_t = 40_000)]
    lookups: usize,
    /// Publications of each measurement, likewise
    #[arg(long, default_value_t = 3_000)]
    publications: usize,
    /// Requests at once
    #[arg(long, default_value_t = 32)]
    at_once: usize,
    /// Seconds of each measurement at a steady rate
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// Numbers in a large lookup.
const TOGETHER: usize = 64;
/// Of the greatest rate, for latency under a steady load.
const SHARE: f64 = 0.5;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let binaries = match &args.binaries {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().ok_or("no folder")?.to_owned(),
    };
    let setup = Setup::lay(&binaries, &args.folder, args.records, 3 * args.publications as u64)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| stores | what | a second | p50 | p99 | p50, p99 at half the rate | µs of processor each: stores | nodes, together | \
         asking |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut bench = Bench { args, setup: &setup, published: 0 };

    let rocks = vec![setup.fill_and_start("rocks", None)?];
    runtime.block_on(bench.measure("one, RocksDB", &rocks, &[], &mut out))?;
    rocks.into_iter().try_for_each(Store::stop)?;

    ensure(!cassandra_fixture::is_skipped("stores over a cluster"), "no cluster can be started here")?;
    let mut cluster = Cluster::start_at(&Nodes::free(3), &Options { in_earnest: true, ..Options::default() });
    let nodes: Vec<u32> = cluster.nodes().iter().map(|node| node.pid()).collect();
    let contact_points = cluster.contact_points();
    let mut stores = vec![setup.fill_and_start("one", Some(&contact_points))?];
    runtime.block_on(bench.measure("one, cluster", &stores, &nodes, &mut out))?;
    stores.push(setup.start("two", Some(&contact_points))?);
    runtime.block_on(bench.measure("two, cluster", &stores, &nodes, &mut out))?;
    stores.into_iter().try_for_each(Store::stop)
}

struct Bench<'a> {
    args: &'a Args,
    setup: &'a Setup,
    /// Of the mappings that are to be published.
    published: usize,
}

impl Bench<'_> {
    async fn measure(
        &mut self,
        which: &str,
        stores: &[Store],
        nodes: &[u32],
        out: &mut impl std::io::Write,
    ) -> Result<()> {
        let one = Requests::lookups(self.args.records, 1, self.args.lookups);
        self.row(which, "lookup", &one, stores, nodes, out).await?;
        let many = Requests::lookups(self.args.records, TOGETHER, (self.args.lookups / 16).max(100));
        self.row(which, "lookup of 64", &many, stores, nodes, out).await?;
        let to = self.published + self.args.publications;
        let publications = Requests::publications(&self.setup.unpublished[self.published..to]);
        self.published = to;
        self.row(which, "publication", &publications, stores, nodes, out).await
    }

    /// A closed loop after as long a warm-up: Java compiles meanwhile; for lookups, then a steady rate.
    async fn row(
        &self,
        which: &str,
        what: &str,
        requests: &Requests,
        stores: &[Store],
        nodes: &[u32],
        out: &mut impl std::io::Write,
    ) -> Result<()> {
        let mut callers = Vec::new();
        for store in stores {
            callers.extend(
                Asker::open(store.address, &self.setup.tls()?, requests, self.args.at_once / stores.len()).await?,
            );
        }
        let warm_up = requests.count() / 2;
        let (mut callers, _) = closed::run(callers, 0..warm_up).await?;
        callers.iter_mut().for_each(Asker::forget);
        let before = usages(stores, nodes)?;
        let (callers, closed) = closed::run(callers, warm_up..requests.count()).await?;
        let after = usages(stores, nodes)?;
        let mut latencies = open::Latencies::default();
        callers.iter().for_each(|caller| latencies.add(caller.latencies()));
        #[allow(clippy::cast_precision_loss, reason = "a count of requests")]
        let answered = closed.answered as f64;
        let rate = answered / closed.elapsed.as_secs_f64();
        let taken = |range: std::ops::Range<usize>| {
            let taken: Duration = range.map(|n| after[n].processor.saturating_sub(before[n].processor)).sum();
            taken.as_secs_f64() * 1e6 / answered
        };
        let (own, all) = (stores.len(), stores.len() + nodes.len());
        let steady = if requests.are_lookups() {
            let (_, steady) =
                open::run(callers, open::arrivals(open::Schedule::from_now(rate * SHARE, self.args.seconds))).await?;
            format!("{}, {}", milliseconds(&steady, 0.5), milliseconds(&steady, 0.99))
        } else {
            String::new()
        };
        writeln!(
            out,
            "| {which} | {what} | {rate:.0} | {} | {} | {steady} | {:.0} | {:.0} | {:.0} |",
            milliseconds(&latencies, 0.5),
            milliseconds(&latencies, 0.99),
            taken(0..own),
            taken(own..all),
            taken(all..all + 1),
        )?;
        Ok(())
    }
}

fn milliseconds(latencies: &open::Latencies, share: f64) -> String {
    format!("{:.1} ms", latencies.quantile(share).as_secs_f64() * 1e3)
}

/// Of the stores, the nodes, and this process.
fn usages(stores: &[Store], nodes: &[u32]) -> Result<Vec<Usage>> {
    let mut usages = stores.iter().map(Store::usage).collect::<Result<Vec<_>>>()?;
    for node in nodes {
        usages.push(Usage::of(*node)?);
    }
    usages.push(Usage::own()?);
    Ok(usages)
}
