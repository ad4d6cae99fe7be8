//! The one thread that changes the database. It takes all that waits, chains the audit entries, writes one batch, syncs it,
//! and only then answers: many enrollments share a sync.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::super::audit::{EntryHash, entry_hash};
use super::super::change::{Change, Family, Op};
use super::super::{StorageError, WriteError};
use super::database::{Database, Pending, audit_head};
use crate::metrics;

/// Changes that may wait; further ones are refused at once.
const QUEUE: usize = 8192;
/// Changes in a group.
const GROUP: usize = 1024;

struct Job {
    change: Change,
    reply: oneshot::Sender<Result<(), WriteError>>,
}

/// A handle to the writer; the thread finishes what waits when the handle is dropped.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the head of the audit trail cannot be read.
    pub(crate) fn start(database: Arc<Database>) -> Result<Self, StorageError> {
        let head = database.audit_head()?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::spawn(move || Work { database, head }.run(jobs));
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Makes a change; returns once it is durable, if it asks for that, or visible otherwise.
    pub(crate) async fn write(&self, change: Change) -> Result<(), WriteError> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(WriteError::Busy)?;
        queue.try_send(Job { change, reply }).map_err(|_| WriteError::Busy)?;
        answer.await.map_err(|_| WriteError::Failed)?
    }

    /// Whether there is a thread that takes changes: one that panicked takes none any more.
    pub(crate) fn is_open(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| !queue.is_closed())
    }

    /// Changes that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

struct Work {
    database: Arc<Database>,
    head: (u64, EntryHash),
}

impl Work {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
            self.commit(&mut group);
        }
    }

    /// Writes a group and answers. If it cannot be written, nothing of it has happened.
    fn commit(&mut self, group: &mut Vec<Job>) {
        let start = Instant::now();
        let sync = group.iter().any(|job| job.change.sync);
        let (mut number, mut hash) = self.head;
        let (mut ops, mut pending) = (Vec::new(), Pending::new());
        let mut outcomes = Vec::with_capacity(group.len());
        for job in &mut *group {
            let is_so = self.database.is(&job.change.expected, &pending);
            outcomes.push(is_so.map_err(|error| failed(&error)).and_then(|is_so| match is_so {
                true => Ok(()),
                false => Err(WriteError::Overtaken),
            }));
            if outcomes.last() != Some(&Ok(())) {
                continue;
            }
            for op in job.change.all_ops() {
                op.note_in(&mut pending);
                ops.push(op);
            }
            if let Some(late) = job.change.late.take() {
                ops.extend(late());
            }
            if let Some(entry) = &job.change.audit {
                let value = entry.chained(&hash);
                number += 1;
                hash = entry_hash(number, &value);
                ops.push(Op::Put(Family::Audit, number.to_be_bytes().to_vec(), value));
            }
        }
        if number > self.head.0 {
            ops.push(audit_head(number, &hash));
        }
        let written = self.database.write(&ops, sync).map_err(|error| failed(&error));
        if written.is_ok() {
            self.head = (number, hash);
            ::metrics::histogram!(metrics::SYNC_SECONDS).record(start.elapsed());
        }
        for (job, outcome) in group.drain(..).zip(outcomes) {
            // Whoever asked may be gone; what is durable stays so.
            let _ = job.reply.send(outcome.and(written));
        }
    }
}

fn failed(error: &StorageError) -> WriteError {
    tracing::error!(%error, "a group of changes cannot be written");
    if error.is_full() { WriteError::Full } else { WriteError::Failed }
}
