//! What the writer's thread does: groups of jobs, applied in order, written in one step, answered.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Instant;

use protocol::Timestamp;
use protocol::cpi::Cpi;
use protocol::receipt::Position;
use tokio::sync::mpsc;

use super::job::{Job, Verdict};
use super::{Document, Parts, WriteError, Written};
use crate::label::Label;
use crate::metrics;
use crate::record::{Damaged, Record};
use crate::rules;
use crate::storage::{NewEntry, Storage, StorageError, Stored, Tally, Update, Updated, shard_of};

/// Publications in a group.
const GROUP: usize = 512;
/// How often a publication is tried anew when another process has changed its record.
const ATTEMPTS: usize = 16;

/// The thread's work.
pub(super) struct Work<S> {
    parts: Parts<S>,
}

/// What a group has changed so far.
#[derive(Default)]
struct Changes {
    records: HashMap<Label, Pending>,
    /// Documents of this group, by hash: where they will stand among their record's entries.
    known: HashMap<[u8; 32], Place>,
    /// Entries so far.
    turn: u32,
}

/// A record that the group has read.
struct Pending {
    revision: u64,
    /// The label under the previous key, if it stands there.
    moved_from: Option<Label>,
    before: Record,
    after: Record,
    entries: Vec<NewEntry>,
}

/// An entry of this group.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) label: Label,
    pub(super) index: usize,
    pub(super) at: Timestamp,
}

/// Where each record's entries stand; none for a record that somebody else has changed.
pub(super) type Placed = Result<HashMap<Label, Option<Vec<Position>>>, WriteError>;

impl<S: Storage> Work<S> {
    pub(super) const fn new(parts: Parts<S>) -> Self {
        Self { parts }
    }

    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.recv().await {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            for _ in 0..ATTEMPTS {
                group = self.write(group).await;
                if group.is_empty() {
                    break;
                }
            }
            group.into_iter().for_each(|job| job.refuse(&WriteError::Busy));
        }
    }

    /// Applies a group, makes it durable and answers. If it cannot be written, none of it is acknowledged. Returns what has to
    /// be tried again, because its record was changed by somebody else.
    async fn write(&self, group: Vec<Job>) -> Vec<Job> {
        let mut changes = Changes::default();
        let mut verdicts = Vec::with_capacity(group.len());
        for job in group {
            let verdict = match &job {
                Job::Publish { document, .. } => self.publish(&mut changes, document).await,
                Job::PublishAll { documents, .. } => {
                    let mut each = Vec::with_capacity(documents.len());
                    for document in documents {
                        each.push(self.publish(&mut changes, document).await);
                    }
                    Verdict::Each(each)
                }
                Job::Sweep { most, .. } => Verdict::Touched(self.sweep(&mut changes, *most).await),
                Job::Move { cpis, .. } => Verdict::Touched(self.move_records(&mut changes, cpis).await),
                Job::Replace { ring, .. } => {
                    self.parts.labels.replace(Arc::clone(ring));
                    Verdict::Replaced
                }
            };
            verdicts.push((job, verdict));
        }
        let placed = self.commit(changes).await;
        verdicts.into_iter().filter_map(|(job, verdict)| job.answer(verdict, &placed)).collect()
    }

    async fn publish(&self, changes: &mut Changes, document: &Document) -> Verdict {
        self.try_publish(changes, document)
            .await
            .unwrap_or_else(|error| Verdict::Settled { outcome: Err(error), label: None })
    }

    async fn try_publish(&self, changes: &mut Changes, document: &Document) -> Result<Verdict, WriteError> {
        let hash = document.hash();
        if let Some(place) = changes.known.get(&hash) {
            return Ok(Verdict::Entry { hash, place: *place, new: false });
        }
        let shard = shard_of(&self.parts.labels.ring().current.label(document.cpi()), self.parts.storage.shards());
        if let Some(stamp) = self.parts.storage.stamp_in(shard, &hash).await.map_err(unreadable)? {
            return Ok(Verdict::Settled { outcome: Ok(Written { hash, stamp, new: false }), label: None });
        }
        let (now, horizon) = ((self.parts.clock)(), self.parts.horizon);
        let label = self.find(changes, document.cpi()).await?;
        let turn = changes.turn;
        let pending = self.pending(changes, label, None).await?;
        let applied = match document {
            Document::Mapping(mapping) => rules::publish(&pending.after, mapping, now, horizon),
            Document::Removal(removal) => Ok(rules::remove(&pending.after, removal.document(), now, horizon)),
        };
        pending.after = match applied {
            Ok(after) => after,
            Err(refusal) => {
                let label = (pending.before != pending.after).then_some(label);
                return Ok(Verdict::Settled { outcome: Err(refusal.into()), label });
            }
        };
        let place = Place { label, index: pending.entries.len(), at: now };
        pending.entries.push(NewEntry {
            kind: document.kind(),
            document: document.bytes().to_vec(),
            hash,
            at: now,
            turn,
        });
        changes.turn += 1;
        changes.known.insert(hash, place);
        Ok(Verdict::Entry { hash, place, new: true })
    }

    async fn sweep(&self, changes: &mut Changes, most: usize) -> Result<Vec<Label>, WriteError> {
        let (now, horizon) = ((self.parts.clock)(), self.parts.horizon);
        let labels = self.parts.storage.due(now, most).await.map_err(unreadable)?;
        for label in &labels {
            let pending = self.pending(changes, *label, None).await?;
            pending.after = rules::sweep(&pending.after, now, horizon);
        }
        Ok(labels)
    }

    /// Reads the records of these CPIs, so that those which stand under the previous key are written under the current one.
    async fn move_records(&self, changes: &mut Changes, cpis: &[Cpi]) -> Result<Vec<Label>, WriteError> {
        let mut moving = Vec::new();
        for cpi in cpis {
            let label = self.find(changes, cpi).await?;
            if changes.records.get(&label).is_some_and(|pending| pending.moved_from.is_some())
                && !moving.contains(&label)
            {
                moving.push(label);
            }
        }
        Ok(moving)
    }

    /// Reads the record of a CPI, wherever it stands, and answers where it is to stand.
    async fn find(&self, changes: &mut Changes, cpi: &Cpi) -> Result<Label, WriteError> {
        let ring = Arc::clone(&self.parts.labels.ring());
        let label = ring.current.label(cpi);
        if let Some(previous) = ring.previous.as_ref().filter(|_| !changes.records.contains_key(&label)) {
            let old = previous.label(cpi);
            let there = self.parts.storage.record(&old, |stored| stored.is_some()).await.map_err(unreadable)?;
            self.pending(changes, label, there.then_some(old)).await?;
        } else {
            self.pending(changes, label, None).await?;
        }
        Ok(label)
    }

    /// The record as the group has it so far; read first from where it stood under the previous key, if it does.
    async fn pending<'c>(
        &self,
        changes: &'c mut Changes,
        label: Label,
        moved_from: Option<Label>,
    ) -> Result<&'c mut Pending, WriteError> {
        let vacant = match changes.records.entry(label) {
            Slot::Occupied(known) => return Ok(known.into_mut()),
            Slot::Vacant(vacant) => vacant,
        };
        let read = |stored: Option<Stored<'_>>| -> Result<_, Damaged> {
            let Some(stored) = stored else { return Ok((0, Record::default())) };
            Ok((stored.revision, Record::decode(stored.bytes)?))
        };
        let read = self.parts.storage.record(moved_from.as_ref().unwrap_or(&label), read).await.map_err(unreadable)?;
        let (revision, before) = read.map_err(|_| unreadable(StorageError::Damaged("a record")))?;
        let after = before.clone();
        Ok(vacant.insert(Pending { revision, moved_from, before, after, entries: Vec::new() }))
    }

    async fn commit(&self, changes: Changes) -> Placed {
        let updates: Vec<_> =
            changes.records.into_iter().filter_map(|(label, pending)| pending.into_update(label)).collect();
        if updates.is_empty() {
            return Ok(HashMap::new());
        }
        let labels: Vec<_> = updates.iter().map(|update| update.label).collect();
        let publications: usize = updates.iter().map(|update| update.entries.len()).sum();
        let start = Instant::now();
        let outcomes = self.parts.storage.update(updates).await.map_err(|error| {
            tracing::error!(%error, "a group of publications cannot be written");
            WriteError::from(error)
        })?;
        ::metrics::histogram!(metrics::SYNC_SECONDS).record(start.elapsed());
        ::metrics::histogram!(metrics::GROUP_PUBLICATIONS).record(metrics::float(publications as u64));
        let positions = |outcome| match outcome {
            Updated::Done(positions) => Some(positions),
            Updated::Conflict => None,
        };
        let placed: HashMap<_, _> = labels.into_iter().zip(outcomes.into_iter().map(positions)).collect();
        for position in placed.values().flatten().flatten() {
            if let Some(head) = self.parts.heads.get(position.shard as usize) {
                head.send_if_modified(|head| {
                    let later = *head < position.number;
                    *head = (*head).max(position.number);
                    later
                });
            }
        }
        Ok(placed)
    }
}

impl Pending {
    /// The update that this comes to, if it comes to any.
    fn into_update(self, label: Label) -> Option<Update> {
        if self.entries.is_empty() && self.before == self.after && self.moved_from.is_none() {
            return None;
        }
        let (was, is) = (self.before.tally(), self.after.tally());
        let gone = self.after.is_empty();
        Some(Update {
            label,
            expected: self.revision,
            moved_from: self.moved_from,
            was_due: self.before.due,
            is_due: if gone { None } else { self.after.due },
            record: (!gone).then(|| self.after.encode()),
            entries: self.entries,
            tally: Tally { live: is.live - was.live, tombstones: is.tombstones - was.tombstones },
        })
    }
}

fn unreadable(error: StorageError) -> WriteError {
    tracing::error!(%error, "the database cannot be read");
    error.into()
}
