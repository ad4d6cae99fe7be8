//! Structured logs to standard error. What is logged is bounded: never an address, an identifier, a path or a body.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people; in colour on a terminal.
    Text,
}

/// The crates that log by the rule above. All others stay at `warn`: what libraries log below that shows what passes
/// through them, and the `ohttp` crate's `trace` the keys of answers.
const OWN: [&str; 9] =
    ["client", "discovery", "documents", "gateway", "id_prover", "mapping_store", "protocol", "relay", "service"];

/// Starts logging. `RUST_LOG` sets the level of our own crates, together (`debug`) or singly (`gateway=trace`); `info`
/// without it. A second call does nothing.
pub fn init_logs(format: LogFormat) {
    let filter = filter(&std::env::var("RUST_LOG").unwrap_or_default());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails only if a subscriber is there already: several services in one process share the first.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}

fn filter(wanted: &str) -> EnvFilter {
    let own = |target: &str| OWN.contains(&target.split("::").next().unwrap_or_default());
    let all = |level: &str| OWN.map(|name| format!("{name}={level}")).to_vec();
    let is_level = |level: &str| !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    let chosen = wanted.split(',').map(str::trim).flat_map(|directive| match directive.split_once('=') {
        Some((target, level)) if own(target) && is_level(level) => vec![directive.to_owned()],
        None if is_level(directive) => all(directive),
        Some(_) | None => Vec::new(),
    });
    // A later directive counts more.
    let directives = all("info").into_iter().chain(chosen).filter_map(|directive| directive.parse().ok());
    directives.fold(EnvFilter::new("warn"), EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_can_be_made_to_say_more() {
        let filters = |wanted: &str, name: &str| {
            let shown = filter(wanted).to_string();
            shown.split(',').find_map(|directive| directive.strip_prefix(&format!("{name}=")).map(str::to_owned))
        };
        let level = |wanted: &str| filters(wanted, "gateway");
        assert_eq!(level("").as_deref(), Some("info"));
        assert_eq!(level("debug").as_deref(), Some("debug"));
        assert_eq!(level("debug, gateway=trace").as_deref(), Some("trace"));
        assert_eq!(level("gateway=nonsense,relay=debug").as_deref(), Some("info"));
        for wanted in ["trace", "ohttp=trace", "trace,ohttp=trace,ohttp::rh=trace,gateways=trace"] {
            assert_eq!((filters(wanted, "ohttp"), filters(wanted, "gateways")), (None, None));
            assert!(filter(wanted).to_string().split(',').any(|directive| directive == "warn"));
        }
    }
}
