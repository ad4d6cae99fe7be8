//! What is to be measured, and where: the command line of `load`.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::{Result, ensure};

/// Measures gateway, store and relay, and the whole chain, and writes a table and pictures.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Settings {
    /// The folder of the release binaries, with their `examples/` [default: where this one is]
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,
    /// Where stores are filled and servers keep their state; filled stores are used again
    #[arg(long, value_name = "DIR", default_value = "target/load")]
    pub folder: PathBuf,
    /// Where the report goes [default: report/ in the folder]
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Sizes of stores, in mappings; the largest serves all but the measurement of growth
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    pub records: Vec<u64>,
    /// Bytes of the store's cache: 1 GiB
    #[arg(long, default_value_t = 1 << 30)]
    pub cache_bytes: usize,
    /// Requests of each measurement of throughput, each with a capsule of its own
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub requests: u32,
    /// Seconds of each steady load
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: u32,
    /// Connections that are kept busy
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub connections: u32,
    /// Idle connections that the relay is to hold
    #[arg(long, default_value_t = 10_000)]
    pub idle: u32,
    /// Identifiers of the contact book
    #[arg(long, default_value_t = 10_000)]
    pub book: u32,
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Scenario::value_variants().to_vec())]
    pub only: Vec<Scenario>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Scenario {
    /// Gateway and store in one process: HTTP/1.1, HTTP/2 with TLS, a batch; latency against load
    Gateway,
    /// The comparison gateway, likewise
    Comparison,
    /// The relay before a constant gateway
    Relay,
    /// Idle connections held by the relay
    Idle,
    /// Client, relay, gateway and store on all cores; a contact book
    Chain,
    /// Lookups against the number of mappings
    Growth,
}

impl Settings {
    /// The folder of the binaries.
    ///
    /// # Errors
    ///
    /// If they are not there.
    pub fn binaries(&self) -> Result<PathBuf> {
        let folder = match &self.binaries {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.parent().map(Path::to_owned).ok_or("no folder")?,
        };
        for name in ["relay", "gateway", "mapping-store", "load-provider", "load-comparison", "examples/make_mappings"]
        {
            ensure(
                folder.join(name).is_file(),
                format!("{name} is missing in {}: build with `make load`", folder.display()),
            )?;
        }
        Ok(folder.canonicalize()?)
    }

    /// Where the report goes.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.report.clone().unwrap_or_else(|| self.folder.join("report"))
    }

    /// Whether this is to be measured.
    #[must_use]
    pub fn wants(&self, scenario: Scenario) -> bool {
        self.only.contains(&scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_everything_is_measured_with_the_defaults() {
        let settings = Settings::try_parse_from(["load"]).unwrap();
        assert_eq!((settings.records.as_slice(), settings.only.len()), (&[10_000, 100_000][..], 6));
        assert_eq!(settings.report(), Path::new("target/load/report"));
        let settings = Settings::try_parse_from(["load", "--records", "7,8", "--only", "relay,idle"]).unwrap();
        assert_eq!(settings.records, [7, 8]);
        assert!(settings.wants(Scenario::Idle) && !settings.wants(Scenario::Chain));
        assert!(Settings::try_parse_from(["load", "--requests", "0"]).is_err());
    }
}
