//! Looking up whom one can reach where: one CPI, or a whole contact book.
//!
//! CPIs are asked for once each, in a random order, in batches of up to 64 that are padded alike, a few at a time. Every
//! document that comes back is verified; what does not verify is kept apart and never counts. [`Found::outcome`] is what
//! this client concludes, not what the provider says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http::{Request, StatusCode, Uri, header};
use protocol::Timestamp;
use protocol::authenticated::{MappingError, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::lookup::{Answer, Entry, LookupRequest, MAX_CPIS, Outcome};
use protocol::mapping::State;
use protocol::media;
use protocol::problem::ProblemType;
use protocol::trust::TrustAnchors;
use rand::seq::SliceRandom as _;

use crate::error::{Error, Fault};
use crate::http::{Bounds, HttpClient, TlsIdentity, expect};
use crate::oblivious::{Clock, ObliviousClient, PADDED_REQUEST_BYTES};
use crate::trust::Trust;
use crate::verify::verify;

/// How many batches are under way at once.
const CONCURRENT_BATCHES: usize = 4;

/// What is known of one CPI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The identifier that was asked for.
    pub cpi: Cpi,
    /// What follows from the verified mappings.
    pub outcome: Outcome,
    /// What the provider says the outcome is.
    pub claimed: Outcome,
    /// The live mappings, each verified.
    pub mappings: Vec<VerifiedMapping>,
    /// Why other documents in the answer do not count.
    pub refused: Vec<Refused>,
}

/// Why a document in an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not verify.
    #[error(transparent)]
    Unverified(#[from] MappingError),
    /// It is about another CPI than the one asked for.
    #[error("the provider answered with a mapping of another identifier")]
    OtherCpi,
    /// It has been withdrawn by its holder.
    #[error("the provider served a withdrawn mapping")]
    Withdrawn,
    /// The same holder and MSP are in the answer with a higher seq.
    #[error("the provider served an older mapping beside its replacement")]
    Replaced,
}

/// Asks a discovery provider through a relay.
#[derive(Clone)]
pub struct Client {
    oblivious: ObliviousClient,
    lookup_url: Uri,
    provers: Arc<TrustAnchors>,
    clock: Clock,
}

/// Sets a [`Client`] up.
pub struct Builder {
    relay_url: Uri,
    keys_url: Uri,
    lookup_url: Uri,
    trust: Trust,
    tls: TlsIdentity,
    bounds: Bounds,
    clock: Clock,
}

impl Client {
    /// Starts with the relay's URL for capsules, the URL of its copy of the keys, and the target to name inside a capsule.
    #[must_use]
    pub fn builder(relay_url: Uri, keys_url: Uri, lookup_url: Uri, trust: Trust, ca_pem: Vec<u8>) -> Builder {
        Builder {
            relay_url,
            keys_url,
            lookup_url,
            trust,
            tls: TlsIdentity { ca_pem, client: None },
            bounds: Bounds::default(),
            clock: Arc::new(|| SystemTime::now().into()),
        }
    }

    /// Looks all of `cpis` up; `progress` is told how many more are done. One [`Found`] for each distinct CPI, in the
    /// order of first appearance.
    ///
    /// # Errors
    ///
    /// The first [`Error`] of a batch; it says whose fault it is and when to try again.
    pub async fn lookup(&self, cpis: &[Cpi], progress: impl Fn(usize)) -> Result<Vec<Found>, Error> {
        let mut order: HashMap<&Cpi, usize> = HashMap::with_capacity(cpis.len());
        for cpi in cpis {
            let next = order.len();
            order.entry(cpi).or_insert(next);
        }
        let mut shuffled: Vec<Cpi> = order.keys().map(|cpi| (*cpi).clone()).collect();
        shuffled.shuffle(&mut rand::rng());
        let batches = shuffled.chunks(MAX_CPIS).map(<[Cpi]>::to_vec);
        let mut found: Vec<Found> = stream::iter(batches)
            .map(|batch| self.batch(batch))
            .buffer_unordered(CONCURRENT_BATCHES)
            .inspect_ok(|found| progress(found.len()))
            .map_ok(|found| stream::iter(found).map(Ok))
            .try_flatten()
            .try_collect()
            .await?;
        found.sort_by_key(|found| order.get(&found.cpi).copied());
        Ok(found)
    }

    /// One request, or, where its answer would be too large, several smaller ones.
    async fn batch(&self, cpis: Vec<Cpi>) -> Result<Vec<Found>, Error> {
        let mut found = Vec::with_capacity(cpis.len());
        let mut pending = vec![cpis];
        while let Some(cpis) = pending.pop() {
            match self.ask(&cpis).await {
                Ok(answers) => found.extend(answers),
                Err(error) if too_large(&error) && cpis.len() > 1 => {
                    let (one, other) = cpis.split_at(cpis.len() / 2);
                    pending.extend([one.to_vec(), other.to_vec()]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn ask(&self, cpis: &[Cpi]) -> Result<Vec<Found>, Error> {
        let question = LookupRequest::new(cpis.to_vec(), None).map_err(|error| Error::lasting(Fault::Caller, error))?;
        let request = Request::post(&self.lookup_url)
            .header(header::CONTENT_TYPE, media::CBOR)
            .body(Bytes::from(question.encode()))
            .map_err(|error| Error::lasting(Fault::Caller, error))?;
        let response = self.oblivious.send(&request, padded_bytes(cpis.len())).await?;
        let (_, body) = expect(response, &[StatusCode::OK], Fault::Store)?;
        let answer = Answer::decode(&body).map_err(|error| Error::lasting(Fault::Store, error))?;
        if answer.entries.len() != cpis.len() {
            return Err(Error::lasting(
                Fault::Store,
                "it answered for another number of identifiers than was asked for",
            ));
        }
        let now = (self.clock)();
        Ok(cpis.iter().zip(answer.entries).map(|(cpi, entry)| judge(cpi, entry, &self.provers, now)).collect())
    }
}

impl Builder {
    /// Bounds on each exchange.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Another source of time than the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The finished client.
    ///
    /// # Errors
    ///
    /// [`Fault::Caller`] if the CA certificate cannot be read.
    pub fn build(self) -> Result<Client, Error> {
        let http = HttpClient::new(&self.tls, self.bounds)?;
        let key = self.trust.provider.key_configuration_key;
        let oblivious = ObliviousClient::new(http, self.relay_url, self.keys_url, key, Arc::clone(&self.clock));
        Ok(Client { oblivious, lookup_url: self.lookup_url, provers: Arc::new(self.trust.provers), clock: self.clock })
    }
}

/// How long a question is made, by how many it asks for. The gateway pads its answer to four times as much: room for the
/// mappings of as many people as were asked for, so that neither size tells how many were found.
pub const fn padded_bytes(cpis: usize) -> usize {
    match cpis {
        0..=1 => PADDED_REQUEST_BYTES[0],
        2..=8 => PADDED_REQUEST_BYTES[1],
        _ => PADDED_REQUEST_BYTES[2],
    }
}

fn too_large(error: &Error) -> bool {
    error.problem.as_ref().is_some_and(|problem| problem.problem_type == ProblemType::AnswerTooLarge)
}

/// Verifies what an answer says of one CPI.
fn judge(cpi: &Cpi, entry: Entry, provers: &TrustAnchors, now: Timestamp) -> Found {
    let mut mappings: Vec<VerifiedMapping> = Vec::with_capacity(entry.mappings.len());
    let mut refused = Vec::new();
    for document in entry.mappings {
        match accept(cpi, &document, provers, now) {
            Ok(mapping) => match mappings.iter_mut().find(|known| same_place(known, &mapping)) {
                None => mappings.push(mapping),
                Some(known) => {
                    if known.mapping().seq < mapping.mapping().seq {
                        *known = mapping;
                    }
                    refused.push(Refused::Replaced);
                }
            },
            Err(error) => refused.push(error),
        }
    }
    Found { cpi: cpi.clone(), outcome: Outcome::of_verified(&mappings), claimed: entry.outcome, mappings, refused }
}

fn accept(cpi: &Cpi, document: &[u8], provers: &TrustAnchors, now: Timestamp) -> Result<VerifiedMapping, Refused> {
    let verified = verify(document, provers, now)?;
    if verified.mapping().cpi != *cpi {
        return Err(Refused::OtherCpi);
    }
    match verified.mapping().state {
        State::Live => Ok(verified),
        State::Withdrawn => Err(Refused::Withdrawn),
    }
}

fn same_place(one: &VerifiedMapping, other: &VerifiedMapping) -> bool {
    one.holder() == other.holder() && one.mapping().reachability.msp() == other.mapping().reachability.msp()
}

#[cfg(test)]
mod tests;
