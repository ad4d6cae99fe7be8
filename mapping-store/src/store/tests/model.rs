//! The rules of `protocol.md` §3 as a history: nothing is ever replaced or dropped, everything is told anew.

use protocol::mapping::State;
use protocol::{CLOCK_SKEW, Timestamp};

use super::{DEFAULT_LIFETIME, Publication, Refusal};

#[derive(Default)]
pub(super) struct Model {
    events: Vec<Event>,
}

enum Event {
    Published { publication: Publication, bytes: Vec<u8>, at: Timestamp },
    Removed { before: Timestamp },
}

/// Which credentials count: not those issued before this, nor those of others issued before that claim.
#[derive(Clone, Copy, Default)]
struct Limits {
    removed_before: Timestamp,
    claim: Option<(Timestamp, u8)>,
}

impl Model {
    pub(super) fn publish(&mut self, publication: &Publication, bytes: &[u8], now: Timestamp) -> Result<(), Refusal> {
        if self.limits().last().is_some_and(|limits| limits.overtake(publication)) {
            return Err(Refusal::Superseded);
        }
        if let Some(seq) = self.remembered(publication, now).filter(|seq| *seq >= publication.seq) {
            return Err(Refusal::StaleSequence(seq));
        }
        self.events.push(Event::Published { publication: publication.clone(), bytes: bytes.to_vec(), at: now });
        let tagged = |other: &&Publication| other.holder == publication.holder && !other.tags.is_empty();
        let live = publication.state == State::Live && now < publication.issued.plus(publication.lifetime);
        let tags = self.found(now).into_iter().map(|(found, _)| found).filter(tagged).count();
        if live && !publication.tags.is_empty() && tags > 1 {
            self.events.pop();
            return Err(Refusal::DefaultTaken);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, before: Timestamp) {
        self.events.push(Event::Removed { before });
    }

    /// The documents to be served, in the order of their bytes.
    pub(super) fn served(&self, now: Timestamp) -> Vec<Vec<u8>> {
        let mut served: Vec<_> = self.found(now).into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
        served.sort();
        served
    }

    fn found(&self, now: Timestamp) -> Vec<(&Publication, &[u8])> {
        let live = |(publication, ..): &(&Publication, &[u8], Timestamp)| {
            publication.state == State::Live && now < publication.issued.plus(publication.lifetime)
        };
        self.standing().into_iter().filter(live).map(|(publication, bytes, _)| (publication, bytes)).collect()
    }

    /// The seq that this holder and MSP have reached, for as long as it is remembered.
    fn remembered(&self, publication: &Publication, now: Timestamp) -> Option<u64> {
        let standing = self.standing();
        let (known, _, at) = standing.into_iter().find(|(known, ..)| same_place(known, publication))?;
        let kept = at.plus(DEFAULT_LIFETIME).plus(CLOCK_SKEW).max(known.issued.plus(known.lifetime));
        (now < kept).then_some(known.seq)
    }

    /// The latest publication of each holder and MSP, unless anything from then on has overtaken it.
    fn standing(&self) -> Vec<(&Publication, &[u8], Timestamp)> {
        let limits = self.limits();
        let mut latest: Vec<(usize, &Publication, &[u8], Timestamp)> = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            if let Event::Published { publication, bytes, at } = event {
                latest.retain(|(_, known, ..)| !same_place(known, publication));
                latest.push((index, publication, bytes, *at));
            }
        }
        latest.retain(|(index, publication, ..)| !limits[*index..].iter().any(|limits| limits.overtake(publication)));
        latest.into_iter().map(|(_, publication, bytes, at)| (publication, bytes, at)).collect()
    }

    /// The limits after each event.
    fn limits(&self) -> Vec<Limits> {
        let mut limits = Limits::default();
        let after = |event: &Event| {
            match event {
                Event::Removed { before } => limits.removed_before = limits.removed_before.max(*before),
                Event::Published { publication, .. }
                    if publication.fresh && limits.claim.is_none_or(|(since, _)| since <= publication.issued) =>
                {
                    limits.claim = Some((publication.issued, publication.holder));
                }
                Event::Published { .. } => {}
            }
            limits
        };
        self.events.iter().map(after).collect()
    }
}

impl Limits {
    fn overtake(&self, publication: &Publication) -> bool {
        let claimed =
            self.claim.is_some_and(|(since, holder)| holder != publication.holder && publication.issued < since);
        publication.issued < self.removed_before || claimed
    }
}

fn same_place(one: &Publication, other: &Publication) -> bool {
    (one.holder, one.msp) == (other.holder, other.msp)
}
