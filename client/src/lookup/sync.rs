//! Keeping a contact book up to date: [`Client::sync`] asks only for what is new, has expired or is about to.

use futures_util::stream::StreamExt as _;
use protocol::cpi::Cpi;

use super::client::Client;
use super::stream::Progress;
use crate::cache::{Cache, Change};
use crate::error::Error;

/// What a synchronisation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// How many CPIs were still fresh, and not asked for.
    pub kept: usize,
    /// How many were to be asked for, and how many of them were answered.
    pub progress: Progress,
    /// Those that can be reached elsewhere, or otherwise, than was known: a renewal is no change.
    pub changed: Vec<(Cpi, Change)>,
    /// What ended it early. The answers until then are in the cache, and the next synchronisation asks for the rest.
    pub interrupted: Option<Error>,
}

impl Client {
    /// Asks for those CPIs of `book` that `cache` does not have fresh, and puts the answers there; `progress` is told
    /// after each. Stops at the first request that fails.
    pub async fn sync(&self, book: &[Cpi], cache: &mut Cache, mut progress: impl FnMut(Progress)) -> Synced {
        self.oblivious.refuse_older(cache.newest_keys()).await;
        let due = cache.due(book, (self.clock)());
        let mut lookups = self.lookups(&due.cpis);
        let mut synced = Synced { kept: due.fresh, progress: lookups.progress(), ..Synced::default() };
        while let Some(next) = lookups.next().await {
            match next {
                Ok(found) => {
                    if let Some(change) = cache.insert(&found, (self.clock)()) {
                        synced.changed.push((found.cpi, change));
                    }
                }
                Err(unanswered) => synced.interrupted = Some(unanswered.error),
            }
            synced.progress = lookups.progress();
            progress(synced.progress);
            if synced.interrupted.is_some() {
                break;
            }
        }
        cache.see_keys(self.oblivious.newest_keys().await);
        synced
    }
}
