//! What was measured, as tables in Markdown and as pictures.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::closed::Closed;
use crate::open::Latencies;
use crate::process::Usage;
use crate::{Result, plot};

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What a request takes, in a closed loop.
    pub throughput: Vec<ThroughputRow>,
    /// How long an answer takes, in an open loop.
    pub latency: Vec<LatencyRow>,
    /// Lookups against the number of mappings.
    pub growth: Vec<GrowthRow>,
    /// What is said in one line.
    pub facts: Vec<(String, String)>,
}

/// What one process took for its part of each request.
#[derive(Clone, Debug)]
pub struct ThroughputRow {
    /// What was measured.
    pub what: String,
    /// The process.
    pub server: String,
    /// Requests that were answered.
    pub requests: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// What the process took for it.
    pub taken: Usage,
    /// Time on a processor that the client took for it.
    pub client: Duration,
    /// The share of the server's core that other processes had.
    pub others: f64,
    /// Time on a processor for each request, in the part of the measurement where it was least: where others disturbed least.
    pub least: Option<Duration>,
}

/// How long answers took under a steady load.
#[derive(Clone, Debug)]
pub struct LatencyRow {
    /// What was measured.
    pub what: String,
    /// The load, as a share of the greatest throughput.
    pub share: f64,
    /// The load, in requests a second.
    pub rate: f64,
    /// From when a request was due to its answer.
    pub latencies: Latencies,
}

/// What a lookup takes in a store of one size.
#[derive(Clone, Copy, Debug)]
pub struct GrowthRow {
    /// Mappings in the store.
    pub records: u64,
    /// Time on a processor for a lookup in the store alone.
    pub lookup: Duration,
    /// The same for a whole request at the gateway.
    pub gateway: Duration,
}

impl ThroughputRow {
    /// A row without a request.
    #[must_use]
    pub fn new(what: &str, server: &str) -> Self {
        Self {
            what: what.to_owned(),
            server: server.to_owned(),
            requests: 0,
            elapsed: Duration::ZERO,
            taken: Usage::default(),
            client: Duration::ZERO,
            others: 0.0,
            least: None,
        }
    }

    /// Adds a part of the measurement: what it came to, what the process and the client took for it, and what others did.
    pub fn add(&mut self, closed: Closed, taken: Usage, client: Duration, others: f64) {
        let (before, part) = (self.elapsed.as_secs_f64(), closed.elapsed.as_secs_f64());
        self.others = (self.others * before + others * part) / (before + part).max(f64::MIN_POSITIVE);
        self.requests += closed.answered;
        self.elapsed += closed.elapsed;
        self.taken.processor += taken.processor;
        self.taken.system += taken.system;
        self.taken.resident_bytes = taken.resident_bytes;
        self.client += client;
        let each = per(taken.processor, closed.answered);
        self.least = Some(self.least.map_or(each, |least| least.min(each)));
    }

    /// Time on a processor for each request, where others disturbed least.
    #[must_use]
    pub fn least(&self) -> Duration {
        self.least.unwrap_or_else(|| self.each())
    }

    /// Time on a processor for each request.
    #[must_use]
    pub fn each(&self) -> Duration {
        per(self.taken.processor, self.requests)
    }

    /// Answers a second, as measured.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        count(self.requests) / self.elapsed.as_secs_f64()
    }

    /// Answers a second that a core of its own would give, by the least time on the processor.
    #[must_use]
    pub fn per_core(&self) -> f64 {
        1.0 / self.least().as_secs_f64()
    }

    /// The share of the kernel in the time on the processor.
    #[must_use]
    pub fn system(&self) -> f64 {
        (self.taken.system.as_secs_f64() / self.taken.processor.as_secs_f64()).min(1.0)
    }
}

impl Report {
    /// Notes a fact.
    pub fn fact(&mut self, what: impl Into<String>, found: impl Into<String>) {
        self.facts.push((what.into(), found.into()));
    }

    /// Writes `load.md` and the pictures into `folder`.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("load.md"), self.to_string())?;
        plot::throughput(&folder.join("throughput.svg"), &self.throughput)?;
        plot::latency(&folder.join("latency.svg"), &self.latency)?;
        plot::growth(&folder.join("growth.svg"), &self.growth)
    }

    fn throughput(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "| what | process | µs of processor a request | in the quietest part | of it in the kernel | requests a second a core, by that | measured | client, µs a request | memory, MiB | others on the core |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        )?;
        for row in &self.throughput {
            let (each, least) = (micros(row.each()), micros(row.least()));
            let client = micros(per(row.client, row.requests));
            let (percent, others) = (100.0 * row.system(), 100.0 * row.others);
            let (core, measured, memory) =
                (thousands(row.per_core()), thousands(row.per_second()), row.taken.resident_bytes >> 20);
            writeln!(
                f,
                "| {} | {} | {each:.1} | {least:.1} | {percent:.0} % | {core} | {measured} | {client:.1} | {memory} | {others:.0} % |",
                row.what, row.server
            )?;
        }
        f.write_char('\n')
    }

    fn latency(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "| what | share of the greatest | requests a second | p50 | p90 | p99 | p99.9 | slowest |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        )?;
        for LatencyRow { what, share, rate, latencies } in &self.latency {
            let at = |share| milliseconds(latencies.quantile(share));
            let (percent, rate, slowest) = (100.0 * share, thousands(*rate), milliseconds(latencies.max()));
            writeln!(
                f,
                "| {what} | {percent:.0} % | {rate} | {} | {} | {} | {} | {slowest} |",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999)
            )?;
        }
        f.write_char('\n')
    }

    fn growth(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| mappings | µs of processor a lookup, store alone | lookups a second a core | in times of the smallest | µs a request at the gateway |\n| --- | --- | --- | --- | --- |\n")?;
        let smallest = self.growth.iter().min_by_key(|row| row.records);
        for row in &self.growth {
            let times = smallest.map_or(1.0, |smallest| row.lookup.as_secs_f64() / smallest.lookup.as_secs_f64());
            writeln!(
                f,
                "| {} | {:.2} | {} | {times:.2} | {:.1} |",
                thousands(count(row.records)),
                micros(row.lookup),
                thousands(1.0 / row.lookup.as_secs_f64()),
                micros(row.gateway)
            )?;
        }
        f.write_char('\n')
    }
}

/// As Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.throughput.is_empty() {
            self.throughput(f)?;
        }
        if !self.latency.is_empty() {
            self.latency(f)?;
        }
        if !self.growth.is_empty() {
            self.growth(f)?;
        }
        if !self.facts.is_empty() {
            f.write_str("| figure | found |\n| --- | --- |\n")?;
            self.facts.iter().try_for_each(|(what, found)| writeln!(f, "| {what} | {found} |"))?;
        }
        Ok(())
    }
}

/// In microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

fn per(time: Duration, count: u64) -> Duration {
    Duration::from_nanos(u64::try_from(time.as_nanos() / u128::from(count.max(1))).unwrap_or(u64::MAX))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// A number of at least 0, rounded, its digits in groups of three.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let taken = Usage { system: Duration::from_millis(50), resident_bytes: 12 << 20, ..Usage::default() };
        let mut row = ThroughputRow::new("gateway", "provider");
        let closed = Closed { answered: 5_000, elapsed: Duration::from_millis(500) };
        row.add(closed, Usage { processor: Duration::from_millis(250), ..taken }, Duration::from_millis(40), 0.0);
        row.add(closed, Usage { processor: Duration::from_millis(150), ..taken }, Duration::from_millis(40), 0.1);
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_micros(1500));
        let growth = |records, micros| GrowthRow {
            records,
            lookup: Duration::from_micros(micros),
            gateway: Duration::from_micros(40),
        };
        let mut report = Report {
            throughput: vec![row],
            latency: vec![LatencyRow { what: "gateway".to_owned(), share: 0.5, rate: 5000.0, latencies }],
            growth: vec![growth(10_000, 2), growth(1_000_000, 5)],
            facts: Vec::new(),
        };
        report.fact("ratio", "2.5");
        report
    }

    #[test]
    fn the_tables_say_what_was_measured() {
        let text = report().to_string();
        for line in [
            "| gateway | provider | 40.0 | 30.0 | 25 % | 33,333 | 10,000 | 8.0 | 12 | 5 % |",
            "| gateway | 50 % | 5,000 | 1.50 ms | 1.50 ms | 1.50 ms | 1.50 ms | 1.50 ms |",
            "| 10,000 | 2.00 | 500,000 | 1.00 | 40.0 |",
            "| 1,000,000 | 5.00 | 200,000 | 2.50 | 40.0 |",
            "| ratio | 2.5 |",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
        }
        assert_eq!(Report::default().to_string(), "");
    }

    #[test]
    fn table_and_pictures_are_written() {
        let folder = tempfile::tempdir().unwrap();
        report().write(folder.path()).unwrap();
        for name in ["throughput.svg", "latency.svg", "growth.svg"] {
            let picture = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(picture.starts_with("<svg") && picture.contains("</svg>"), "{name}");
        }
        assert!(fs::read_to_string(folder.path().join("throughput.svg")).unwrap().contains("gateway"));
        Report::default().write(folder.path()).unwrap();
    }

    #[test]
    fn digits_stand_in_groups() {
        for (number, text) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
