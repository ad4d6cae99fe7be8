//! What was found before: answers kept until their own documents expire, and ties that were broken.
//!
//! A [`Cache`] keeps documents, not verdicts: [`Cache::find`] verifies them again, so that neither a file that somebody has
//! edited nor a prover that is no longer trusted can put a mapping there. An answer holds until its first document expires,
//! one without any document for [`Freshness::negative`], and none longer than [`Freshness::max_age`], since withdrawals are
//! learnt by asking alone. [`Cache::due`] says what to ask for again (`requirements.md` D13).
//!
//! [`Cache::to_bytes`] is deterministic CBOR, for any store of secrets; [`Cache::load`] and [`Cache::save`] (feature `files`)
//! keep a file of mode 0600. It holds a contact book: treat it as one.
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::cache::{Cache, Freshness};
//! use client::lookup::Found;
//!
//! let now = fixtures::NOW;
//! let mut cache = Cache::new(Freshness::default());
//! cache.insert(&Found::of(fixtures::cpi(), vec![fixtures::mapping("mimi://a.example", &["Default"])]), now);
//!
//! let kept = Cache::from_bytes(&cache.to_bytes(), Freshness::default())?;
//! let found = kept.find(&fixtures::cpi(), &fixtures::trust().provers, now).expect("it is fresh");
//! assert_eq!(found.mappings.len(), 1);
//! assert!(kept.due(&[fixtures::cpi()], now).cpis.is_empty());
//! # Ok::<(), client::cache::CacheError>(())
//! ```

#[cfg(feature = "files")]
mod file;
mod format;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use protocol::authenticated::{UnverifiedMapping, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::lookup::{self, Outcome};
use protocol::mapping::MAX_TAG_BYTES;
use protocol::trust::TrustAnchors;
use protocol::{CLOCK_SKEW, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::choice::Choice;
use crate::lookup::{Found, judge};

/// How many answers are kept at most, and how many choices; what comes when it is full is not kept.
pub const MAX_ENTRIES: usize = 100_000;

/// How long answers are fresh, beside the expiry of their documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How long "not found" holds, and an answer in which a document did not verify.
    pub negative: Duration,
    /// How long any answer holds at most.
    pub max_age: Duration,
    /// How long before its end an answer is asked for again; a quarter of its life if that is less.
    pub ahead: Duration,
}

impl Default for Freshness {
    /// An hour, a week, a day.
    fn default() -> Self {
        const HOUR: u64 = 3600;
        Self {
            negative: Duration::from_secs(HOUR),
            max_age: Duration::from_secs(7 * 24 * HOUR),
            ahead: Duration::from_secs(24 * HOUR),
        }
    }
}

/// Why a cache was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Not a cache, or one of another version.
    #[error("this is no cache of this version")]
    Malformed,
    /// Others than its owner may read it.
    #[error("the cache can be read by others than its owner; set its mode to 0600")]
    Exposed,
    /// The file system refuses.
    #[error("cache: {0}")]
    Io(#[from] std::io::Error),
}

/// What of a book is to be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// New, expired, or about to expire; each once.
    pub cpis: Vec<Cpi>,
    /// How many of the book are fresh.
    pub fresh: usize,
}

/// How an answer differs from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Its CPI can be reached, and could not as far as was known.
    New,
    /// Its CPI could be reached, and cannot any more.
    Gone,
    /// Other places, tags or holders.
    Otherwise,
}

impl Change {
    const fn between(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, true) => Self::New,
            (true, false) => Self::Gone,
            (true, true) | (false, false) => Self::Otherwise,
        }
    }
}

/// Answers and choices.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cache {
    freshness: Freshness,
    answers: HashMap<Cpi, Kept>,
    choices: HashMap<(Cpi, String), Choice>,
    newest_keys: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    claimed: Outcome,
    asked_at: Timestamp,
    holds_until: Timestamp,
    /// What the documents say, hashed: the same for a renewal.
    sense: [u8; 32],
    documents: Vec<Vec<u8>>,
}

impl Cache {
    /// An empty one.
    #[must_use]
    pub fn new(freshness: Freshness) -> Self {
        Self { freshness, ..Self::default() }
    }

    /// Keeps an answer that was given at `now`. Says whether its CPI can be reached elsewhere, or otherwise, than was known;
    /// a renewal is no change.
    pub fn insert(&mut self, found: &Found, now: Timestamp) -> Option<Change> {
        let sense = sense(found);
        let known = self.answers.get(&found.cpi);
        let differs = known.map_or(!found.mappings.is_empty(), |known| known.sense != sense);
        let change = differs.then(|| Change::between(known.is_some_and(Kept::names_a_place), is_reachable(found)));
        let first_end = found.mappings.iter().map(|mapping| mapping.mapping().expires_at).min();
        let by_policy = match first_end {
            Some(end) if found.refused.is_empty() => end.min(now.plus(self.freshness.max_age)),
            Some(_) | None => now.plus(self.freshness.negative.min(self.freshness.max_age)),
        };
        if known.is_some() || self.answers.len() < MAX_ENTRIES {
            let kept = Kept {
                claimed: found.claimed,
                asked_at: now,
                holds_until: first_end.map_or(by_policy, |end| end.min(by_policy)),
                sense,
                documents: found.mappings.iter().map(|mapping| mapping.bytes().to_vec()).collect(),
            };
            self.answers.insert(found.cpi.clone(), kept);
        }
        change
    }

    /// The answer for `cpi`, if it is fresh at `now` and all of its documents verify.
    #[must_use]
    pub fn find(&self, cpi: &Cpi, provers: &TrustAnchors, now: Timestamp) -> Option<Found> {
        let kept = self.answers.get(cpi).filter(|kept| kept.holds(now))?;
        let entry = lookup::Entry { outcome: kept.claimed, mappings: kept.documents.clone() };
        let found = judge(cpi, entry, provers, now);
        found.refused.is_empty().then_some(found)
    }

    /// What of `book` has to be asked for at `now`.
    #[must_use]
    pub fn due(&self, book: &[Cpi], now: Timestamp) -> Due {
        let mut seen = HashSet::with_capacity(book.len());
        let mut due = Due::default();
        for cpi in book.iter().filter(|cpi| seen.insert(*cpi)) {
            match self.answers.get(cpi) {
                Some(kept) if kept.holds(now.plus(self.ahead_of(kept))) && kept.holds(now) => due.fresh += 1,
                Some(_) | None => due.cpis.push(cpi.clone()),
            }
        }
        due
    }

    /// Forgets all that is not in `book`.
    pub fn retain(&mut self, book: &[Cpi]) {
        let book: HashSet<&Cpi> = book.iter().collect();
        self.answers.retain(|cpi, _| book.contains(cpi));
        self.choices.retain(|(cpi, _), _| book.contains(cpi));
    }

    /// Makes every answer stale, so that all is asked for again; what was known stays to be compared with.
    pub fn expire(&mut self) {
        self.answers.values_mut().for_each(|kept| kept.holds_until = Timestamp::default());
    }

    /// Forgets the answer for one CPI, so that it is asked for again. Choices stay.
    pub fn forget(&mut self, cpi: &Cpi) {
        self.answers.remove(cpi);
    }

    /// The place chosen earlier for `cpi` in a `context` (see [`crate::choice::choose`]).
    #[must_use]
    pub fn choice(&self, cpi: &Cpi, context: Option<&str>) -> Option<&Choice> {
        self.choices.get(&(cpi.clone(), context.unwrap_or_default().to_owned()))
    }

    /// Remembers a choice, in place of an earlier one. A context longer than a tag can be is not remembered.
    pub fn remember(&mut self, cpi: &Cpi, context: Option<&str>, choice: Choice) {
        let context = context.unwrap_or_default();
        let key = (cpi.clone(), context.to_owned());
        if context.len() <= MAX_TAG_BYTES && (self.choices.len() < MAX_ENTRIES || self.choices.contains_key(&key)) {
            self.choices.insert(key, choice);
        }
    }

    /// When the newest key configuration seen was signed: a much older one is refused, across restarts too.
    #[must_use]
    pub fn newest_keys(&self) -> Timestamp {
        self.newest_keys
    }

    /// Notes that a key configuration signed at `time` was seen.
    pub fn see_keys(&mut self, time: Timestamp) {
        self.newest_keys = self.newest_keys.max(time);
    }

    /// How many answers it holds, fresh or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether it holds no answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn ahead_of(&self, kept: &Kept) -> Duration {
        self.freshness.ahead.min(kept.holds_until.since(kept.asked_at) / 4)
    }
}

impl Kept {
    /// Whether it is within its time; a clock that was set back makes it stale, not eternal.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.holds_until && self.asked_at <= now.plus(CLOCK_SKEW)
    }

    /// Whether somebody could be reached by it when it was given; expired documents count here.
    fn names_a_place(&self) -> bool {
        let names_one = |document: &Vec<u8>| {
            UnverifiedMapping::parse(document)
                .is_ok_and(|parsed| parsed.unverified_mapping().reachability.msp().is_some())
        };
        self.documents.iter().any(names_one)
    }
}

fn is_reachable(found: &Found) -> bool {
    found.mappings.iter().any(|mapping| mapping.mapping().reachability.msp().is_some())
}

/// No identifier is printed.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} answers, {} choices)", self.answers.len(), self.choices.len())
    }
}

/// SHA-256 over what the mappings say to a person: outcome, and of each the holder, place and tags.
fn sense(found: &Found) -> [u8; 32] {
    let mut places: Vec<String> = found.mappings.iter().map(place).collect();
    places.sort_unstable();
    let mut hash = Sha256::new_with_prefix([found.outcome.code()]);
    for place in places {
        hash.update(Sha256::digest(place));
    }
    hash.finalize().into()
}

fn place(verified: &VerifiedMapping) -> String {
    let mapping = verified.mapping();
    let msp = mapping.reachability.msp().map(ToString::to_string).unwrap_or_default();
    let psi = mapping.reachability.psi().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{} {msp} {psi}", verified.holder().thumbprint());
    for tag in mapping.tags.iter() {
        text.push('\n');
        text.push_str(tag);
    }
    text
}

#[cfg(test)]
mod tests;
