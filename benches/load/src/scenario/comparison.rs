//! The comparison gateway, as the gateway is measured: the same questions, connections and client. And hyper alone, which takes a
//! capsule and answers a constant: what no gateway over HTTP/1.1 could do without on this machine.

use std::sync::Arc;

use super::{Bench, CHECKED, Line, SHARES, WARM_UP, latencies};
use crate::Result;
use crate::capsules::{Capsules, Questions};
use crate::connection::{Answers, Speak, get, take};
use crate::place::GATEWAY_PATH;

const WHAT: &str = "comparison: hyper and ohttp, echo, HTTP/1.1";
const CONSTANT: &str = "comparison: hyper alone, a constant, HTTP/1.1";
const CONSTANT_PATH: &str = "/constant";

impl Bench {
    pub(super) fn comparison(&mut self) -> Result<()> {
        let running = self.place.comparison(&self.cores.server)?;
        let keys = self.as_client(get(running.address, GATEWAY_PATH, &Speak::Http1))?;
        let (questions, requests) = (Questions { records: self.records()?, each: 1 }, self.requests());
        let capsules = Arc::new(Capsules::make(&keys, questions, WARM_UP + requests, CHECKED)?);
        let line = |path| Line { running: &running, path, speak: &Speak::Http1, shared: false };
        let constant = self.as_client(async {
            let posters = line(CONSTANT_PATH).posters(self.connections(), &capsules, &Answers::default()).await?;
            Ok(self.throughput(CONSTANT, &running.server, posters, requests).await?.1)
        })?;
        let (row, rows) = self.as_client(async {
            let answers: Answers = Arc::default();
            let posters = line(GATEWAY_PATH).posters(self.connections(), &capsules, &answers).await?;
            let (posters, row) = self.throughput(WHAT, &running.server, posters, requests).await?;
            capsules.check_echoes(&take(&answers))?;
            let (_, rows) = latencies(WHAT, posters, row.per_second(), &SHARES, self.settings.seconds).await?;
            Ok((row, rows))
        })?;
        self.report.throughput.extend([constant, row]);
        self.report.latency.extend(rows);
        Ok(())
    }
}
