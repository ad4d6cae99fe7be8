//! Forgetting what is over, in bounded steps.

use std::time::Duration;

use service::CancellationToken;

use super::{Prover, Trouble};
use crate::metrics;
use crate::storage::Storage as _;
use crate::storage::change::Change;

const EVERY: Duration = Duration::from_secs(10);
/// Each prover of a cluster asks for what lies in all of it.
const EVERY_SHARED: Duration = Duration::from_secs(60);
const STEP: usize = 1000;

impl Prover {
    /// Forgets enrollments, credentials and budgets that are over, now and then, until `shutdown`.
    pub(crate) async fn sweep(&self, shutdown: CancellationToken) {
        let every = if self.shared.storage.is_shared() { EVERY_SHARED } else { EVERY };
        while shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            // What went wrong is logged where it did; the next round tries again.
            let _ = self.sweep_all(&shutdown).await;
            let _ = self.sweep_limits(&shutdown).await;
            self.compare_keys().await;
        }
    }

    /// Forgets budgets that are whole again. A counter whose deletion fails is found to be whole after the next start.
    async fn sweep_limits(&self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        let limits = self.shared.limits.limits();
        for step in limits.forget_whole().steps(STEP) {
            if shutdown.is_cancelled() {
                break;
            }
            self.shared.storage.write(Change::counters(limits, step)).await?;
        }
        Ok(())
    }

    /// Forgets what is over now, step by step.
    async fn sweep_all(&self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        while !shutdown.is_cancelled() && self.sweep_step().await? >= STEP {}
        Ok(())
    }

    async fn sweep_step(&self) -> Result<usize, Trouble> {
        let swept = self.shared.storage.sweep(self.shared.now(), STEP).await?;
        ::metrics::counter!(metrics::SWEPT).increment(swept as u64);
        Ok(swept)
    }
}

#[cfg(test)]
mod tests;
