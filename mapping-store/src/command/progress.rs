//! A progress bar on a terminal, and nothing elsewhere.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar; gone when it is dropped.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar over bytes, or else over so many of something.
    pub(super) fn new(bytes: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let counted = if bytes { "{bytes} of {total_bytes}, {bytes_per_sec}" } else { "{pos} of {len}, {per_sec}" };
        let template = format!("{{wide_bar}} {counted}, {{eta}} left {{msg}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style))
    }

    pub(super) fn at(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    pub(super) fn say(&self, text: String) {
        self.0.set_message(text);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
