//! What an audit finds of one receipt, and what that proves.

use std::fmt;

use protocol::receipt::Position;

/// One thing that was found of one receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The receipt is none of this provider's for this document.
    NoEvidence(String),
    /// The provider has signed another document for the same position.
    TwoAtOnePosition,
    /// The feed has the document at its position.
    InLog,
    /// The feed says that the log ends before the position.
    LogEndsBefore {
        /// The last position, as the feed says.
        head: u64,
    },
    /// The feed has another document at the position.
    AnotherInLog,
    /// The feed steps over the position.
    Gap,
    /// A lookup answers with it; or without it, where it is a withdrawal.
    Served,
    /// It need not be served any more.
    Overtaken(Overtaken),
    /// A lookup answers without it and without a later one.
    Unserved {
        /// Whether the log was read, and has nothing that would end it.
        log_was_read: bool,
    },
    /// A lookup answers with what it has replaced or withdrawn.
    RolledBack {
        /// The `seq` that is served.
        served: u64,
    },
}

/// Why a mapping need not be served any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overtaken {
    /// Another receipt of the file is for a later one.
    LaterReceipt,
    /// A later one is served.
    LaterServed,
    /// It has expired.
    Expired,
    /// Its holder has withdrawn or replaced it, at this position.
    ByHolder(Position),
    /// A newer holder has taken the identifier over.
    ByNewerHolder,
    /// The identifier's issuer has removed it, at this position.
    Removed(Position),
}

impl Finding {
    /// Whether the provider has lost or reordered what it promised.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        match self {
            Self::TwoAtOnePosition
            | Self::LogEndsBefore { .. }
            | Self::AnotherInLog
            | Self::Gap
            | Self::Unserved { .. }
            | Self::RolledBack { .. } => true,
            Self::NoEvidence(_) | Self::InLog | Self::Served | Self::Overtaken(_) => false,
        }
    }

    /// Whether it is of the log, and not of the lookup.
    #[must_use]
    pub const fn is_of_log(&self) -> bool {
        match self {
            Self::TwoAtOnePosition | Self::InLog | Self::LogEndsBefore { .. } | Self::AnotherInLog | Self::Gap => true,
            Self::NoEvidence(_)
            | Self::Served
            | Self::Overtaken(_)
            | Self::Unserved { .. }
            | Self::RolledBack { .. } => false,
        }
    }

    /// What it proves, and to whom; nothing if nothing is lost.
    #[must_use]
    pub const fn proves(&self) -> Option<&'static str> {
        match self {
            Self::TwoAtOnePosition => Some(
                "The provider has signed that two different documents stand at one position. The two receipts prove to anybody, \
                 offline, that it has rewritten or forked its log.",
            ),
            Self::LogEndsBefore { .. } => Some(
                "The provider has signed that the document is durable at this position, and its feed tells you that the log ends \
                 before it. The receipt proves the promise to anybody; the feed's answer is not signed, and shows the loss to \
                 whoever asks it.",
            ),
            Self::AnotherInLog => Some(
                "The provider has signed that this document stands at this position, and its feed has another one there: the log \
                 was rewritten or reordered. The receipt proves the promise to anybody; the feed shows the rest to whoever asks it.",
            ),
            Self::Gap => Some(
                "The provider has signed that this document stands at this position, and its feed steps over it. Positions have \
                 no gaps. The receipt proves the promise to anybody; the feed shows the gap to whoever asks it.",
            ),
            Self::Unserved { log_was_read: true } => Some(
                "The provider has signed that this mapping is durable, its log has nothing later that would end it, and its lookups \
                 answer without it: it is lost or withheld. Answers are not signed, and show it to whoever asks.",
            ),
            Self::Unserved { log_was_read: false } => Some(
                "The provider has signed that this mapping is durable, and its lookups answer without it and without a later one. \
                 It is lost or withheld, unless it was withdrawn with its key elsewhere, or removed by the identifier's issuer: \
                 the change feed would tell (--follower-certificate).",
            ),
            Self::RolledBack { .. } => Some(
                "The provider has signed that this document is durable, and its lookups answer with what it replaces. Both are \
                 signed by the holder, and their seq tells their order: the store has gone back behind its promise. The answer is \
                 not signed, and shows it to whoever asks.",
            ),
            Self::NoEvidence(_) | Self::InLog | Self::Served | Self::Overtaken(_) => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEvidence(rule) => write!(f, "no evidence: {rule}"),
            Self::TwoAtOnePosition => f.write_str("LOST: another receipt has this position"),
            Self::InLog => f.write_str("stands there"),
            Self::LogEndsBefore { head } => write!(f, "LOST: the log ends at {head}"),
            Self::AnotherInLog => f.write_str("LOST: another document stands there"),
            Self::Gap => f.write_str("LOST: the log leaves it out"),
            Self::Served => f.write_str("as promised"),
            Self::Overtaken(overtaken) => write!(f, "{overtaken}"),
            Self::Unserved { .. } => f.write_str("LOST: not served"),
            Self::RolledBack { served } => write!(f, "LOST: seq {served} is served"),
        }
    }
}

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LaterReceipt => f.write_str("a later receipt"),
            Self::LaterServed => f.write_str("a later one is served"),
            Self::Expired => f.write_str("expired"),
            Self::ByHolder(Position { shard, number }) => write!(f, "ended by its holder at {shard}/{number}"),
            Self::ByNewerHolder => f.write_str("taken over by a newer holder"),
            Self::Removed(Position { shard, number }) => write!(f, "removed by the issuer at {shard}/{number}"),
        }
    }
}
