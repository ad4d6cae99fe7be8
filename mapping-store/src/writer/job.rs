//! What the writer is asked, what is known of it before its group is durable, and the answer afterwards.

use std::sync::Arc;

use protocol::cpi::Cpi;
use tokio::sync::oneshot;

use super::work::{Place, Placed};
use super::{Document, Outcome, WriteError, Written};
use crate::label::{Label, Ring};
use crate::storage::Stamp;

/// What the writer is asked, and where the answer goes.
pub(super) enum Job {
    Publish {
        document: Document,
        reply: oneshot::Sender<Outcome>,
    },
    /// Many at once, in this order.
    PublishAll {
        documents: Vec<Document>,
        reply: oneshot::Sender<Result<Vec<Outcome>, WriteError>>,
    },
    Sweep {
        most: usize,
        reply: oneshot::Sender<Result<usize, WriteError>>,
    },
    /// The records of these CPIs are to stand under the current key alone. Answers how many had to move.
    Move {
        cpis: Vec<Cpi>,
        reply: oneshot::Sender<Result<usize, WriteError>>,
    },
    /// From here on, these keys.
    Replace {
        ring: Arc<Ring>,
        reply: oneshot::Sender<Result<(), WriteError>>,
    },
}

/// What is known of a job before the group is durable.
pub(super) enum Verdict {
    /// Nothing of it is to be written. With a label, what the group has changed of that record was its reason.
    Settled { outcome: Outcome, label: Option<Label> },
    /// Good once the group is written; new, or the same document as an earlier one.
    Entry { hash: [u8; 32], place: Place, new: bool },
    /// Each of many.
    Each(Vec<Self>),
    /// Looked at these records.
    Touched(Result<Vec<Label>, WriteError>),
    /// Done already.
    Replaced,
}

impl Job {
    /// Answers whoever asked; or returns the job, if it has to be tried again.
    pub(super) fn answer(self, verdict: Verdict, placed: &Placed) -> Option<Self> {
        // Whoever asked may be gone; what is durable stays so.
        match (self, verdict) {
            (Self::Publish { document, reply }, verdict) => {
                let Some(outcome) = verdict.outcome(placed) else { return Some(Self::Publish { document, reply }) };
                let _ = reply.send(outcome);
            }
            (Self::PublishAll { documents, reply }, Verdict::Each(verdicts)) => {
                let outcomes: Option<_> = verdicts.into_iter().map(|verdict| verdict.outcome(placed)).collect();
                let Some(outcomes) = outcomes else { return Some(Self::PublishAll { documents, reply }) };
                let _ = reply.send(Ok(outcomes));
            }
            (Self::Sweep { reply, .. }, Verdict::Touched(swept)) => {
                // A record that somebody else has changed comes up again.
                let _ = reply.send(placed.as_ref().map_err(Clone::clone).and_then(|_| swept.map(|swept| swept.len())));
            }
            (Self::Move { cpis, reply }, Verdict::Touched(moved)) => {
                let outcome = match (placed, moved) {
                    (Err(error), _) => Err(error.clone()),
                    (_, Err(error)) => Err(error),
                    (Ok(placed), Ok(moved)) => {
                        if moved.iter().any(|label| placed.get(label).is_none_or(Option::is_none)) {
                            return Some(Self::Move { cpis, reply });
                        }
                        Ok(moved.len())
                    }
                };
                let _ = reply.send(outcome);
            }
            (Self::Replace { reply, .. }, Verdict::Replaced) => {
                let _ = reply.send(Ok(()));
            }
            (
                job,
                Verdict::Touched(_)
                | Verdict::Each(_)
                | Verdict::Settled { .. }
                | Verdict::Entry { .. }
                | Verdict::Replaced,
            ) => {
                job.refuse(&WriteError::Failed);
            }
        }
        None
    }

    pub(super) fn refuse(self, error: &WriteError) {
        match self {
            Self::Publish { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::PublishAll { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Sweep { reply, .. } | Self::Move { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Replace { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl Verdict {
    /// The outcome for one document, once its group was written; none if it has to be tried again.
    fn outcome(self, placed: &Placed) -> Option<Outcome> {
        match (self, placed) {
            (Self::Settled { outcome, label: None }, _) => Some(outcome),
            // A reason that was never written is none.
            (Self::Settled { .. } | Self::Entry { .. }, Err(error)) => Some(Err(error.clone())),
            (Self::Settled { outcome, label: Some(label) }, Ok(placed)) => {
                placed.get(&label).is_none_or(Option::is_some).then_some(outcome)
            }
            (Self::Entry { hash, place, new }, Ok(placed)) => {
                let positions = placed.get(&place.label)?.as_ref()?;
                let stamp = Stamp { position: positions[place.index], at: place.at };
                Some(Ok(Written { hash, stamp, new }))
            }
            (Self::Each(_) | Self::Touched(_) | Self::Replaced, _) => Some(Err(WriteError::Failed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use protocol::Timestamp;
    use protocol::receipt::Position;

    use super::*;
    use crate::rules::Refusal;

    const LABEL: Label = [1; 33];

    /// What a group's own change is the reason of stands with that change, and falls with it.
    #[test]
    fn a_refusal_is_as_good_as_its_reason() {
        let refusal = || Err(WriteError::Refused(Refusal::StaleSequence(5)));
        let judged = |label, placed: &Placed| Verdict::Settled { outcome: refusal(), label }.outcome(placed);
        let placed = |positions| -> Placed { Ok(HashMap::from([(LABEL, positions)])) };
        let written = placed(Some(vec![Position { shard: 0, number: 7 }]));
        let (conflict, unwritten) = (placed(None), Err(WriteError::Full));
        assert_eq!(judged(Some(LABEL), &written), Some(refusal()));
        assert_eq!(judged(Some(LABEL), &conflict), None, "it is tried again");
        assert_eq!(judged(Some(LABEL), &unwritten), Some(Err(WriteError::Full)));
        // By what stood there before the group.
        for placed in [&written, &conflict, &unwritten] {
            assert_eq!(judged(None, placed), Some(refusal()));
        }
    }

    /// Nobody is told of a number that was not written.
    #[test]
    fn an_entry_is_as_good_as_its_place() {
        let place = Place { label: LABEL, index: 0, at: Timestamp::from_seconds(1) };
        let entry = || Verdict::Entry { hash: [2; 32], place, new: true };
        let position = Position { shard: 0, number: 7 };
        let written = Written { hash: [2; 32], stamp: Stamp { position, at: place.at }, new: true };
        assert_eq!(entry().outcome(&Ok(HashMap::from([(LABEL, Some(vec![position]))]))), Some(Ok(written)));
        assert_eq!(entry().outcome(&Ok(HashMap::from([(LABEL, None)]))), None);
        assert_eq!(entry().outcome(&Err(WriteError::Full)), Some(Err(WriteError::Full)));
    }
}
