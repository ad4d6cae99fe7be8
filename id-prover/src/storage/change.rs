//! Changes of the database: what each step of an enrollment puts and deletes, and the audit entry that goes with it.

use std::sync::Arc;
use std::time::Duration;

use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;

use super::audit::{Entry, Event};
use super::rocks::Pending;
use crate::enrollment::{Facts, Issued, Proven, RequestKey, Requested, Stored, Terms};
use crate::limits::{Counters, Limits};

/// How long an enrollment is remembered once it is over, so that its user hears why and a lost answer can be asked for.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(3600);

/// The column families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    Enrollments,
    Requests,
    Credentials,
    Deadlines,
    Counters,
    Audit,
    Meta,
}

impl Family {
    pub(super) const ALL: [Self; 7] = [
        Self::Enrollments,
        Self::Requests,
        Self::Credentials,
        Self::Deadlines,
        Self::Counters,
        Self::Audit,
        Self::Meta,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Enrollments => "enrollments",
            Self::Requests => "requests",
            Self::Credentials => "credentials",
            Self::Deadlines => "deadlines",
            Self::Counters => "counters",
            Self::Audit => "audit",
            Self::Meta => "meta",
        }
    }
}

/// One change of one key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Put(Family, Vec<u8>, Vec<u8>),
    Delete(Family, Vec<u8>),
}

/// What a change was judged by.
pub(crate) enum Expected {
    /// It may be made whatever there is.
    Anything,
    /// No enrollment was opened by this request.
    Unopened(RequestKey),
    /// The enrollment is as it was read, or written.
    Unchanged(Box<Stored>),
}

/// A credential that is kept until it expires.
pub(crate) struct Kept {
    pub(super) id: [u8; 16],
    pub(super) bytes: Vec<u8>,
    pub(super) expires_at: Timestamp,
    /// The time of the change.
    pub(super) now: Timestamp,
}

/// Changes that become visible together, with what the audit trail says of them.
pub(crate) struct Change {
    pub(super) expected: Expected,
    pub(super) ops: Vec<Op>,
    pub(super) kept: Option<Kept>,
    /// What is only known when the change is written: the counters of limits, which others change meanwhile.
    pub(super) late: Option<Late>,
    pub(super) audit: Option<Entry>,
    /// Whether the answer waits until it is durable.
    pub(super) sync: bool,
}

/// Ops that are asked for when a change is written.
type Late = Box<dyn FnOnce() -> Vec<Op> + Send>;

/// What is to be deleted at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Timestamp,
    kind: Kind,
    id: [u8; 16],
    request: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Enrollment,
    Credential,
}

impl Change {
    /// A new enrollment, before its message is sent.
    pub(crate) fn open(requested: &Requested, now: Timestamp) -> Self {
        let facts = &requested.facts;
        let ops = vec![
            put(&Stored::Requested(requested.clone())),
            Op::Put(Family::Requests, facts.request_key().to_vec(), facts.id.as_bytes().to_vec()),
            Deadline::of(facts).put(),
        ];
        Self::audited(Expected::Unopened(facts.request_key()), ops, facts, now, Event::requested(facts))
    }

    /// An enrollment whose code is replaced, before its message is sent.
    pub(crate) fn reopen(before: Requested, requested: &Requested, now: Timestamp) -> Self {
        let (before, after) = (Stored::Requested(before), Stored::Requested(requested.clone()));
        Self::next(before, &after, Event::Resent, now)
    }

    /// An enrollment whose message could not be delivered: forgotten, so that the same request may be sent again.
    pub(crate) fn drop(requested: Requested, now: Timestamp) -> Self {
        let before = Stored::Requested(requested);
        let ops = Deadline::of(before.facts()).delete_all();
        let facts = before.facts().clone();
        Self::audited(Expected::Unchanged(Box::new(before)), ops, &facts, now, Event::NotDelivered)
    }

    /// The next state of an enrollment.
    pub(crate) fn next(before: Stored, after: &Stored, event: Event, now: Timestamp) -> Self {
        Self::audited(Expected::Unchanged(Box::new(before)), vec![put(after)], after.facts(), now, event)
    }

    /// A state without the steps that lead to it.
    #[cfg(test)]
    pub(crate) fn found(stored: &Stored, event: Event, now: Timestamp) -> Self {
        Self::audited(Expected::Anything, vec![put(stored)], stored.facts(), now, event)
    }

    /// What the writer does once it comes to it.
    #[cfg(test)]
    pub(crate) fn late(work: impl FnOnce() -> Vec<Op> + Send + 'static) -> Self {
        Self { late: Some(Box::new(work)), ..Self::unheard(Vec::new()) }
    }

    /// A signed credential. It follows from what is durable already, so nobody need wait for it.
    pub(crate) fn issue(before: Proven, issued: &Issued, now: Timestamp) -> Self {
        let Terms { credential_id, expires_at, .. } = before.terms;
        let kept = Kept { id: credential_id, bytes: issued.credential.clone(), expires_at, now };
        let expected = Expected::Unchanged(Box::new(Stored::Proven(before)));
        let ops = vec![put(&Stored::Issued(issued.clone()))];
        Self { expected, kept: Some(kept), ..Self::unheard(ops) }
    }

    /// Forgets what is over.
    pub(crate) fn sweep(due: &[Deadline]) -> Self {
        Self::unheard(due.iter().flat_map(Deadline::delete_all).collect())
    }

    /// Brings stored counters up to date, and nothing else. Nobody need wait for it.
    pub(crate) fn counters(limits: &Arc<Limits>, counters: Counters) -> Self {
        Self::unheard(Vec::new()).counting(limits, counters)
    }

    /// Brings these counters up to date as well.
    pub(crate) fn counting(self, limits: &Arc<Limits>, counters: Counters) -> Self {
        let limits = Arc::clone(limits);
        Self { late: Some(Box::new(move || limits.ops(&counters))), ..self }
    }

    /// The enrollment that it is about, if it is about one.
    pub(super) fn id(&self) -> Option<EnrollmentId> {
        let judged_by = match &self.expected {
            Expected::Unchanged(stored) => Some(stored.facts().id),
            Expected::Anything | Expected::Unopened(_) => None,
        };
        self.audit.as_ref().map(|entry| entry.id).or(judged_by)
    }

    /// The ops that are known by now, those of a kept credential among them.
    pub(super) fn all_ops(&mut self) -> Vec<Op> {
        let mut ops = std::mem::take(&mut self.ops);
        if let Some(Kept { id, bytes, expires_at, .. }) = self.kept.take() {
            let deadline = Deadline { at: expires_at, kind: Kind::Credential, id, request: Vec::new() };
            ops.extend([Op::Put(Family::Credentials, id.to_vec(), bytes), deadline.put()]);
        }
        ops
    }

    fn audited(expected: Expected, ops: Vec<Op>, facts: &Facts, at: Timestamp, event: Event) -> Self {
        Self { expected, audit: Some(Entry { at, id: facts.id, event }), sync: true, ..Self::unheard(ops) }
    }

    /// Of which the audit trail does not speak.
    const fn unheard(ops: Vec<Op>) -> Self {
        Self { expected: Expected::Anything, ops, kept: None, late: None, audit: None, sync: false }
    }
}

impl Op {
    /// Notes what changes are judged by.
    pub(super) fn note_in(&self, pending: &mut Pending) {
        let (family, key, value) = match self {
            Self::Put(family, key, value) => (*family, key, Some(value)),
            Self::Delete(family, key) => (*family, key, None),
        };
        if matches!(family, Family::Enrollments | Family::Requests) {
            pending.insert((family, key.clone()), value.cloned());
        }
    }
}

impl Deadline {
    fn of(facts: &Facts) -> Self {
        Self {
            at: facts.is_over_at().plus(REMEMBERED),
            kind: Kind::Enrollment,
            id: *facts.id.as_bytes(),
            request: facts.request_key().to_vec(),
        }
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let (at, rest) = key.split_first_chunk()?;
        let (kind, id) = rest.split_first()?;
        let kind = match kind {
            0 => Kind::Enrollment,
            1 => Kind::Credential,
            _ => return None,
        };
        let at = Timestamp::from_seconds(u64::from_be_bytes(*at));
        Some(Self { at, kind, id: id.try_into().ok()?, request: value.to_vec() })
    }

    fn key(&self) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Enrollment => 0,
            Kind::Credential => 1,
        };
        [self.at.seconds().to_be_bytes().as_slice(), &[kind], &self.id].concat()
    }

    fn put(&self) -> Op {
        Op::Put(Family::Deadlines, self.key(), self.request.clone())
    }

    fn delete_all(&self) -> Vec<Op> {
        let deadline = Op::Delete(Family::Deadlines, self.key());
        match self.kind {
            Kind::Enrollment => vec![
                Op::Delete(Family::Enrollments, self.id.to_vec()),
                Op::Delete(Family::Requests, self.request.clone()),
                deadline,
            ],
            Kind::Credential => vec![Op::Delete(Family::Credentials, self.id.to_vec()), deadline],
        }
    }
}

fn put(stored: &Stored) -> Op {
    Op::Put(Family::Enrollments, stored.facts().id.as_bytes().to_vec(), stored.encode())
}
