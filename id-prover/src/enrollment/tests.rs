//! Enrollments from request to credential, and every way in which one ends without.

use super::*;
use crate::fixtures::{CODE, DAY, HOUR, MINUTE, NOW, PROVER, msp, phone, prover, request, requested, terms, user};

const WRONG: CodeHash = CodeHash([9; 32]);
const CHALLENGE: &[u8] = b"the signed challenge";

fn challenged(tries: u8) -> Challenged {
    requested(7).delivered(CHALLENGE.to_vec(), tries)
}

fn wrong(challenged: Challenged, proof: u8) -> Verdict {
    challenged.spend([proof; 32], NOW).unwrap().compare(Some(WRONG))
}

fn proven() -> Proven {
    match challenged(5).spend([3; 32], NOW).unwrap().compare(Some(CODE)) {
        Verdict::Right(matched) => matched.prove(terms(8)),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn the_right_code_gives_a_credential_for_what_was_asked() {
    let credential = proven().credential(PROVER);
    let expected = CpiCredential {
        prover: PROVER.to_owned(),
        cpi: phone(),
        msp: msp(),
        user_key: user().public(),
        method: Method::SmsOtp,
        issued_at: NOW,
        expires_at: NOW.plus(45 * DAY),
        id: 8_u128.to_be_bytes(),
    };
    assert_eq!(credential, expected);
    let again = Signed::sign(proven().credential(PROVER), &prover());
    assert_eq!(Signed::sign(credential, &prover()).bytes(), again.bytes());
}

#[test]
fn a_challenge_answers_its_request_alone() {
    let challenge = requested(7).challenge(PROVER, HpkePublicKey([4; 32]), 8);
    assert_eq!(challenge.request_hash, request(7).hash());
    assert_ne!(challenge.request_hash, request(8).hash());
    assert_eq!((challenge.issued_at, challenge.expires_at), (NOW, NOW.plus(10 * MINUTE)));
}

#[test]
fn wrong_codes_use_up_the_tries() {
    let mut state = challenged(3);
    for (proof, left) in [(1, 2), (2, 1)] {
        let Verdict::Wrong(next) = wrong(state, proof) else { panic!("a try was left") };
        assert_eq!((next.tries_left, next.undecided.len()), (left, 0));
        state = next;
    }
    assert!(matches!(wrong(state, 3), Verdict::WrongAndLocked(_)));
}

#[test]
fn the_last_try_may_be_the_right_one() {
    let spent = challenged(1).spend([1; 32], NOW).unwrap();
    assert!(matches!(spent.compare(Some(CODE)), Verdict::Right(_)));
}

#[test]
fn a_proof_that_does_not_open_is_wrong() {
    assert!(matches!(challenged(2).spend([1; 32], NOW).unwrap().compare(None), Verdict::Wrong(_)));
}

#[test]
fn a_try_is_stored_as_spent_before_the_code_is_compared() {
    let spent = challenged(2).spend([1; 32], NOW).unwrap();
    assert_eq!(spent.tries_left(), 1);
    let Stored::Challenged(state) = spent.stored() else { panic!() };
    assert_eq!((state.tries_left, state.undecided.clone()), (1, vec![[1; 32]]));
    let other = state.spend([2; 32], NOW).unwrap();
    assert_eq!(other.tries_left(), 0);
}

#[test]
fn a_proof_without_a_verdict_is_judged_without_a_further_try() {
    let Stored::Challenged(state) = challenged(1).spend([1; 32], NOW).unwrap().stored() else { panic!() };
    assert_eq!(state.clone().spend([2; 32], NOW), Err(Closed::Locked));
    assert!(matches!(state.spend([1; 32], NOW).unwrap().compare(Some(CODE)), Verdict::Right(_)));
}

/// What another prover does to an enrollment between a try and its verdict.
#[test]
fn tries_that_are_judged_at_once_are_each_judged_once() {
    let first = challenged(2).spend([1; 32], NOW).unwrap();
    let Stored::Challenged(state) = first.stored() else { panic!() };
    let second = state.spend([2; 32], NOW).unwrap();
    let Stored::Challenged(state) = second.stored() else { panic!() };
    assert_eq!(state.clone().spend([3; 32], NOW), Err(Closed::Locked));
    // The second is wrong, and the last; but the first has had no verdict.
    let Verdict::Wrong(state) = second.clone().compare(Some(WRONG)) else { panic!("the other may be right") };
    assert_eq!((state.tries_left, state.undecided.clone()), (0, vec![[1; 32]]));
    assert_eq!(second.carried_over(state.clone()), None);
    let first = first.carried_over(state).unwrap();
    assert!(matches!(first.clone().compare(Some(CODE)), Verdict::Right(_)));
    assert!(matches!(first.compare(Some(WRONG)), Verdict::WrongAndLocked(_)));
}

#[test]
fn an_expired_code_is_not_compared() {
    let expires_at = requested(7).facts.expires_at;
    let last_second = expires_at.minus(std::time::Duration::from_secs(1));
    assert!(challenged(1).spend([1; 32], last_second).is_ok());
    assert_eq!(challenged(1).spend([1; 32], expires_at), Err(Closed::Expired));
}

/// By the clock skew at most may a clock show less than when the request came in.
#[test]
fn a_code_is_not_taken_by_a_clock_that_was_set_back() {
    let facts = challenged(3).facts;
    let second = std::time::Duration::from_secs(1);
    let earliest = facts.requested_at.minus(CLOCK_SKEW);
    let times = [earliest.minus(HOUR), earliest.minus(second), earliest, facts.requested_at];
    assert_eq!(times.map(|now| facts.is_expired(now)), [true, true, false, false]);
    let times = [facts.expires_at.minus(second), facts.expires_at];
    assert_eq!(times.map(|now| facts.is_expired(now)), [false, true]);
}

#[test]
fn a_message_is_another_provers_until_its_time_is_over() {
    let until = NOW.plus(MINUTE);
    let sent = requested(7).sent_by(Some(Sending { by: [1; 16], until }));
    let last_second = until.minus(std::time::Duration::from_secs(1));
    assert!(sent.is_sent_by_another(&[2; 16], last_second));
    assert!(!sent.is_sent_by_another(&[2; 16], until));
    assert!(!sent.is_sent_by_another(&[1; 16], NOW));
    assert!(!requested(7).is_sent_by_another(&[2; 16], NOW));
}

#[test]
fn an_enrollment_is_over_once_neither_code_nor_request_is_taken() {
    let mut facts = requested(7).facts;
    assert_eq!(facts.is_over_at(), facts.expires_at);
    facts.signed_at = NOW.plus(HOUR);
    let first_refused = facts.signed_at.plus(CLOCK_SKEW).seconds() + 1;
    assert_eq!(facts.is_over_at().seconds(), first_refused);
}

#[test]
fn a_new_code_replaces_the_old_one() {
    let state = requested(7).with_code(WRONG).delivered(Vec::new(), 5);
    assert!(matches!(state.spend([1; 32], NOW).unwrap().compare(Some(CODE)), Verdict::Wrong(_)));
}

fn every_state() -> Vec<Stored> {
    vec![
        Stored::Requested(requested(7)),
        Stored::Requested(requested(7).sent_by(Some(Sending { by: [6; 16], until: NOW }))),
        Stored::Challenged(challenged(5)),
        challenged(5).spend([3; 32], NOW).unwrap().stored(),
        Stored::Proven(proven()),
        Stored::Issued(proven().issued(b"the signed credential".to_vec())),
        Stored::Locked(Locked { facts: requested(7).facts }),
    ]
}

#[test]
fn every_state_is_read_as_it_was_stored() {
    for state in every_state() {
        assert_eq!(Stored::decode(&state.encode()), Ok(state));
    }
}

#[test]
fn a_record_begins_with_what_the_table_of_labels_says() {
    let bytes = Stored::Locked(Locked { facts: requested(7).facts }).encode();
    let expected = [
        "ab",                                   // map of 11 fields
        "0104",                                 // 1 state: 4, locked
        "025000000000000000000000000000000007", // 2 id
        "0370",                                 // 3 CPI: text of 16 bytes
    ];
    assert!(hex::encode(&bytes).starts_with(&expected.concat()), "{}", hex::encode(&bytes));
}

#[test]
fn a_damaged_record_is_refused() {
    for state in every_state() {
        let bytes = state.encode();
        for length in 0..bytes.len() {
            assert!(Stored::decode(&bytes[..length]).is_err());
        }
        assert!(Stored::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
    let mut unknown = Stored::Locked(Locked { facts: requested(7).facts }).encode();
    assert_eq!(unknown[2], 4);
    unknown[2] = 5;
    assert_eq!(Stored::decode(&unknown).unwrap_err().to_string(), "stored enrollment: state: cannot be read");
}

#[test]
fn debug_shows_neither_code_nor_identifier() {
    for state in every_state() {
        let text = format!("{state:?}");
        assert!(text.contains("CodeHash(redacted)") || matches!(state, Stored::Locked(_)));
        assert!(!text.contains("4155552671"));
    }
}
