//! What was done, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often each thing happened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) enrolled: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) withdrawn: AtomicU64,
    pub(crate) removed: AtomicU64,
    pub(crate) taken_over: AtomicU64,
    /// Requests that got no answer, or a passing one, and were sent again.
    pub(crate) again: AtomicU64,
    pub(crate) lookups: AtomicU64,
    /// Lookups without an answer.
    pub(crate) unanswered: AtomicU64,
    /// Answers for one CPI that were held to the document to what is acknowledged.
    pub(crate) exact: AtomicU64,
    /// Answers for one CPI that was being changed: held to what its users ever signed.
    pub(crate) under_way: AtomicU64,
    pub(crate) mappings: AtomicU64,
    pub(crate) forged: AtomicU64,
    pub(crate) forged_unanswered: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |count: &AtomicU64| count.load(Relaxed);
        writeln!(
            f,
            "acknowledged: {} credentials, {} mappings, {} withdrawals, {} removals, {} takeovers; {} requests sent again",
            of(&self.enrolled),
            of(&self.published),
            of(&self.withdrawn),
            of(&self.removed),
            of(&self.taken_over),
            of(&self.again)
        )?;
        writeln!(
            f,
            "looked up: {} questions and {} without answer; of identifiers {} as acknowledged, {} while they were changed; \
             {} mappings, all verified; {} by the command",
            of(&self.lookups),
            of(&self.unanswered),
            of(&self.exact),
            of(&self.under_way),
            of(&self.mappings),
            of(&self.commands)
        )?;
        write!(
            f,
            "forgeries: {} refused, {} without answer; {} old documents replayed to no effect",
            of(&self.forged),
            of(&self.forged_unanswered),
            of(&self.replayed)
        )
    }
}
