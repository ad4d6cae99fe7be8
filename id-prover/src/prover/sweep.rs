//! Forgetting what is over, in bounded steps.

use std::time::Duration;

use protocol::Timestamp;
use service::CancellationToken;

use super::{Prover, Trouble};
use crate::metrics;
use crate::storage::change::Change;

const EVERY: Duration = Duration::from_secs(10);
const STEP: usize = 1000;

impl Prover {
    /// Forgets enrollments, credentials and budgets that are over, now and then, until `shutdown`.
    pub(crate) async fn sweep(&self, shutdown: CancellationToken) {
        let mut from = Timestamp::default();
        while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            // What went wrong is logged where it did; the next round tries again.
            let _ = self.sweep_all(&mut from, &shutdown).await;
            let _ = self.sweep_limits(&shutdown).await;
        }
    }

    /// Forgets budgets that are whole again. A counter whose deletion fails is found to be whole after the next start.
    async fn sweep_limits(&self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        let limits = &self.shared.limits;
        for step in limits.forget_whole().steps(STEP) {
            if shutdown.is_cancelled() {
                break;
            }
            self.shared.writer.write(Change::counters(limits, step)).await?;
        }
        Ok(())
    }

    /// Forgets what is over now, step by step. `from` is where the last round ended: before it there is nothing but what
    /// was deleted. A clock that was set back takes it along.
    async fn sweep_all(&self, from: &mut Timestamp, shutdown: &CancellationToken) -> Result<(), Trouble> {
        while !shutdown.is_cancelled() && self.sweep_step(from).await? == STEP {}
        Ok(())
    }

    async fn sweep_step(&self, from: &mut Timestamp) -> Result<usize, Trouble> {
        let now = self.shared.now();
        *from = now.min(*from);
        let start = *from;
        let due = self.shared.read(move |storage| storage.due(start, now, STEP)).await?;
        let Some(last) = due.last() else { return Ok(0) };
        *from = last.at;
        self.shared.writer.write(Change::sweep(&due)).await?;
        ::metrics::counter!(metrics::SWEPT).increment(due.len() as u64);
        Ok(due.len())
    }
}

#[cfg(test)]
mod tests;
