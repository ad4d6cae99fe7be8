//! Bringing a restored database forward from a change feed.
//!
//! From our own log (the source answers under our own name) what is missing is published again in the order in which it
//! stands there, and must come to the same numbers: what receipts promise holds again. From another provider's log, a
//! standby's for one, the documents come, and numbers of our own with them.

use protocol::receipt::Position;
use service::CancellationToken;

use super::{FollowError, Follower, MIN_PAUSE, passes};
use crate::storage::{LogEntry, Storage};
use crate::store::Store;

impl Follower {
    /// Brings the store forward until the source has nothing more, then takes the mark of a restored database away. Failures
    /// that pass are tried again. Answers whether it came to the end before `shutdown`.
    ///
    /// # Errors
    ///
    /// [`FollowError::OtherLog`], [`FollowError::Diverged`] and [`FollowError::WentBack`]; the mark stays, and nothing is served.
    pub async fn bring_forward(&self, shutdown: &CancellationToken) -> Result<bool, FollowError> {
        let mut pause = MIN_PAUSE;
        loop {
            match shutdown.run_until_cancelled(self.catch_up()).await {
                None => return Ok(false),
                Some(Ok(())) => break,
                Some(Err(error @ (FollowError::OtherLog(_) | FollowError::Diverged(_) | FollowError::WentBack))) => {
                    return Err(error);
                }
                Some(Err(error)) => match shutdown.run_until_cancelled(self.rest(&error, pause)).await {
                    None => return Ok(false),
                    Some(longer) => pause = longer,
                },
            }
        }
        self.store.brought_forward().await?;
        tracing::info!("the restored database is brought forward");
        Ok(true)
    }

    async fn catch_up(&self) -> Result<(), FollowError> {
        let (name, shards) = self.source.describe().await?;
        if name != self.store.provider() {
            return self.read_to_end(&name, shards).await;
        }
        for shard in 0..shards {
            self.catch_up_with_own(&name, shard).await?;
        }
        Ok(())
    }

    async fn catch_up_with_own(&self, name: &str, shard: u32) -> Result<(), FollowError> {
        loop {
            let ours = self.store.storage().head(shard).await?;
            // The last entry that both should have comes first.
            let batch = self.source.read(Position { shard, number: ours.saturating_sub(1) }, 0).await?;
            if batch.head < ours {
                return Err(FollowError::WentBack);
            }
            play_back(&self.store, &batch.entries).await.map_err(|error| match error {
                PlaybackError::OtherLog(at) => FollowError::OtherLog(at.number),
                PlaybackError::Diverged(at, _) => FollowError::Diverged(at.number),
                PlaybackError::Store(error) => error.into(),
                PlaybackError::Storage(error) => error.into(),
            })?;
            let number = self.store.storage().head(shard).await?;
            if number >= batch.head {
                // Whoever goes on following need not begin anew.
                return Ok(self.store.storage().set_cursor(name, Position { shard, number }).await?);
            }
        }
    }
}

/// Why entries of our own log are not played back.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// Our log has another document there, or none: it ends before.
    #[error("number {} is not a continuation of this store's log", .0.number)]
    OtherLog(Position),
    /// The document is refused, or came to another number.
    #[error("number {} is refused here, or came to another number{}", .0.number, .1.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
    Diverged(Position, Option<crate::store::PublishError>),
    /// This store is busy or full.
    #[error(transparent)]
    Store(crate::store::PublishError),
    /// This store's database.
    #[error(transparent)]
    Storage(#[from] crate::storage::StorageError),
}

/// Publishes entries of our own log again. Those that are there must be the same; the others must come to their numbers.
pub(crate) async fn play_back(store: &Store, entries: &[LogEntry]) -> Result<(), PlaybackError> {
    let (mut documents, mut positions) = (Vec::new(), Vec::new());
    for entry in entries {
        let head = store.storage().head(entry.position.shard).await?;
        if entry.position.number <= head {
            let before = Position { number: entry.position.number.saturating_sub(1), ..entry.position };
            let ours = store.changes(before, 1, usize::MAX).await?;
            if ours.first() != Some(entry) {
                return Err(PlaybackError::OtherLog(entry.position));
            }
            continue;
        }
        if entry.position.number != head + 1 + positions.len() as u64 {
            return Err(PlaybackError::OtherLog(entry.position));
        }
        let document = store
            .verify_logged(entry.kind, &entry.document)
            .map_err(|error| PlaybackError::Diverged(entry.position, Some(error)))?;
        documents.push(document);
        positions.push(entry.position);
    }
    if documents.is_empty() {
        return Ok(());
    }
    let outcomes = store.submit_all(documents).map_err(PlaybackError::Store)?.wait().await;
    let outcomes = outcomes.map_err(|error| PlaybackError::Store(error.into()))?;
    for (position, outcome) in positions.into_iter().zip(outcomes) {
        match outcome.map_err(crate::store::PublishError::from) {
            Ok(written) if written.stamp.position == position => {}
            Ok(_) => return Err(PlaybackError::Diverged(position, None)),
            Err(error) if passes(&error) => return Err(PlaybackError::Store(error)),
            Err(error) => return Err(PlaybackError::Diverged(position, Some(error))),
        }
    }
    Ok(())
}
