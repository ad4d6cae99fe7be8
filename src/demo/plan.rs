//! What each person of the book does, by `CATEGORIES`, and what a lookup must therefore find.
//!
//! | category | |
//! | --- | --- |
//! | `enrolled` | enrolls with one MSP |
//! | `several-providers` | one holder enrolls with two or three MSPs |
//! | `several-holders` | two cards share one identifier: each holder enrolls with a key of their own |
//! | `opted-out` | enrolls, and publishes to be found nowhere |
//! | `never-enrolled` | does nothing |
//! | `expired` | enrolls with a mapping that has expired at the time of the lookup |
//! | `withdrawn` | enrolls, and takes the mapping back |

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use protocol::SigningKey;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::lookup::Outcome;
use protocol::mapping::{Reachability, Tags};
use protocol::mimi_uri::{Msp, Psi};

use crate::contacts::Contact;
use crate::failure::Failure;

/// The MSPs of the demo.
pub(super) const MSPS: [&str; 3] = ["a.example", "b.example", "c.example"];
/// Tags in turn.
const TAGS: [&[&str]; 5] = [&["Personal"], &["Business"], &[], &["Personal", "Family"], &["Business", "Support"]];

/// What becomes of a mapping before the lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is found.
    Lives,
    /// It expires.
    Expires,
    /// Its holder takes it back.
    IsWithdrawn,
}

/// One enrollment and its mapping.
pub(super) struct Step {
    /// The holder's key.
    pub(super) key: Arc<SigningKey>,
    /// The identifier.
    pub(super) cpi: Cpi,
    /// Which of [`MSPS`].
    pub(super) msp: usize,
    /// Where the holder is to be found.
    pub(super) reachability: Reachability,
    /// How.
    pub(super) tags: Tags,
    /// What becomes of it.
    pub(super) fate: Fate,
}

/// All that is to be done, and all identifiers of the book, each once.
pub(super) struct Plan {
    steps: Vec<Step>,
    cpis: Vec<Cpi>,
    of_contacts: Vec<Vec<Cpi>>,
}

/// What a lookup of one identifier must yield: the outcome, and who is found where, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) outcome: Outcome,
    pub(super) mappings: BTreeSet<Line>,
}

/// Holder, provider, identifier there, tags.
pub(super) type Line = ([u8; 32], Option<String>, Option<String>, Vec<String>);

impl Plan {
    /// Plans for a book.
    ///
    /// # Errors
    ///
    /// [`Failure`] names the card whose category or identifier is not understood.
    pub(super) fn make(contacts: &[Contact]) -> Result<Self, Failure> {
        let mut plan = Self { steps: Vec::new(), cpis: Vec::new(), of_contacts: Vec::new() };
        let mut known = BTreeSet::new();
        for (turn, contact) in contacts.iter().enumerate() {
            let wrong =
                |what: &dyn std::fmt::Display| Failure::new(format!("card {} of the contact book: {what}", turn + 1));
            let cpis = contact.identifiers(None).map(|(_, cpi)| cpi.map_err(|error| wrong(&error)));
            let cpis = cpis.collect::<Result<Vec<_>, _>>()?;
            let category = contact.categories.first().map_or("enrolled", String::as_str);
            let key = Arc::new(SigningKey::generate(&mut rand::rng()));
            for cpi in &cpis {
                let steps = steps(category, turn, &key, cpi)
                    .ok_or_else(|| wrong(&format_args!("no plan named {category:?}")))?;
                plan.steps.extend(steps);
                if known.insert(cpi.clone()) {
                    plan.cpis.push(cpi.clone());
                }
            }
            plan.of_contacts.push(cpis);
        }
        // What is to expire is published first, so that little time is spent waiting for it.
        plan.steps.sort_by_key(|step| step.fate != Fate::Expires);
        Ok(plan)
    }

    /// What is to be done.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Every identifier of the book, once.
    pub(super) fn cpis(&self) -> &[Cpi] {
        &self.cpis
    }

    /// The identifiers of each contact, in the order of the book.
    pub(super) fn of_contacts(&self) -> &[Vec<Cpi>] {
        &self.of_contacts
    }

    /// What must be found of each identifier.
    pub(super) fn expected(&self) -> HashMap<&Cpi, Expected> {
        let mut living: HashMap<&Cpi, Vec<&Step>> = self.cpis.iter().map(|cpi| (cpi, Vec::new())).collect();
        for step in self.steps.iter().filter(|step| step.fate == Fate::Lives) {
            living.entry(&step.cpi).or_default().push(step);
        }
        let expected = |steps: Vec<&Step>| {
            let holders = steps
                .iter()
                .map(|step| (step.key.public().thumbprint().to_string(), step.reachability.msp().is_some()));
            Expected { outcome: Outcome::of(holders), mappings: steps.iter().map(|step| step.line()).collect() }
        };
        living.into_iter().map(|(cpi, steps)| (cpi, expected(steps))).collect()
    }
}

impl Step {
    fn line(&self) -> Line {
        line(self.key.public().as_bytes(), &self.reachability, &self.tags)
    }
}

/// What a found mapping says, to be compared.
pub(super) fn line_of(found: &VerifiedMapping) -> Line {
    line(found.holder().as_bytes(), &found.mapping().reachability, &found.mapping().tags)
}

fn line(holder: &[u8; 32], reachability: &Reachability, tags: &Tags) -> Line {
    let (msp, psi) = (reachability.msp().map(ToString::to_string), reachability.psi().map(ToString::to_string));
    (*holder, msp, psi, tags.iter().map(str::to_owned).collect())
}

/// The steps of one person for one identifier; none for a category that is not known.
fn steps(category: &str, turn: usize, key: &Arc<SigningKey>, cpi: &Cpi) -> Option<Vec<Step>> {
    let (msps, fate, opted_out) = match category {
        "enrolled" | "several-holders" => (1, Fate::Lives, false),
        "several-providers" => (2 + turn % 2, Fate::Lives, false),
        "opted-out" => (1, Fate::Lives, true),
        "expired" => (1, Fate::Expires, false),
        "withdrawn" => (1, Fate::IsWithdrawn, false),
        "never-enrolled" => (0, Fate::Lives, false),
        _ => return None,
    };
    let step = |offset: usize| {
        let msp = (turn + offset) % MSPS.len();
        let reachability = if opted_out { Reachability::Nowhere } else { at(msp, turn) };
        let tags = Tags::new(TAGS[turn % TAGS.len()].iter().copied()).expect("the tags above are well-formed");
        Step { key: Arc::clone(key), cpi: cpi.clone(), msp, reachability, tags, fate }
    };
    Some((0..msps).map(step).collect())
}

/// At an MSP; every third person tells no identifier there.
fn at(msp: usize, turn: usize) -> Reachability {
    let domain = MSPS[msp];
    let psi = (!turn.is_multiple_of(3)).then(|| format!("mimi://{domain}/u/person-{turn}"));
    Reachability::At {
        msp: Msp::from_domain(domain).expect("the domains above are well-formed"),
        psi: psi.map(|psi| Psi::parse(&psi).expect("a domain, u and a name are a PSI")),
    }
}
