//! Gateway and store in one process: one number over HTTP/1.1, 64 numbers, one number over HTTP/2 with TLS as from a relay.

use std::sync::Arc;

use super::{Bench, CHECKED, Line, SHARES, WARM_UP, latencies};
use crate::capsules::{Capsules, Questions};
use crate::closed;
use crate::connection::{Answers, Speak, get, take};
use crate::place::{Door, GATEWAY_PATH, trust};
use crate::report::ThroughputRow;
use crate::{Result, ensure};

const PLAIN: &str = "gateway with its store, HTTP/1.1";
const BATCH: &str = "gateway with its store, HTTP/1.1, 64 numbers a request";
const TLS: &str = "gateway with its store, HTTP/2 and TLS, one connection";
const NUMBERS: usize = 64;
/// Capsules that warm a store, 16 KiB each: enough for 1,280,000 numbers.
const MOST_WARMING: usize = 20_000;

impl Bench {
    pub(super) fn gateway(&mut self) -> Result<()> {
        let store = self.store()?;
        let running = self.place.provider(&store, Door::Plain, &self.cores.server)?;
        let keys = self.as_client(get(running.address, GATEWAY_PATH, &Speak::Http1))?;
        let line = Line { running: &running, path: GATEWAY_PATH, speak: &Speak::Http1, shared: false };
        let records = self.records()?;
        self.warm(&line, &keys, records)?;
        let row = self.answered(PLAIN, &line, &keys, Questions { records, each: 1 }, self.requests(), true)?;
        let many = Questions { records, each: NUMBERS };
        let batch = self.answered(BATCH, &line, &keys, many, (self.requests() / 16).max(1), false)?;
        let ratio = batch.least().as_secs_f64() / row.least().as_secs_f64();
        self.report.fact(
            "A request for 64 numbers, in times of one for a single number, at the gateway",
            format!("{ratio:.2}"),
        );
        drop(running);

        // The keys are in a file: these are the same.
        let running = self.place.provider(&store, Door::Tls, &self.cores.server)?;
        let speak = Speak::Http2Tls(self.place.client_tls(true).load()?);
        let line = Line { running: &running, path: GATEWAY_PATH, speak: &speak, shared: true };
        self.warm(&line, &keys, records)?;
        self.answered(TLS, &line, &keys, Questions { records, each: 1 }, self.requests(), false)?;
        Ok(())
    }

    /// Asks for every number once, so that the store's cache holds what it can: what is measured is a store that has been at work.
    pub(super) fn warm(&self, line: &Line<'_>, keys: &[u8], records: u64) -> Result<()> {
        let count = usize::try_from(records)?.div_ceil(NUMBERS).min(MOST_WARMING);
        let capsules = Arc::new(Capsules::make(keys, Questions { records, each: NUMBERS }, count, usize::MAX)?);
        self.as_client(async {
            let posters = line.posters(self.connections(), &capsules, &Answers::default()).await?;
            closed::run(posters, 0..count).await
        })?;
        Ok(())
    }

    /// Throughput, and latency if wished; answers are verified.
    pub(super) fn answered(
        &mut self,
        what: &str,
        line: &Line<'_>,
        keys: &[u8],
        questions: Questions,
        requests: usize,
        latency: bool,
    ) -> Result<ThroughputRow> {
        let capsules = Arc::new(Capsules::make(keys, questions, WARM_UP + requests, CHECKED)?);
        let (row, rows) = self.as_client(async {
            let answers: Answers = Arc::default();
            let posters = line.posters(self.connections(), &capsules, &answers).await?;
            let (posters, row) = self.throughput(what, &line.running.server, posters, requests).await?;
            let answers = take(&answers);
            ensure(answers.len() == capsules.len().div_ceil(CHECKED), "an answer that was to be checked is missing")?;
            capsules.check(&answers, &trust().provers)?;
            let shares = if latency { &SHARES[..] } else { &[] };
            let (_, rows) = latencies(what, posters, row.per_second(), shares, self.settings.seconds).await?;
            Ok((row, rows))
        })?;
        self.report.throughput.push(row.clone());
        self.report.latency.extend(rows);
        Ok(row)
    }
}
