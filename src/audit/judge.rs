//! The comparison: promises, the log if it was read, and what lookups answer. No network, no clock.

use std::collections::HashMap;

use client::lookup::Found;
use protocol::Timestamp;
use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::mapping::State;
use protocol::receipt::Position;

use super::feed::{Feed, Later};
use super::{Finding, Findings, Overtaken, Promise};

/// All that was seen.
struct Seen<'a> {
    promises: Vec<&'a Promise>,
    feed: Option<&'a Feed>,
    answers: &'a HashMap<Cpi, Found>,
    now: Timestamp,
}

/// Compares each promise with the log and the answers at `now`. A CPI that is not in `answers` was not looked up, and nothing
/// is said of it.
#[must_use]
pub fn judge(
    promises: &[Result<Promise, String>],
    feed: Option<&Feed>,
    answers: &HashMap<Cpi, Found>,
    now: Timestamp,
) -> Vec<Findings> {
    let seen = Seen { promises: promises.iter().flatten().collect(), feed, answers, now };
    let of = |promise: &Result<Promise, String>| match promise {
        Ok(promise) => Findings { promise: Some(promise.clone()), found: seen.findings(promise) },
        Err(rule) => Findings { promise: None, found: vec![Finding::NoEvidence(rule.clone())] },
    };
    promises.iter().map(of).collect()
}

/// Promises that the log of their shard does not explain, though another one might: they stand in shard 0, where a database that was
/// carried into a cluster has all of its earlier log.
#[must_use]
pub fn unexplained(all: &[Findings]) -> Vec<&Promise> {
    let unserved = |findings: &&Findings| findings.found.contains(&Finding::Unserved { log_was_read: true });
    let promises = all.iter().filter(unserved).filter_map(|findings| findings.promise.as_ref());
    promises.filter(|promise| promise.position.shard == 0).collect()
}

impl Seen<'_> {
    fn findings(&self, promise: &Promise) -> Vec<Finding> {
        let contradicts = |other: &&&Promise| other.position == promise.position && other.hash != promise.hash;
        let two = self.promises.iter().find(contradicts).map(|_| Finding::TwoAtOnePosition);
        let in_log = self.feed.map(|feed| in_log(promise, feed));
        let answered = promise.mapping.as_ref().and_then(|mapping| {
            let found = self.answers.get(&mapping.mapping().cpi)?;
            Some(self.answered(promise.position, mapping, found))
        });
        two.into_iter().chain(in_log).chain(answered).collect()
    }

    fn answered(&self, position: Position, mapping: &VerifiedMapping, found: &Found) -> Finding {
        let (claims, same_place) = (mapping.mapping(), |other: &&VerifiedMapping| same_place(other, mapping));
        let is_later = |other: &VerifiedMapping| other.mapping().seq > claims.seq;
        let served = found.mappings.iter().find(same_place);
        if served.is_some_and(is_later) {
            return Finding::Overtaken(Overtaken::LaterServed);
        }
        let promised = self.promises.iter().filter_map(|promise| promise.mapping.as_ref());
        if promised.filter(same_place).any(is_later) {
            return Finding::Overtaken(Overtaken::LaterReceipt);
        }
        match (claims.state, served) {
            (State::Live, Some(served)) if served.hash() == mapping.hash() => Finding::Served,
            (State::Live | State::Withdrawn, Some(served)) => Finding::RolledBack { served: served.mapping().seq },
            (State::Withdrawn, None) => Finding::Served,
            (State::Live, None) if claims.expires_at <= self.now => Finding::Overtaken(Overtaken::Expired),
            (State::Live, None) => self
                .ended(position, mapping, found)
                .map_or(Finding::Unserved { log_was_read: self.feed.is_some() }, Finding::Overtaken),
        }
    }

    /// Why a live mapping is rightly not served.
    fn ended(&self, position: Position, mapping: &VerifiedMapping, found: &Found) -> Option<Overtaken> {
        let log = self.feed.map(|feed| feed.later.as_slice()).unwrap_or_default();
        let of_cpi = log.iter().filter(|(at, later)| *at > position && *later.cpi() == mapping.mapping().cpi);
        for (at, later) in of_cpi {
            match later {
                Later::Mapping(other) if same_place(other, mapping) && other.mapping().seq > mapping.mapping().seq => {
                    return Some(Overtaken::ByHolder(*at));
                }
                Later::Mapping(other) if takes_over(other, mapping) => return Some(Overtaken::ByNewerHolder),
                Later::Removal { issued_before, .. } if mapping.credential().issued_at < *issued_before => {
                    return Some(Overtaken::Removed(*at));
                }
                Later::Mapping(_) | Later::Removal { .. } => {}
            }
        }
        let others = self.promises.iter().filter_map(|promise| promise.mapping.as_ref()).chain(&found.mappings);
        let mut others = others.filter(|other| other.mapping().cpi == mapping.mapping().cpi);
        others.any(|other| takes_over(other, mapping)).then_some(Overtaken::ByNewerHolder)
    }
}

fn in_log(promise: &Promise, feed: &Feed) -> Finding {
    let head = feed.heads.get(&promise.position.shard).copied().unwrap_or_default();
    match feed.at.get(&promise.position) {
        Some(hash) if *hash == promise.hash => Finding::InLog,
        Some(_) => Finding::AnotherInLog,
        None if head < promise.position.number => Finding::LogEndsBefore { head },
        None => Finding::Gap,
    }
}

fn same_place(one: &VerifiedMapping, other: &VerifiedMapping) -> bool {
    let (a, b) = (one.mapping(), other.mapping());
    one.holder() == other.holder() && a.cpi == b.cpi && a.reachability.msp() == b.reachability.msp()
}

/// Whether `other` is a newer holder's claim, before which `mapping` gives way.
fn takes_over(other: &VerifiedMapping, mapping: &VerifiedMapping) -> bool {
    other.mapping().fresh
        && other.holder() != mapping.holder()
        && mapping.credential().issued_at < other.credential().issued_at
}

#[cfg(test)]
pub(super) mod tests;
