//! Who reads which shard, and when: a few readers take the shards of a log in turn.
//!
//! Of up to [`READERS`] shards each has a reader of its own, whose requests the source may keep until there is news. More shards
//! than that share the readers: each reader goes through its part of them, reads what is new and lets nobody wait, in requests that are
//! spaced. So one connection suffices, the source's limits hold, and nothing is kept for a shard but its position, in the
//! store's database. A round through a part takes as long as the spacing of its requests, and a second at least if there is no news.

use std::iter::StepBy;
use std::ops::Range;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::{FollowError, Follower, MIN_PAUSE, Step};

/// Requests that are under way at once: half of the streams that a connection has at a source (128).
const READERS: u32 = 64;
/// From one request to the next of a reader that has several shards: 512 a second for all of them, half of what a source takes from
/// one certificate (1,000).
const SPACING: Duration = Duration::from_millis(125);
/// What a round without news takes at least.
const LULL: Duration = Duration::from_secs(1);

/// The readers that are under way.
#[derive(Default)]
pub(super) struct Readers {
    tasks: JoinSet<()>,
    shards: u32,
}

/// One reader's part of the shards.
struct Reader<'a> {
    follower: &'a Follower,
    name: &'a str,
    shards: StepBy<Range<u32>>,
    /// None if it has one shard only.
    spacing: Option<Interval>,
}

impl Readers {
    /// How many shards are being read.
    pub(super) const fn shards(&self) -> u32 {
        self.shards
    }

    /// Reads so many shards from here on. Failures are logged, and tried again after a pause.
    pub(super) fn start(&mut self, follower: &Follower, name: &str, shards: u32) {
        for which in 0..shards.min(READERS) {
            let (follower, name) = (follower.clone(), name.to_owned());
            self.tasks.spawn(async move { Reader::of(&follower, &name, which, shards).follow().await });
        }
        self.shards = shards;
    }

    /// Ends them; what they have not finished is read again.
    pub(super) async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.shards = 0;
    }
}

impl Follower {
    /// Reads each of the first `shards` to its end, once.
    pub(super) async fn read_to_end(&self, name: &str, shards: u32) -> Result<(), FollowError> {
        let read = |which| async move { Reader::of(self, name, which, shards).read_all().await };
        try_join_all((0..shards.min(READERS)).map(read)).await.map(drop)
    }
}

impl<'a> Reader<'a> {
    fn of(follower: &'a Follower, name: &'a str, which: u32, shards: u32) -> Self {
        let spacing = (shards > READERS).then(|| {
            let mut spacing = tokio::time::interval(SPACING);
            spacing.set_missed_tick_behavior(MissedTickBehavior::Delay);
            spacing
        });
        Self { follower, name, shards: (which..shards).step_by(READERS as usize), spacing }
    }

    /// Round after round. A shard that fails keeps none of the others waiting for longer than a pause.
    async fn follow(mut self) {
        let wait_seconds = if self.spacing.is_some() { 0 } else { self.follower.source.wait_seconds };
        let mut pause = MIN_PAUSE;
        loop {
            let (begun, mut news, mut failed) = (Instant::now(), false, false);
            for shard in self.shards.clone() {
                match self.read(shard, wait_seconds).await {
                    Ok(found) => news |= found,
                    Err(error) => {
                        failed = true;
                        pause = self.follower.rest(&error, pause).await;
                    }
                }
            }
            if !failed {
                pause = MIN_PAUSE;
            }
            if !news {
                tokio::time::sleep_until(begun + LULL).await;
            }
        }
    }

    async fn read_all(mut self) -> Result<(), FollowError> {
        for shard in self.shards.clone() {
            self.read(shard, 0).await?;
        }
        Ok(())
    }

    /// Reads a shard to its end; answers whether anything came.
    async fn read(&mut self, shard: u32, wait_seconds: u64) -> Result<bool, FollowError> {
        let mut news = false;
        loop {
            if let Some(spacing) = &mut self.spacing {
                spacing.tick().await;
            }
            let Step { taken, refused, behind } = self.follower.step_within(self.name, shard, wait_seconds).await?;
            let came = taken + refused > 0;
            news |= came;
            if behind == 0 {
                return Ok(news);
            }
            if !came {
                // It was published between the answer's end and its head.
                tokio::time::sleep(LULL).await;
            }
        }
    }
}
