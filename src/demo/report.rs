//! What the demo found: a table of everybody, what was not as expected, and the summary.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use client::lookup::Found;
use client::verify::verify;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use protocol::cpi::Cpi;
use protocol::lookup::Outcome;
use protocol::trust::TrustAnchors;

use super::Timed;
use super::plan::{Plan, line_of};
use crate::commands::is_found;
use crate::contacts::Contact;
use crate::enroll::now;

/// What the demo found. `Display` is what a person reads.
pub struct Report {
    contacts: Vec<Contact>,
    plan: Plan,
    answers: HashMap<Cpi, Timed>,
    at_once: Duration,
    enrolled: usize,
    verified: usize,
    surprises: Vec<String>,
}

impl Report {
    pub(super) fn new(
        contacts: Vec<Contact>,
        plan: Plan,
        enrolled: usize,
        one_by_one: Vec<Timed>,
        (at_once, took): (Vec<Found>, Duration),
        provers: &TrustAnchors,
    ) -> Self {
        let mut surprises = Vec::new();
        let answers: HashMap<Cpi, Timed> =
            one_by_one.into_iter().map(|timed| (timed.found.cpi.clone(), timed)).collect();
        for (cpi, expected) in plan.expected() {
            let mut check = |holds: bool, what: &str| {
                if !holds {
                    surprises.push(format!("{cpi}: {what}"));
                }
            };
            let Some(Timed { found, .. }) = answers.get(cpi) else {
                check(false, "no answer");
                continue;
            };
            let lines: BTreeSet<_> = found.mappings.iter().map(line_of).collect();
            check(found.outcome == expected.outcome, "the outcome is another than expected");
            check(found.claimed == expected.outcome, "the provider claims another outcome");
            check(
                lines == expected.mappings && lines.len() == found.mappings.len(),
                "other mappings than were published",
            );
            check(found.refused.is_empty(), "the provider served what does not verify");
        }
        if at_once.len() != answers.len() || at_once.iter().any(|found| !same(found, answers.get(&found.cpi))) {
            surprises.push("the whole book at once has other answers than its people one by one".to_owned());
        }
        let mappings = answers.values().flat_map(|timed| &timed.found.mappings);
        let verdicts: Vec<bool> = mappings.map(|mapping| verify(mapping.bytes(), provers, now()).is_ok()).collect();
        let verified = verdicts.iter().filter(|verdict| **verdict).count();
        if verified != verdicts.len() {
            surprises.push("a mapping does not verify offline".to_owned());
        }
        if enrolled != plan.steps().len() {
            surprises.push("somebody could not enroll".to_owned());
        }
        Self { contacts, plan, answers, at_once: took, enrolled, verified, surprises }
    }

    /// Whether every expectation held.
    #[must_use]
    pub fn all_as_expected(&self) -> bool {
        self.surprises.is_empty()
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(["name", "identifier", "providers", "tags", "verified by", "time"]);
        for (contact, cpis) in self.contacts.iter().zip(self.plan.of_contacts()) {
            for (index, cpi) in cpis.iter().enumerate() {
                let name = if index == 0 { contact.name.as_str() } else { "" };
                if let Some(timed) = self.answers.get(cpi) {
                    table.add_row(row(name, timed));
                }
            }
        }
        table
    }
}

/// The same outcome and the same documents.
fn same(found: &Found, other: Option<&Timed>) -> bool {
    let hashes = |found: &Found| found.mappings.iter().map(|mapping| mapping.hash()).collect::<BTreeSet<_>>();
    other.is_some_and(|other| other.found.outcome == found.outcome && hashes(&other.found) == hashes(found))
}

fn row(name: &str, Timed { found, took }: &Timed) -> Vec<Cell> {
    let (note, colour) = match found.outcome {
        Outcome::NeverMapped => (Some("not found"), Color::DarkGrey),
        Outcome::Unreachable => (Some("opted out"), Color::Yellow),
        Outcome::OneMapping => (None, Color::Green),
        Outcome::SeveralProviders => (None, Color::Cyan),
        Outcome::SeveralHolders => (Some("several holders"), Color::Magenta),
    };
    let msps =
        found.mappings.iter().filter_map(|mapping| Some(mapping.mapping().reachability.msp()?.domain().to_owned()));
    let tags = found.mappings.iter().flat_map(|mapping| mapping.mapping().tags.iter().map(str::to_owned));
    let provers = found.mappings.iter().map(|mapping| mapping.credential().prover.clone());
    let providers: BTreeSet<_> = msps.chain(note.map(|note| format!("({note})"))).collect();
    let joined = |texts: BTreeSet<String>| texts.into_iter().collect::<Vec<_>>().join(", ");
    vec![
        Cell::new(name),
        Cell::new(shown(&found.cpi)),
        Cell::new(joined(providers)).fg(colour),
        Cell::new(joined(tags.collect())),
        Cell::new(joined(provers.collect())),
        Cell::new(format!("{:.1} ms", took.as_secs_f64() * 1e3)),
    ]
}

/// As people write it.
fn shown(cpi: &Cpi) -> String {
    match cpi {
        Cpi::Phone(number) => number.to_international(),
        Cpi::Email(address) => address.to_unicode(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.table())?;
        for surprise in &self.surprises {
            writeln!(f, "not as expected: {surprise}")?;
        }
        let mut times: Vec<Duration> = self.answers.values().map(|timed| timed.took).collect();
        times.sort_unstable();
        let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
        let outcomes = |wanted| self.answers.values().filter(|timed| timed.found.outcome == wanted).count();
        writeln!(
            f,
            "{} with one provider, {} with several, {} claimed by several holders, {} opted out, {} not found",
            outcomes(Outcome::OneMapping),
            outcomes(Outcome::SeveralProviders),
            outcomes(Outcome::SeveralHolders),
            outcomes(Outcome::Unreachable),
            outcomes(Outcome::NeverMapped),
        )?;
        writeln!(
            f,
            "a lookup through the relay: {:.1} ms in the median, {:.1} ms at the 99th percentile; the whole book at once: {:.2} s",
            at(50).as_secs_f64() * 1e3,
            at(99).as_secs_f64() * 1e3,
            self.at_once.as_secs_f64()
        )?;
        let found = self.answers.values().filter(|timed| is_found(&timed.found)).count();
        write!(
            f,
            "demo: {} contacts, {} enrolled, {found} found, {} verified, {} not found",
            self.contacts.len(),
            self.enrolled,
            self.verified,
            self.answers.len() - found
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contacts::vcard;

    const BOOK: &[u8] =
        b"BEGIN:VCARD\nVERSION:4.0\nFN:Eli\nEMAIL:eli@example.org\nCATEGORIES:never-enrolled\nEND:VCARD\n";

    fn answer(outcome: Outcome, claimed: Outcome) -> Found {
        let cpi = Cpi::parse("mailto:eli@example.org").unwrap();
        Found { cpi, outcome, claimed, mappings: Vec::new(), refused: Vec::new() }
    }

    fn report(one_by_one: Vec<Found>, at_once: Vec<Found>, enrolled: usize) -> Report {
        let contacts = vcard::parse(BOOK).unwrap();
        let plan = Plan::make(&contacts).unwrap();
        let timed = one_by_one.into_iter().map(|found| Timed { found, took: Duration::ZERO }).collect();
        Report::new(contacts, plan, enrolled, timed, (at_once, Duration::ZERO), &TrustAnchors::new(Vec::new()))
    }

    #[test]
    fn whatever_is_not_as_expected_is_told() {
        let nothing = answer(Outcome::NeverMapped, Outcome::NeverMapped);
        assert!(report(vec![nothing.clone()], vec![nothing.clone()], 0).all_as_expected());
        let lying = answer(Outcome::NeverMapped, Outcome::OneMapping);
        let wrong = answer(Outcome::OneMapping, Outcome::OneMapping);
        for (one_by_one, at_once, enrolled) in [
            (vec![], vec![nothing.clone()], 0),
            (vec![nothing.clone()], vec![], 0),
            (vec![nothing.clone()], vec![wrong.clone()], 0),
            (vec![lying], vec![nothing.clone()], 0),
            (vec![wrong.clone()], vec![wrong], 0),
            (vec![nothing.clone()], vec![nothing], 1),
        ] {
            let report = report(one_by_one, at_once, enrolled);
            assert!(!report.all_as_expected() && report.to_string().contains("not as expected: "), "{report}");
        }
    }
}
