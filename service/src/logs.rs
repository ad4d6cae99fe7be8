//! Structured logs to standard error. What is logged is bounded: never an address, an identifier, a path or a body.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Libraries whose lower levels could show what passes through them.
const CAPPED: [&str; 6] = ["hyper=warn", "hyper_util=warn", "h2=warn", "rustls=warn", "lettre=warn", "tower=warn"];

/// Starts logging. `RUST_LOG` sets the level of our own crates (`info` without it); what could show traffic stays capped.
/// A second call does nothing.
pub fn init_logs(format: LogFormat) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in CAPPED {
        filter = filter.add_directive(directive.parse().expect("the directives above are well-formed"));
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails only if a subscriber is there already: several services in one process share the first.
    let _ = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
}
