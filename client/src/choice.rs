//! Which mapping to use: by the caller's context, falling back to `Default`, ties broken once and remembered.
//!
//! The rules are those of "Basic Recipient's Preference Requirement" in draft-interop-mimi-discovery-requirements-01: a sender
//! whose context is, say, `Business` uses the mapping that its recipient tagged so; otherwise the one tagged `Default`; where
//! there is none, or more than one, any will do, but the tie is broken *once*, "and re-evaluated solely through explicit user
//! action. This prevents messages from a sender from being scattered across multiple mappings".
//!
//! [`choose`] is a pure function of what was found, the context, what is remembered, and one random number. A [`Choice`]
//! names a holder's key and an MSP, not a document: it outlives renewals. [`crate::cache::Cache`] remembers choices.

use protocol::Thumbprint;
use protocol::authenticated::VerifiedMapping;
use protocol::mapping::DEFAULT_TAG;
use protocol::mimi_uri::Msp;

use crate::lookup::Found;

/// A place that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The thumbprint of the holder's key.
    pub holder: Thumbprint,
    /// The messaging provider.
    pub msp: Msp,
}

/// Why a mapping was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its recipient has tagged it with the caller's context.
    Context,
    /// Its recipient has tagged it `Default`.
    Default,
    /// Its recipient has no preference that decides, and there is nothing else.
    Only,
    /// Several would have done; one was taken. Remember the [`Choice`].
    Tie,
    /// Several would have done; it is the one that was taken before.
    Remembered,
}

/// A mapping to use, and why it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The mapping.
    pub mapping: &'a VerifiedMapping,
    /// Why it.
    pub reason: Reason,
}

impl Choice {
    /// The place that a mapping names; `None` if it names none.
    #[must_use]
    pub fn of(mapping: &VerifiedMapping) -> Option<Self> {
        let msp = mapping.mapping().reachability.msp()?.clone();
        Some(Self { holder: mapping.holder().thumbprint(), msp })
    }
}

/// Picks the mapping for a caller's `context`. `remembered` is the [`Choice`] of an earlier tie; `tie` is a random number
/// that breaks a new one.
///
/// `None` if there is no mapping to an MSP. Several *holders* are no tie to be broken by chance: who claims a number
/// beside its owner must not gain half of its messages. See [`protocol::lookup::Outcome::SeveralHolders`]: ask the
/// user, and hand the answer in as `remembered`; until then this is `None`, too.
///
/// ```
/// # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
/// use client::choice::{Reason, choose};
/// use client::lookup::Found;
///
/// let work = fixtures::mapping("mimi://work.example", &["Business"]);
/// let home = fixtures::mapping("mimi://home.example", &["Default"]);
/// let found = Found::of(fixtures::cpi(), vec![work, home]);
///
/// let chosen = choose(&found, Some("Business"), None, 0).unwrap();
/// assert_eq!(chosen.mapping.mapping().reachability.msp().unwrap().to_string(), "mimi://work.example");
/// assert_eq!(chosen.reason, Reason::Context);
/// assert_eq!(choose(&found, Some("Football"), None, 0).unwrap().reason, Reason::Default);
/// ```
#[must_use]
pub fn choose<'a>(
    found: &'a Found,
    context: Option<&str>,
    remembered: Option<&Choice>,
    tie: usize,
) -> Option<Chosen<'a>> {
    let reachable: Vec<&VerifiedMapping> =
        found.mappings.iter().filter(|mapping| mapping.mapping().reachability.msp().is_some()).collect();
    let is_remembered = |mapping: &&&VerifiedMapping| remembered.is_some_and(|choice| matches(mapping, choice));
    let of_several_holders = reachable.iter().any(|mapping| mapping.holder() != reachable[0].holder());
    if of_several_holders {
        let mapping = reachable.iter().find(is_remembered)?;
        return Some(Chosen { mapping, reason: Reason::Remembered });
    }
    let tagged = |tag: &str| -> Vec<&VerifiedMapping> {
        reachable.iter().copied().filter(|mapping| mapping.mapping().tags.contains(tag)).collect()
    };
    let by_context = context.map(tagged).unwrap_or_default();
    let (candidates, reason) = if by_context.is_empty() {
        let by_default = tagged(DEFAULT_TAG);
        if by_default.is_empty() { (reachable, Reason::Only) } else { (by_default, Reason::Default) }
    } else {
        (by_context, Reason::Context)
    };
    match candidates.as_slice() {
        [] => None,
        [mapping] => Some(Chosen { mapping, reason }),
        several => Some(match several.iter().find(is_remembered) {
            Some(mapping) => Chosen { mapping, reason: Reason::Remembered },
            None => Chosen { mapping: several[tie % several.len()], reason: Reason::Tie },
        }),
    }
}

fn matches(mapping: &VerifiedMapping, choice: &Choice) -> bool {
    mapping.holder().thumbprint() == choice.holder && mapping.mapping().reachability.msp() == Some(&choice.msp)
}

#[cfg(test)]
mod tests;
