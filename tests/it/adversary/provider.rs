//! A lying provider: an answer is what it likes, below TLS and capsule. Here the client's own reading of an answer is asked,
//! which is the same for one that came through a relay.

use std::collections::HashMap;

use client::Fault;
use client::lookup::{Found, Refused, answer};
use discovery::audit::{Finding, judge, promises};
use discovery::receipts::Kept;
use protocol::authenticated::MappingError;
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, Entry, Outcome};
use protocol::mapping::State;
use protocol::receipt::{Position, Receipt};
use protocol::{Signed, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::fixtures::{self, HOLDER, NOW, cpi, key, number, signed, trust};

const OTHER: u8 = 3;

/// Reads an answer of these entries to these questions.
fn read(cpis: &[Cpi], entries: Vec<(Outcome, Vec<Vec<u8>>)>) -> Result<Vec<Found>, client::Error> {
    let entries = entries.into_iter().map(|(outcome, mappings)| Entry { outcome, mappings }).collect();
    answer(cpis, &Answer { entries }.encode(), &trust().provers, NOW)
}

fn one(entry: (Outcome, Vec<Vec<u8>>)) -> Found {
    read(&[cpi()], vec![entry]).unwrap().remove(0)
}

fn of(holder: u8, cpi: &Cpi, seq: u64, state: State) -> Vec<u8> {
    signed(cpi, holder, "mimi://a.example", &[], seq, state)
}

/// Prevented: two users' mappings in each other's place, and any mapping in answer to another question.
#[test]
fn swapped_mappings_count_for_nobody() {
    let (ann, ben) = (of(HOLDER, &cpi(), 1, State::Live), of(OTHER, &number(1), 1, State::Live));
    let asked = [cpi(), number(1)];
    let honest = read(&asked, vec![(Outcome::OneMapping, vec![ann.clone()]), (Outcome::OneMapping, vec![ben.clone()])]);
    assert!(honest.unwrap().iter().all(|found| found.agrees() && found.mappings.len() == 1));

    let swapped = read(&asked, vec![(Outcome::OneMapping, vec![ben]), (Outcome::OneMapping, vec![ann])]).unwrap();
    for found in swapped {
        assert_eq!((found.outcome, found.mappings.len()), (Outcome::NeverMapped, 0));
        assert_eq!(found.refused, [Refused::OtherCpi]);
        assert!(!found.agrees(), "and it shows");
    }
}

/// Prevented: parts of different documents put together, and a mapping of somebody else's key.
#[test]
fn documents_put_together_do_not_verify() {
    let credential = fixtures::credential(&cpi(), HOLDER, "mimi://a.example");
    let claims = protocol::authenticated::UnverifiedMapping::parse(&of(HOLDER, &cpi(), 1, State::Live)).unwrap();
    let mut claims = claims.unverified_mapping().clone();
    claims.seq = 9;
    let by_provider = Signed::sign(claims.clone(), &key(9));
    let document = protocol::authenticated::VerifiedMapping::encode(&credential, &by_provider);
    let found = one((Outcome::OneMapping, vec![document]));
    assert!(matches!(found.refused[..], [Refused::Unverified(MappingError::MappingSignature(_))]), "{found:?}");

    // The user's own mapping under a credential that the provider made up.
    let mut theirs = credential.document().clone();
    theirs.user_key = key(9).public();
    let theirs = Signed::sign(theirs, &key(9));
    let document = protocol::authenticated::VerifiedMapping::encode(&theirs, &Signed::sign(claims, &key(HOLDER)));
    let found = one((Outcome::OneMapping, vec![document]));
    assert!(matches!(found.refused[..], [Refused::Unverified(MappingError::UntrustedProver)]), "{found:?}");
}

/// Prevented: a list that is shorter or longer than the question, so that answers move along.
#[test]
fn a_list_of_another_length_is_no_answer() {
    let asked = [cpi(), number(1), number(2)];
    let entry = || (Outcome::OneMapping, vec![of(HOLDER, &cpi(), 1, State::Live)]);
    for entries in [1, 2, 4] {
        let error = read(&asked, std::iter::repeat_with(entry).take(entries).collect()).unwrap_err();
        assert_eq!(error.fault, Fault::Store, "{entries} entries");
    }
}

/// Detected: an outcome that does not follow from the documents. The client's own is what counts.
#[test]
fn a_false_outcome_shows() {
    for claimed in [Outcome::NeverMapped, Outcome::Unreachable, Outcome::SeveralProviders, Outcome::SeveralHolders] {
        let found = one((claimed, vec![of(HOLDER, &cpi(), 1, State::Live)]));
        assert_eq!((found.outcome, found.agrees()), (Outcome::OneMapping, false));
    }
}

/// Prevented beside the new one, and not by itself: an old mapping that has not expired verifies as it did.
#[test]
fn an_old_mapping_alone_is_believed_until_it_expires() {
    let (old, new) = (of(HOLDER, &cpi(), 1, State::Live), of(HOLDER, &cpi(), 2, State::Live));
    let both = one((Outcome::OneMapping, vec![old.clone(), new.clone()]));
    assert_eq!((both.mappings[0].mapping().seq, both.refused.as_slice()), (2, &[Refused::Replaced][..]));
    let withdrawn = one((Outcome::OneMapping, vec![of(HOLDER, &cpi(), 2, State::Withdrawn)]));
    assert_eq!(withdrawn.refused, [Refused::Withdrawn]);

    let alone = one((Outcome::OneMapping, vec![old.clone()]));
    assert!(alone.agrees() && alone.mappings[0].mapping().seq == 1, "the lookup shows nothing");
    let entries = vec![Entry { outcome: Outcome::OneMapping, mappings: vec![old.clone()] }];
    let end = alone.mappings[0].mapping().expires_at.plus(std::time::Duration::from_secs(301));
    let later = answer(&[cpi()], &Answer { entries }.encode(), &trust().provers, end).unwrap().remove(0);
    assert_eq!(later.refused, [Refused::Unverified(MappingError::MappingExpired)]);

    // What shows it: the holder's receipt for the new one.
    assert_eq!(audited(&[new], alone), [Finding::RolledBack { served: 1 }]);
}

/// Detected by receipts alone: what a provider leaves out of an answer, or says was never there.
#[test]
fn what_is_left_out_shows_by_receipts_alone() {
    let (a, b) = (
        signed(&cpi(), HOLDER, "mimi://a.example", &[], 1, State::Live),
        signed(&cpi(), HOLDER, "mimi://b.example", &[], 1, State::Live),
    );
    let nothing = one((Outcome::NeverMapped, Vec::new()));
    assert!(nothing.agrees(), "the lookup shows nothing");
    assert_eq!(audited(std::slice::from_ref(&a), nothing), [Finding::Unserved { log_was_read: false }]);

    let truncated = one((Outcome::OneMapping, vec![a.clone()]));
    assert!(truncated.agrees(), "the lookup shows nothing");
    let findings = audited(&[a, b], truncated);
    assert_eq!(findings, [Finding::Served, Finding::Unserved { log_was_read: false }]);
    assert!(findings[1].is_loss());
}

/// What an audit with the provider's receipts for `published` says when lookups answer `found`.
fn audited(published: &[Vec<u8>], found: Found) -> Vec<Finding> {
    let kept: Vec<_> = (1..).zip(published).map(|(number, published)| receipt(number, published, NOW)).collect();
    let answers = HashMap::from([(found.cpi.clone(), found)]);
    let findings = judge(&promises(&kept, &trust()), None, &answers, NOW);
    findings.into_iter().flat_map(|findings| findings.found).collect()
}

fn receipt(number: u64, published: &[u8], issued_at: Timestamp) -> Kept {
    let receipt = Receipt {
        provider: "provider.example".to_owned(),
        published_hash: Sha256::digest(published).into(),
        position: Position { shard: 0, number },
        issued_at,
    };
    Kept { receipt: Signed::sign(receipt, &key(9)).bytes().to_vec(), published: published.to_vec() }
}
