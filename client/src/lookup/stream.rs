//! A lookup as a stream: [`Lookups`] yields what was found, batch by batch, and knows how far it is.

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use protocol::cpi::Cpi;
use protocol::lookup::MAX_CPIS;
use rand::seq::SliceRandom as _;

use super::client::Client;
use super::{Found, padded_bytes};
use crate::error::Error;

/// A batch that could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Unanswered {
    /// The CPIs in it.
    pub cpis: Vec<Cpi>,
    /// Why.
    pub error: Error,
}

/// How far a lookup is, in CPIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Answered so far.
    pub answered: usize,
    /// In batches that failed.
    pub unanswered: usize,
    /// To be asked for in all.
    pub total: usize,
}

/// The answers of a lookup, as they come. Use it with [`futures_util::StreamExt`].
#[must_use = "nothing is asked before the stream is polled"]
pub struct Lookups {
    answers: BoxStream<'static, Result<Found, Unanswered>>,
    progress: Progress,
}

impl Lookups {
    pub(super) fn new(client: Client, cpis: &[Cpi]) -> Self {
        let mut seen = HashSet::with_capacity(cpis.len());
        let mut shuffled: Vec<Cpi> = cpis.iter().filter(|cpi| seen.insert(*cpi)).cloned().collect();
        shuffled.shuffle(&mut rand::rng());
        let total = shuffled.len();
        let at_least = padded_bytes(total.min(MAX_CPIS));
        let concurrency = client.concurrency;
        let batches = std::iter::from_fn(move || {
            let rest = shuffled.len().saturating_sub(MAX_CPIS);
            let batch = shuffled.split_off(rest);
            (!batch.is_empty()).then_some(batch)
        });
        let answers = stream::iter(batches)
            .map(move |batch| {
                let client = client.clone();
                async move { client.batch(batch, at_least).await }
            })
            .buffer_unordered(concurrency)
            .flat_map(stream::iter)
            .boxed();
        Self { answers, progress: Progress { total, ..Progress::default() } }
    }

    /// How far it is, by what was taken from the stream.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

impl Stream for Lookups {
    type Item = Result<Found, Unanswered>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.answers.poll_next_unpin(context));
        match &next {
            Some(Ok(_)) => self.progress.answered += 1,
            Some(Err(unanswered)) => self.progress.unanswered += unanswered.cpis.len(),
            None => {}
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Progress { answered, unanswered, total } = self.progress;
        (0, Some(total.saturating_sub(answered + unanswered)))
    }
}
