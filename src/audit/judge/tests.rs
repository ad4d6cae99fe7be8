//! What an audit says of a provider that keeps its promises, and of each way to break one.

use std::time::Duration;

use client::trust::{ProviderTrust, Trust};
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, Tags};
use protocol::mimi_uri::Msp;
use protocol::receipt::Receipt;
use protocol::trust::{TrustAnchor, TrustAnchors};
use protocol::{Signed, SigningKey};

use super::*;
use crate::audit::promises;
use crate::receipts::Kept;

pub(in crate::audit) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(in crate::audit) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(in crate::audit) fn trust() -> Trust {
    let provers = TrustAnchors::new(vec![TrustAnchor {
        prover: "prover.example".to_owned(),
        keys: vec![key(1).public()],
        methods: vec![Method::SmsOtp],
        max_credential_lifetime: DEFAULT_LIFETIME,
    }]);
    let provider = ProviderTrust {
        name: "provider.example".to_owned(),
        key_configuration_key: key(9).public(),
        receipt_key: key(9).public(),
    };
    Trust { provider, provers }
}

pub(in crate::audit) fn cpi() -> Cpi {
    Cpi::parse("tel:+14155550132").unwrap()
}

/// A mapping by a holder, under a credential issued at a time.
#[derive(Clone, Copy)]
pub(in crate::audit) struct Says {
    pub(in crate::audit) holder: u8,
    pub(in crate::audit) seq: u64,
    pub(in crate::audit) state: State,
    pub(in crate::audit) fresh: bool,
    pub(in crate::audit) issued_at: Timestamp,
}

pub(in crate::audit) const SAYS: Says = Says { holder: 2, seq: 1, state: State::Live, fresh: false, issued_at: NOW };

pub(in crate::audit) fn document(says: Says) -> Vec<u8> {
    let (prover, holder, msp) = (key(1), key(says.holder), Msp::parse("mimi://a.example").unwrap());
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: cpi(),
        msp: msp.clone(),
        user_key: holder.public(),
        method: Method::SmsOtp,
        issued_at: says.issued_at,
        expires_at: says.issued_at.plus(DEFAULT_LIFETIME),
        id: [0; 16],
    };
    let credential = Signed::sign(credential, &prover);
    let mapping = Mapping {
        cpi: cpi(),
        reachability: Reachability::At { msp, psi: None },
        tags: Tags::default(),
        seq: says.seq,
        credential_hash: credential.hash(),
        fresh: says.fresh,
        state: says.state,
        issued_at: says.issued_at,
        expires_at: says.issued_at.plus(DAY),
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, &holder))
}

fn verified(says: Says) -> VerifiedMapping {
    crate::audit::mapping(&document(says), &trust()).unwrap()
}

pub(in crate::audit) fn kept(number: u64, says: Says) -> Kept {
    use sha2::Digest as _;
    let published = document(says);
    let receipt = Receipt {
        provider: "provider.example".to_owned(),
        published_hash: sha2::Sha256::digest(&published).into(),
        position: at(number),
        issued_at: NOW,
    };
    Kept { receipt: Signed::sign(receipt, &key(9)).bytes().to_vec(), published }
}

const fn at(number: u64) -> Position {
    Position { shard: 0, number }
}

pub(in crate::audit) fn serving(says: &[Says]) -> HashMap<Cpi, Found> {
    let found = Found::of(cpi(), says.iter().map(|says| verified(*says)).collect());
    HashMap::from([(cpi(), found)])
}

/// A feed that tells the truth of these entries.
fn feed(head: u64, entries: &[(u64, Says)]) -> Feed {
    Feed {
        heads: [(0, head)].into(),
        at: entries.iter().map(|(number, says)| (at(*number), verified(*says).hash())).collect(),
        later: entries.iter().map(|(number, says)| (at(*number), Later::Mapping(Box::new(verified(*says))))).collect(),
    }
}

fn findings(kept: &[Kept], feed: Option<&Feed>, answers: &HashMap<Cpi, Found>) -> Vec<Vec<Finding>> {
    judge(&promises(kept, &trust()), feed, answers, NOW).into_iter().map(|findings| findings.found).collect()
}

#[test]
fn what_is_kept_is_well() {
    let log = feed(3, &[(3, SAYS)]);
    assert_eq!(findings(&[kept(3, SAYS)], Some(&log), &serving(&[SAYS])), [[Finding::InLog, Finding::Served]]);
    assert_eq!(findings(&[kept(3, SAYS)], None, &serving(&[SAYS])), [[Finding::Served]]);
    let withdrawn = Says { seq: 2, state: State::Withdrawn, ..SAYS };
    let both = findings(&[kept(3, SAYS), kept(4, withdrawn)], None, &serving(&[]));
    assert_eq!(both, [[Finding::Overtaken(Overtaken::LaterReceipt)], [Finding::Served]]);
    let later = Says { seq: 2, ..SAYS };
    assert_eq!(findings(&[kept(3, SAYS)], None, &serving(&[later])), [[Finding::Overtaken(Overtaken::LaterServed)]]);
    assert_eq!(findings(&[kept(3, SAYS)], None, &HashMap::new()), [[]], "what was not asked for is not judged");
}

#[test]
fn a_log_that_lost_the_position_shows_it() {
    let other = Says { holder: 3, ..SAYS };
    let at_three = [kept(3, SAYS)];
    let first = |feed: &Feed| findings(&at_three, Some(feed), &serving(&[SAYS]))[0][0].clone();
    assert_eq!(first(&feed(2, &[])), Finding::LogEndsBefore { head: 2 });
    assert_eq!(first(&feed(4, &[(3, other)])), Finding::AnotherInLog);
    assert_eq!(first(&feed(4, &[(4, SAYS)])), Finding::Gap, "reordered: it stands elsewhere");
    let two = findings(&[kept(3, SAYS), kept(3, other)], None, &HashMap::new());
    assert_eq!(two, [[Finding::TwoAtOnePosition], [Finding::TwoAtOnePosition]]);
    let same = findings(&[kept(3, SAYS), kept(3, SAYS)], None, &HashMap::new());
    assert_eq!(same, [[], []], "the same receipt twice is no contradiction");
}

#[test]
fn an_answer_without_it_is_a_loss_unless_it_was_ended() {
    let log = feed(3, &[(3, SAYS)]);
    let unserved = findings(&[kept(3, SAYS)], Some(&log), &serving(&[]));
    assert_eq!(unserved, [[Finding::InLog, Finding::Unserved { log_was_read: true }]]);
    assert_eq!(findings(&[kept(3, SAYS)], None, &serving(&[])), [[Finding::Unserved { log_was_read: false }]]);

    let withdrawn = Says { seq: 2, state: State::Withdrawn, ..SAYS };
    let log = feed(5, &[(3, SAYS), (5, withdrawn)]);
    let ended = findings(&[kept(3, SAYS)], Some(&log), &serving(&[]));
    assert_eq!(ended, [[Finding::InLog, Finding::Overtaken(Overtaken::ByHolder(at(5)))]]);

    let newer = Says { holder: 3, fresh: true, issued_at: NOW.plus(DAY), ..SAYS };
    assert_eq!(findings(&[kept(3, SAYS)], None, &serving(&[newer])), [[Finding::Overtaken(Overtaken::ByNewerHolder)]]);
    for no_reason in [Says { fresh: false, ..newer }, Says { issued_at: NOW, ..newer }] {
        assert_eq!(
            findings(&[kept(3, SAYS)], None, &serving(&[no_reason])),
            [[Finding::Unserved { log_was_read: false }]]
        );
    }

    let removed = |issued_before| Feed {
        later: vec![(at(4), Later::Removal { cpi: cpi(), issued_before })],
        ..feed(4, &[(3, SAYS)])
    };
    let by = |feed: &Feed| findings(&[kept(3, SAYS)], Some(feed), &serving(&[]))[0][1].clone();
    assert_eq!(by(&removed(NOW.plus(DAY))), Finding::Overtaken(Overtaken::Removed(at(4))));
    assert_eq!(by(&removed(NOW)), Finding::Unserved { log_was_read: true }, "the removal is older than the credential");

    let old = Says { issued_at: NOW.minus(2 * DAY), ..SAYS };
    assert_eq!(findings(&[kept(3, old)], None, &serving(&[])), [[Finding::Overtaken(Overtaken::Expired)]]);
}

#[test]
fn going_back_behind_a_promise_is_seen() {
    let second = Says { seq: 2, ..SAYS };
    let withdrawn = Says { state: State::Withdrawn, ..second };
    for promised in [second, withdrawn] {
        assert_eq!(findings(&[kept(4, promised)], None, &serving(&[SAYS])), [[Finding::RolledBack { served: 1 }]]);
    }
}

#[test]
fn what_is_no_receipt_proves_nothing() {
    let good = kept(3, SAYS);
    let forged = Kept { receipt: good.receipt[..good.receipt.len() - 1].to_vec(), ..good.clone() };
    let other = Kept { published: document(Says { seq: 7, ..SAYS }), ..good };
    for none in [forged, other] {
        let found = findings(&[none], None, &serving(&[]));
        assert!(matches!(found[0].as_slice(), [Finding::NoEvidence(_)]), "{found:?}");
    }
    let losses = [Finding::Gap, Finding::TwoAtOnePosition, Finding::RolledBack { served: 1 }];
    assert!(losses.iter().all(|loss| loss.is_loss() && loss.proves().is_some()));
    assert!(!Finding::NoEvidence(String::new()).is_loss() && Finding::Served.proves().is_none());
}
