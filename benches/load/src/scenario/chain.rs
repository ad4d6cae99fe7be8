//! Client, relay, gateway and store on all cores, TLS on every hop, every answer verified by the client. And a contact book.

use std::num::NonZeroUsize;
use std::time::Instant;

use client::lookup::Client;
use protocol::cpi::Cpi;
use tokio::runtime::Builder;

use super::{Bench, SHARES, in_parts, latencies};
use crate::capsules::Questions;
use crate::closed::Caller;
use crate::place::{Door, GATEWAY_PATH, LOOKUP_URL, Running, number, trust};
use crate::process::Usage;
use crate::{Result, ensure};

const WHAT: &str = "whole chain, TLS on every hop, every answer verified";
/// Numbers in the contact book for each that is in the store.
const SPACING: usize = 100;
/// Numbers from here on are in no store.
const ABSENT: u64 = 500_000_000;

/// Looks up a number at a time, over a connection of its own.
struct Asker {
    client: Client,
    questions: Questions,
}

impl Caller for Asker {
    async fn call(&mut self, n: usize) -> Result<()> {
        let found = self.client.lookup(&self.questions.nth(n), |_| ()).await?;
        ensure(
            found.len() == 1 && found.iter().all(|found| found.mappings.len() == 1 && found.agrees()),
            "an answer lacks a mapping",
        )
    }
}

impl Bench {
    pub(super) fn chain(&mut self) -> Result<()> {
        let (store, records, cores) = (self.store()?, self.records()?, self.cores.shared());
        let provider = self.place.provider(&store, Door::Tls, &cores.server)?;
        let relay = self.place.relay(provider.address, Door::Tls, &cores.server)?;
        let runtime = Builder::new_multi_thread().worker_threads(cores.client.len()).enable_all().build()?;
        let servers = [&relay.server, &provider.server];
        runtime.block_on(async {
            let askers = (0..self.connections())
                .map(|_| Ok(Asker { client: self.client(&relay)?, questions: Questions { records, each: 1 } }))
                .collect::<Result<Vec<_>>>()?;
            // A quarter of the others': here the client's own work is in it as well.
            let requests = (self.requests() / 4).max(1);
            let (askers, rows) = in_parts(WHAT, askers, &servers, &cores, requests).await?;
            let greatest = rows[0].per_second();
            self.report.throughput.extend(rows);
            let (_, rows) = latencies(WHAT, askers, greatest, &SHARES[..4], self.settings.seconds).await?;
            self.report.latency.extend(rows);
            Ok::<_, crate::Error>(())
        })?;
        runtime.block_on(self.book(&relay, records))
    }

    /// A contact book, as a client looks it up that has no cache: one in a hundred found, and all found.
    async fn book(&mut self, relay: &Running, records: u64) -> Result<()> {
        let size = self.settings.book as usize;
        for (every, what) in [(SPACING, "one in a hundred found"), (1, "all found")] {
            let book: Vec<Cpi> = (0..size as u64)
                .map(|n| if n % every as u64 == 0 { number(n % records) } else { number(ABSENT + n) })
                .collect();
            let distinct: std::collections::HashSet<_> = book.iter().collect();
            let expected = distinct.iter().filter(|cpi| is_in_store(cpi, records)).count();
            let (asker, before, start) = (self.client(relay)?, Usage::own()?, Instant::now());
            let found = asker.lookup(&book, |_| ()).await?;
            let (elapsed, taken) = (start.elapsed(), Usage::own()? - before);
            let mappings = found.iter().filter(|found| found.mappings.len() == 1 && found.agrees()).count();
            ensure(
                found.len() == distinct.len() && mappings == expected,
                "the contact book is not answered as it should be",
            )?;
            self.report.fact(
                format!("A contact book of {size} through the whole chain, {what}"),
                format!(
                    "{:.2} s, {:.2} s of processor for the client",
                    elapsed.as_secs_f64(),
                    taken.processor.as_secs_f64()
                ),
            );
        }
        Ok(())
    }

    fn client(&self, relay: &Running) -> Result<Client> {
        let relay = relay.address;
        let (capsules, keys) = (format!("https://{relay}/"), format!("https://{relay}{GATEWAY_PATH}"));
        let ca = std::fs::read(self.place.ca())?;
        let builder = Client::builder(capsules.parse()?, keys.parse()?, LOOKUP_URL.parse()?, trust(), ca);
        Ok(builder.concurrency(NonZeroUsize::MIN.saturating_add(3)).build()?)
    }
}

fn is_in_store(cpi: &Cpi, records: u64) -> bool {
    let digits = cpi.as_str().strip_prefix("tel:+4915").and_then(|digits| digits.parse::<u64>().ok());
    digits.is_some_and(|digits| (100_000_000..100_000_000 + records).contains(&digits))
}
