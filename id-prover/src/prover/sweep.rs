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
        self.sweep_every(if self.shared.storage.is_shared() { EVERY_SHARED } else { EVERY }, &shutdown).await;
    }

    /// A round that is under way at `shutdown` is given up, since a silent database would hold up the end; the next one takes up what
    /// it leaves.
    async fn sweep_every(&self, pause: Duration, shutdown: &CancellationToken) {
        let round = || async {
            tokio::time::sleep(pause).await;
            // What went wrong is logged where it did; the next round tries again.
            let _ = self.sweep_all().await;
            let _ = self.sweep_limits().await;
            self.compare_keys().await;
        };
        while shutdown.run_until_cancelled(round()).await.is_some() {}
    }

    /// Forgets budgets that are whole again. A counter whose deletion fails is found to be whole after the next start.
    async fn sweep_limits(&self) -> Result<(), Trouble> {
        let limits = self.shared.limits.limits();
        for step in limits.forget_whole().steps(STEP) {
            self.shared.storage.write(Change::counters(limits, step)).await?;
        }
        Ok(())
    }

    /// Forgets what is over now, step by step.
    async fn sweep_all(&self) -> Result<(), Trouble> {
        while self.sweep_step().await? >= STEP {}
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
