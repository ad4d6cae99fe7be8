//! What each publication and removal does to a record. The publications made here serve the tests of the store as well.

use protocol::authenticated::UnverifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::Msp;
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{Signed, SigningKey};

use super::*;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The prover of every test's credentials.
pub(crate) fn anchor() -> TrustAnchor {
    TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![key(99).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }
}

/// What a test publishes; everything else follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) holder: u8,
    pub(crate) msp: Option<&'static str>,
    pub(crate) seq: u64,
    pub(crate) state: State,
    pub(crate) tags: &'static [&'static str],
    pub(crate) fresh: bool,
    pub(crate) issued: Timestamp,
    pub(crate) lifetime: Duration,
}

pub(crate) const PUBLICATION: Publication = Publication {
    holder: 1,
    msp: Some("a.example"),
    seq: 1,
    state: State::Live,
    tags: &[],
    fresh: false,
    issued: NOW,
    lifetime: DAY,
};

impl Publication {
    /// The document as published.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let cpi = Cpi::parse("tel:+14155552671").unwrap();
        let enrolled_at = Msp::from_domain(self.msp.unwrap_or("a.example")).unwrap();
        let credential = Signed::sign(
            CpiCredential {
                prover: "prover.example".to_owned(),
                cpi: cpi.clone(),
                msp: enrolled_at.clone(),
                user_key: key(self.holder).public(),
                method: Method::SmsOtp,
                issued_at: self.issued,
                expires_at: self.issued.plus(DEFAULT_LIFETIME),
                id: [0; 16],
            },
            &key(99),
        );
        let mapping = Mapping {
            cpi,
            reachability: match self.msp {
                Some(_) => Reachability::At { msp: enrolled_at, psi: None },
                None => Reachability::Nowhere,
            },
            tags: Tags::new(self.tags.iter().copied()).unwrap(),
            seq: self.seq,
            credential_hash: credential.hash(),
            fresh: self.fresh,
            state: self.state,
            issued_at: self.issued,
            expires_at: self.issued.plus(self.lifetime),
        };
        VerifiedMapping::encode(&credential, &Signed::sign(mapping, &key(self.holder)))
    }

    fn verified(&self) -> VerifiedMapping {
        UnverifiedMapping::parse(&self.bytes())
            .unwrap()
            .verify(&TrustAnchors::new(vec![anchor()]), self.issued)
            .unwrap()
    }
}

fn at(record: &Record, publication: &Publication, now: Timestamp) -> Result<Record, Refusal> {
    publish(record, &publication.verified(), now, DEFAULT_LIFETIME)
}

fn after(publications: &[Publication]) -> Record {
    publications
        .iter()
        .fold(Record::default(), |record, publication| at(&record, publication, publication.issued).unwrap())
}

fn found(record: &Record, now: Timestamp) -> usize {
    record.found(now).count()
}

#[test]
fn seq_grows_for_each_holder_and_msp() {
    let record = after(&[Publication { seq: 5, ..PUBLICATION }]);
    for seq in [0, 4, 5] {
        assert_eq!(at(&record, &Publication { seq, ..PUBLICATION }, NOW), Err(Refusal::StaleSequence(5)));
    }
    let record = at(&record, &Publication { seq: 6, ..PUBLICATION }, NOW).unwrap();
    assert_eq!((record.entries.len(), record.entries[0].seq), (1, 6));
    let record = at(&record, &Publication { msp: Some("b.example"), ..PUBLICATION }, NOW).unwrap();
    let record = at(&record, &Publication { holder: 2, ..PUBLICATION }, NOW).unwrap();
    let record = at(&record, &Publication { msp: None, ..PUBLICATION }, NOW).unwrap();
    assert_eq!(found(&record, NOW), 4);
}

#[test]
fn a_withdrawn_mapping_does_not_come_back() {
    let record = after(&[PUBLICATION, Publication { seq: 2, state: State::Withdrawn, ..PUBLICATION }]);
    assert_eq!(found(&record, NOW), 0);
    assert!(record.entries[0].document.is_empty());
    assert_eq!(at(&record, &PUBLICATION, NOW), Err(Refusal::StaleSequence(2)));
    let later = NOW.plus(DEFAULT_LIFETIME).plus(CLOCK_SKEW);
    let record = at(&record, &Publication { holder: 2, issued: later, ..PUBLICATION }, later).unwrap();
    assert_eq!(record.entries.len(), 1, "the tombstone is gone once no credential could revive it");
}

/// An expired replacement must not make way for the older, longer mapping that it replaced.
#[test]
fn an_expired_mapping_is_remembered() {
    let long = Publication { lifetime: 40 * DAY, ..PUBLICATION };
    let record = after(&[long.clone(), Publication { seq: 2, lifetime: DAY, ..PUBLICATION }]);
    let later = NOW.plus(2 * DAY);
    assert_eq!(found(&record, later), 0);
    let record = at(&record, &Publication { holder: 2, issued: later, ..PUBLICATION }, later).unwrap();
    assert_eq!(at(&record, &long, later), Err(Refusal::StaleSequence(2)));
    assert_eq!(found(&record, later), 1);
}

#[test]
fn expiry_acts_at_its_second() {
    let record = after(&[PUBLICATION]);
    assert_eq!(found(&record, NOW.plus(DAY - Duration::from_secs(1))), 1);
    assert_eq!(found(&record, NOW.plus(DAY)), 0);
}

#[test]
fn the_fresh_bit_overtakes_earlier_credentials_of_others() {
    let later = NOW.plus(DAY / 2);
    let fresh = Publication { holder: 2, fresh: true, issued: later, ..PUBLICATION };
    let record = after(&[PUBLICATION, fresh.clone()]);
    assert_eq!(found(&record, later), 1);
    assert_eq!(at(&record, &Publication { seq: 9, ..PUBLICATION }, later), Err(Refusal::Superseded));
    let renewed = Publication { seq: 9, issued: later, ..PUBLICATION };
    assert_eq!(found(&at(&record, &renewed, later).unwrap(), later), 2, "a credential issued since counts again");
    let own = Publication { holder: 2, msp: Some("b.example"), ..PUBLICATION };
    assert_eq!(found(&at(&record, &own, later).unwrap(), later), 2, "the holder's own earlier credentials count");
    let older = Publication { holder: 2, seq: 2, fresh: true, ..PUBLICATION };
    let still = at(&after(&[PUBLICATION, fresh.clone()]), &older, later).unwrap();
    assert_eq!(still.limits.fresh.unwrap().since, later, "an older claim takes nothing back from a later one");
    let without = after(&[PUBLICATION, Publication { fresh: false, ..fresh }]);
    assert_eq!(found(&without, later), 2);
}

#[test]
fn a_removal_overtakes_everybody() {
    let record = after(&[PUBLICATION, Publication { holder: 2, ..PUBLICATION }]);
    let removal = Removal {
        issuer: "carrier.example".to_owned(),
        cpi: Cpi::parse("tel:+14155552671").unwrap(),
        issued_before: NOW.plus(DAY / 2),
        issued_at: NOW.plus(DAY / 2),
    };
    let removed = remove(&record, &removal, removal.issued_at, DEFAULT_LIFETIME);
    assert_eq!(removed.entries.len(), 0);
    assert_eq!(at(&removed, &Publication { seq: 2, ..PUBLICATION }, removal.issued_at), Err(Refusal::Superseded));
    let earlier = Removal { issued_before: NOW, ..removal.clone() };
    assert_eq!(
        remove(&removed, &earlier, removal.issued_at, DEFAULT_LIFETIME),
        removed,
        "an older removal changes nothing"
    );
    assert_eq!(
        found(&remove(&record, &earlier, NOW, DEFAULT_LIFETIME), NOW),
        2,
        "what was proven at that time or later stays"
    );
}

#[test]
fn default_is_at_one_msp_of_a_holder() {
    let default = Publication { tags: &["Default"], ..PUBLICATION };
    let record = after(std::slice::from_ref(&default));
    let second = Publication { msp: Some("b.example"), ..default.clone() };
    assert_eq!(at(&record, &second, NOW), Err(Refusal::DefaultTaken));
    assert!(at(&record, &Publication { seq: 2, ..default.clone() }, NOW).is_ok());
    assert!(at(&record, &Publication { holder: 2, ..default.clone() }, NOW).is_ok());
    let moved = at(&record, &Publication { seq: 2, ..PUBLICATION }, NOW).unwrap();
    assert!(at(&moved, &second, NOW).is_ok());
}

#[test]
fn thirty_two_live_mappings_and_no_more() {
    let holder = |holder| Publication { holder, ..PUBLICATION };
    let full = after(&(1..=32).map(holder).collect::<Vec<_>>());
    assert_eq!(at(&full, &holder(33), NOW), Err(Refusal::TooManyMappings));
    assert!(at(&full, &Publication { seq: 2, ..holder(7) }, NOW).is_ok(), "a replacement takes no more room");
    let withdrawn = at(&full, &Publication { seq: 2, state: State::Withdrawn, ..holder(7) }, NOW).unwrap();
    assert!(at(&withdrawn, &holder(33), NOW).is_ok());
}

#[test]
fn a_record_remembers_so_many_places_and_no_more() {
    let elsewhere = |n: usize| Publication {
        msp: Some(Box::leak(format!("m{n}.example").into_boxed_str())),
        state: State::Withdrawn,
        ..PUBLICATION
    };
    let full = after(&(1..=MAX_ENTRIES).map(elsewhere).collect::<Vec<_>>());
    assert_eq!(full.entries.len(), 128);
    assert_eq!(at(&full, &elsewhere(129), NOW), Err(Refusal::TooManyRemembered));
    let text = Refusal::TooManyRemembered.to_string();
    assert_eq!(text, "a CPI has 128 places at most, remembered ones included");
    assert!(at(&full, &Publication { seq: 2, ..elsewhere(7) }, NOW).is_ok(), "a replacement takes no more room");
    let later = NOW.plus(DEFAULT_LIFETIME).plus(CLOCK_SKEW);
    assert!(at(&full, &Publication { issued: later, ..elsewhere(129) }, later).is_ok(), "what is over is forgotten");
}

#[test]
fn the_oldest_notice_makes_room() {
    let later = |n: u64| NOW.plus(Duration::from_secs(n));
    let first = after(&(1..=32).map(|holder| Publication { holder, ..PUBLICATION }).collect::<Vec<_>>());
    let claim = |holder, n| Publication { holder, fresh: true, issued: later(n), ..PUBLICATION };
    let record = at(&first, &claim(33, 1), later(1)).unwrap();
    assert_eq!((notices(&record).len(), notices(&record)[0]), (32, (1, later(1))));
    let record = at(&record, &claim(34, 2), later(2)).unwrap();
    assert_eq!((notices(&record).len(), notices(&record)[0]), (32, (2, later(1))));
    assert_eq!(notices(&record)[31], (33, later(2)));
}

/// A claim and a removal are remembered for as long as a credential from before could come.
#[test]
fn what_overtakes_is_remembered_for_its_time() {
    let removal = Removal {
        issuer: "carrier.example".to_owned(),
        cpi: Cpi::parse("tel:+14155552671").unwrap(),
        issued_before: NOW,
        issued_at: NOW,
    };
    let ends = NOW.plus(DEFAULT_LIFETIME).plus(Duration::from_secs(600));
    let removed = remove(&Record::default(), &removal, NOW, DEFAULT_LIFETIME);
    assert_eq!((removed.limits.removed_before, removed.due), (NOW, Some(ends)));
    assert_eq!(sweep(&removed, ends.minus(Duration::from_secs(1)), DEFAULT_LIFETIME), removed);
    assert!(sweep(&removed, ends, DEFAULT_LIFETIME).is_empty());
    let claimed = after(&[Publication { fresh: true, ..PUBLICATION }]);
    let kept = sweep(&claimed, ends.minus(Duration::from_secs(1)), DEFAULT_LIFETIME);
    assert_eq!(kept.limits.fresh.map(|fresh| fresh.since), Some(NOW));
    assert_eq!(kept.due, Some(ends));
    assert!(sweep(&claimed, ends, DEFAULT_LIFETIME).is_empty());
}

fn notices(record: &Record) -> Vec<(u8, Timestamp)> {
    let holder = |notice: &Notice| (1..40).find(|holder| key(*holder).public().thumbprint() == notice.holder).unwrap();
    record.notices.iter().map(|notice| (holder(notice), notice.at)).collect()
}

#[test]
fn whoever_loses_a_mapping_is_noted_once_and_for_a_while() {
    let later = NOW.plus(DAY / 2);
    let three =
        [PUBLICATION, Publication { msp: Some("b.example"), ..PUBLICATION }, Publication { holder: 3, ..PUBLICATION }];
    let record = after(&three);
    assert_eq!(notices(&record), []);
    let fresh = Publication { holder: 2, fresh: true, issued: later, ..PUBLICATION };
    let record = at(&record, &fresh, later).unwrap();
    assert_eq!(notices(&record), [(1, later), (3, later)]);
    let again = Publication { seq: 9, issued: later, ..PUBLICATION };
    let record = at(&record, &again, later).unwrap();
    assert_eq!(notices(&record), [(1, later), (3, later)], "a new mapping takes the notice of the old one not away");
    let end = later.plus(180 * DAY);
    assert_eq!(notices(&sweep(&record, end.minus(Duration::from_secs(1)), DEFAULT_LIFETIME)).len(), 2);
    assert_eq!(notices(&sweep(&record, end, DEFAULT_LIFETIME)), []);
}

#[test]
fn what_was_not_served_is_not_displaced() {
    let withdrawn = Publication { seq: 2, state: State::Withdrawn, ..PUBLICATION };
    let record = after(&[PUBLICATION, withdrawn, Publication { holder: 3, lifetime: DAY / 4, ..PUBLICATION }]);
    let later = NOW.plus(DAY / 2);
    let fresh = Publication { holder: 2, fresh: true, issued: later, ..PUBLICATION };
    assert_eq!(notices(&at(&record, &fresh, later).unwrap()), []);
}

/// From one due time to the next, until nothing is left: each step finds something to do.
#[test]
fn the_sweep_comes_to_an_end_with_an_empty_record() {
    let later = NOW.plus(DAY / 2);
    let fresh = Publication { holder: 2, fresh: true, issued: later, ..PUBLICATION };
    let mut record = after(&[PUBLICATION, Publication { msp: None, lifetime: 3 * DAY, ..PUBLICATION }, fresh]);
    let mut steps = 0;
    while let Some(due) = record.due {
        assert_eq!(
            sweep(&record, due.minus(Duration::from_secs(1)), DEFAULT_LIFETIME),
            record,
            "nothing is done early"
        );
        let next = sweep(&record, due, DEFAULT_LIFETIME);
        assert_ne!(next, record);
        assert!(next.due.is_none_or(|next| next > due));
        record = next;
        steps += 1;
    }
    assert!(record.is_empty());
    assert_eq!(steps, 4, "expiry, the tombstone, the fresh bit, the notice");
}

/// A follower may publish what has expired meanwhile: it is remembered and not served.
#[test]
fn an_expired_mapping_is_only_remembered() {
    let record = at(&Record::default(), &PUBLICATION, NOW.plus(2 * DAY)).unwrap();
    assert_eq!(found(&record, NOW), 0);
    assert!(record.entries[0].document.is_empty());
    assert_eq!(at(&record, &PUBLICATION, NOW.plus(2 * DAY)), Err(Refusal::StaleSequence(1)));
}
