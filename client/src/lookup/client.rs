//! [`Client`]: asks a discovery provider through a relay.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::StreamExt as _;
use http::{StatusCode, Uri};
use protocol::cpi::Cpi;
use protocol::problem::ProblemType;
use protocol::trust::TrustAnchors;

use super::pace::Pace;
use super::stream::{Lookups, Unanswered};
use super::{Builder, Found, answer, question};
use crate::error::{Error, Fault};
use crate::http::expect;
use crate::oblivious::{Clock, ObliviousClient};
use crate::relays::Relay;
use crate::retry::Retry;
use crate::trust::Trust;

/// Asks a discovery provider through a relay. Clones share connections, keys, pace, and what is known of the relays.
#[derive(Clone)]
pub struct Client {
    pub(super) oblivious: ObliviousClient,
    pub(super) lookup_url: Uri,
    pub(super) provers: Arc<TrustAnchors>,
    pub(super) clock: Clock,
    pub(super) concurrency: usize,
    pub(super) pace: Arc<Pace>,
    pub(super) retry: Option<Retry>,
}

impl Client {
    /// Starts with the relay's URL for capsules, the URL of its copy of the keys, and the target to name inside a capsule.
    ///
    /// ```
    /// # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
    /// use std::time::Duration;
    ///
    /// use client::lookup::Client;
    /// use client::retry::Retry;
    ///
    /// # fn main() -> Result<(), client::Error> {
    /// let trust = fixtures::trust();
    /// let ca_pem = fixtures::ca_pem();
    /// let uri = |text: &str| text.parse().expect("a URL");
    /// let client = Client::builder(
    ///     uri("https://relay.example/provider"),
    ///     uri("https://relay.example/provider/keys"),
    ///     uri("https://provider.example/v1/lookup"),
    ///     trust,
    ///     ca_pem,
    /// )
    /// .retry(Retry::default())
    /// .pace(Duration::from_millis(200))
    /// .build()?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(relay_url: Uri, keys_url: Uri, lookup_url: Uri, trust: Trust, ca_pem: Vec<u8>) -> Builder {
        Builder::new(Relay { capsules: relay_url, keys: keys_url }, lookup_url, trust, ca_pem)
    }

    /// Looks all of `cpis` up; `progress` is told how many more are done. One [`Found`] for each distinct CPI, in the
    /// order of first appearance.
    ///
    /// # Errors
    ///
    /// The first [`Error`] of a batch; it says whose fault it is and when to try again. Use [`Self::lookups`] to keep what
    /// was answered.
    pub async fn lookup(&self, cpis: &[Cpi], progress: impl Fn(usize)) -> Result<Vec<Found>, Error> {
        let mut order: HashMap<&Cpi, usize> = HashMap::with_capacity(cpis.len());
        for cpi in cpis {
            let next = order.len();
            order.entry(cpi).or_insert(next);
        }
        let mut found = Vec::with_capacity(order.len());
        let mut lookups = self.lookups(cpis);
        while let Some(next) = lookups.next().await {
            found.push(next.map_err(|unanswered| unanswered.error)?);
            progress(1);
        }
        found.sort_by_key(|found: &Found| order.get(&found.cpi).copied());
        Ok(found)
    }

    /// Looks all of `cpis` up, as a stream: each distinct CPI once, in a random order. A batch that fails is one
    /// [`Unanswered`] and does not end the stream. Nothing is asked before the stream is polled, and no more than the
    /// configured number of batches is asked ahead of what was taken; dropping it ends the lookup.
    pub fn lookups(&self, cpis: &[Cpi]) -> Lookups {
        Lookups::new(self.clone(), cpis)
    }

    /// One request, or, where its answer would be too large, several smaller ones that are padded alike.
    pub(super) async fn batch(&self, cpis: Vec<Cpi>, at_least: usize) -> Vec<Result<Found, Unanswered>> {
        let mut results = Vec::with_capacity(cpis.len());
        let mut pending = vec![cpis];
        while let Some(cpis) = pending.pop() {
            match self.patiently(|| self.ask(&cpis, at_least)).await {
                Ok(answers) => results.extend(answers.into_iter().map(Ok)),
                Err(error) if too_large(&error) && cpis.len() > 1 => {
                    let (one, other) = cpis.split_at(cpis.len() / 2);
                    pending.extend([one.to_vec(), other.to_vec()]);
                }
                Err(error) => results.push(Err(Unanswered { cpis, error })),
            }
        }
        results
    }

    /// Runs `attempt`, again and again if the client was built so.
    pub(super) async fn patiently<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match self.retry {
            Some(retry) => retry.run(attempt).await,
            None => attempt().await,
        }
    }

    async fn ask(&self, cpis: &[Cpi], at_least: usize) -> Result<Vec<Found>, Error> {
        let request = question(cpis, &self.lookup_url)?;
        self.pace.turn().await;
        let response = self.oblivious.send(&request, at_least).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Store)?;
        answer(cpis, &body, &self.provers, (self.clock)())
    }
}

fn too_large(error: &Error) -> bool {
    error.problem.as_ref().is_some_and(|problem| problem.problem_type == ProblemType::AnswerTooLarge)
}
