//! Following another provider's change feed: every document is verified here and published in this store.
//!
//! [`Follower::run`] reads each shard of the source's log in order and hands what it reads to the store's own rules. The
//! source is trusted for nothing: what does not verify, or is refused, is counted and passed over. The position is kept in
//! the store's database after the documents are durable, so a crash repeats some of them, which changes nothing. Who reads which
//! shard is in `turns`.

mod forward;
mod lag;
mod source;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use protocol::receipt::Position;
use service::{CancellationToken, ClientTlsConfig, TlsError};

use crate::metrics;
use crate::storage::{Storage as _, StorageError};
use crate::store::{PublishError, Store};
pub use forward::PlaybackError;
pub(crate) use forward::play_back;
use lag::Lag;
use source::{Batch, Source};
use turns::Readers;

/// After a failure, wait this long at first; twice as long after the next, up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often a source is asked how many shards it has.
const DESCRIBE_EVERY: Duration = Duration::from_secs(60);
/// Documents verified between two chances for other tasks.
const BREATH: usize = 16;

/// Whom to follow.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// The source's base URL: `https://dp.example`.
    pub url: String,
    /// Whom to trust for TLS, and the certificate to show, if any.
    pub tls: ClientTlsConfig,
    /// How long the source may keep a request waiting for news, in seconds: 30 at most. Shards of a log of more than 64 are
    /// read in turn, and none of them is waited for.
    pub wait_seconds: u64,
}

/// Why following failed. All but the first two pass by themselves, or with the source's repair.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Not an `https:` URL without path.
    #[error("follow: the URL must be https:// with a host and nothing after it")]
    Url,
    /// The TLS files.
    #[error("follow: {0}")]
    Tls(#[from] TlsError),
    /// No answer.
    #[error("follow: no answer from the source ({0})")]
    Network(&'static str),
    /// An answer with another status than 200.
    #[error("follow: the source answers {0}")]
    Status(u16),
    /// Not a change feed.
    #[error("follow: the source's answer is not a change feed: {0}")]
    Malformed(&'static str),
    /// The source's log is shorter than what was read of it: it has lost something.
    #[error("follow: the source's log ends before what was read of it earlier")]
    WentBack,
    /// The source's log is another one than that from which this store's backup was made.
    #[error("follow: the source's log has another document at number {0} than this store's")]
    OtherLog(u64),
    /// The source's documents come to other numbers here.
    #[error("follow: what the source has at number {0} is refused here, or stands elsewhere")]
    Diverged(u64),
    /// This store is busy or full.
    #[error("follow: {0}")]
    Store(#[from] PublishError),
    /// This store's database.
    #[error("follow: {0}")]
    Storage(#[from] StorageError),
}

/// What one step came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Documents published here, or known already.
    pub taken: u64,
    /// Documents that did not verify, or were refused by a rule.
    pub refused: u64,
    /// How many more the source has.
    pub behind: u64,
}

/// A follower of one source. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Follower {
    source: Source,
    store: Store,
    lag: Arc<Lag>,
}

impl Follower {
    /// A follower that publishes in `store`.
    ///
    /// # Errors
    ///
    /// [`FollowError::Url`] or [`FollowError::Tls`].
    pub fn new(config: &FollowConfig, store: Store) -> Result<Self, FollowError> {
        Ok(Self { source: Source::new(config)?, store, lag: Arc::default() })
    }

    /// Follows every shard until `shutdown`; failures are logged, and tried again after a pause.
    ///
    /// A source that has been carried into a cluster has all of its earlier log in shard 0, and more shards than before: so the others are
    /// read from when shard 0 has been read to its end, and now and then the source is asked how many there are.
    pub async fn run(&self, shutdown: CancellationToken) {
        let (mut pause, mut readers) = (MIN_PAUSE, Readers::default());
        loop {
            let looking = async {
                match self.look(&mut readers).await {
                    Ok(()) => {
                        pause = MIN_PAUSE;
                        tokio::time::sleep(DESCRIBE_EVERY).await;
                    }
                    Err(error) => pause = self.rest(&error, pause).await,
                }
            };
            if shutdown.run_until_cancelled(looking).await.is_none() {
                break;
            }
        }
        readers.stop().await;
    }

    /// Has all shards read, if the source has more of them than are being read.
    async fn look(&self, readers: &mut Readers) -> Result<(), FollowError> {
        let (name, shards) = self.describe().await?;
        if shards > readers.shards() {
            readers.stop().await;
            if shards > 1 {
                self.read_to_end(&name, 1).await?;
            }
            readers.start(self, &name, shards);
        }
        Ok(())
    }

    /// The source's name and how many shards its log has.
    ///
    /// # Errors
    ///
    /// [`FollowError`].
    pub async fn describe(&self) -> Result<(String, u32), FollowError> {
        let (name, shards) = self.source.describe().await?;
        self.lag.of(shards);
        Ok((name, shards))
    }

    /// Reads once from where it stands, publishes what comes, and keeps the new position. If there is nothing, the source may wait
    /// for news.
    ///
    /// # Errors
    ///
    /// [`FollowError`]; what was read before stays read.
    pub async fn step(&self, name: &str, shard: u32) -> Result<Step, FollowError> {
        self.step_within(name, shard, self.source.wait_seconds).await
    }

    /// As [`Follower::step`]; the source may wait for so long.
    async fn step_within(&self, name: &str, shard: u32, wait_seconds: u64) -> Result<Step, FollowError> {
        let number = self.store.storage().cursor(name, shard).await?;
        let Batch { entries, head } = self.source.read(Position { shard, number }, wait_seconds).await?;
        if head < number {
            return Err(FollowError::WentBack);
        }
        let (mut submitted, mut failure) = (Vec::with_capacity(entries.len()), None);
        for (index, entry) in entries.into_iter().enumerate() {
            let outcome = match self.store.submit(entry.kind, &entry.document) {
                Err(error) if passes(&error) => {
                    failure = Some(error);
                    break;
                }
                outcome => outcome,
            };
            submitted.push((entry.position, outcome));
            if index % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
        }
        let (mut step, mut at) = (Step::default(), Position { shard, number });
        for (position, outcome) in submitted {
            let outcome = match outcome {
                Ok(submitted) => self.store.written(submitted).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(_) => step.taken += 1,
                Err(error) if passes(&error) => {
                    failure = Some(error);
                    break;
                }
                Err(_) => step.refused += 1,
            }
            at = position;
        }
        if at.number > number {
            self.store.storage().set_cursor(name, at).await?;
        }
        step.behind = head.saturating_sub(at.number);
        ::metrics::counter!(metrics::FOLLOWED, "outcome" => "taken").increment(step.taken);
        ::metrics::counter!(metrics::FOLLOWED, "outcome" => "refused").increment(step.refused);
        self.lag.set(shard, step.behind);
        failure.map_or(Ok(step), |error| Err(error.into()))
    }

    /// Says what failed and waits; answers how long to wait after the next failure.
    async fn rest(&self, error: &FollowError, pause: Duration) -> Duration {
        tracing::warn!(%error, "following failed; it goes on after a pause");
        ::metrics::counter!(metrics::FOLLOW_FAILURES).increment(1);
        tokio::time::sleep(pause).await;
        (pause * 2).min(MAX_PAUSE)
    }
}

/// Whether the same document may be taken later: the fault is this store's.
const fn passes(error: &PublishError) -> bool {
    match error {
        PublishError::Busy | PublishError::Full | PublishError::Failed => true,
        PublishError::Mapping(_)
        | PublishError::Removal(_)
        | PublishError::RemovalSignature(_)
        | PublishError::NotTheIssuer
        | PublishError::RemovalFromTheFuture
        | PublishError::Refused(_) => false,
    }
}
