//! A provider's change feed, read as a follower (`GET /v1/changes`): what stands at promised positions, and what came later of
//! the CPIs in question.
//!
//! What came later stands in the same shard, with one exception: a database that was carried into a cluster has all of its earlier
//! log in shard 0, and goes on with each CPI in a shard that nobody else can tell ([`Feed::read_on`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use client::http::{HttpClient, expect};
use client::trust::Trust;
use client::{Error, Fault};
use http::{HeaderMap, StatusCode};
use protocol::authenticated::VerifiedMapping;
use protocol::change::{Kind, LOG_HEAD, LogEntry};
use protocol::cpi::Cpi;
use protocol::receipt::Position;
use protocol::removal::Removal;
use protocol::{Timestamp, Unverified, media};
use sha2::{Digest as _, Sha256};
use tokio::time::MissedTickBehavior;

use super::{Promise, mapping};

/// How far behind the first promised position a shard is read at most, and how much of all other shards, in entries.
const MAX_ENTRIES: u64 = 10_000_000;
/// As many shards as a cluster has buckets at most.
const MAX_SHARDS: u64 = 1 << 20;
/// From one shard to the next: half of the requests that a store takes in a second from one certificate.
const SPACING: Duration = Duration::from_millis(2);
const DESCRIPTION: &str = "/.well-known/mimi-discovery-provider";

/// What the log says where it matters.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// The last position of each shard.
    pub(super) heads: BTreeMap<u32, u64>,
    /// The hash of what stands at each promised position.
    pub(super) at: HashMap<Position, [u8; 32]>,
    /// What the log has of the CPIs in question, in its order.
    pub(super) later: Vec<(Position, Later)>,
}

/// What can end a mapping.
#[derive(Clone, Debug)]
pub(super) enum Later {
    Mapping(Box<VerifiedMapping>),
    Removal { cpi: Cpi, issued_before: Timestamp },
}

impl Feed {
    /// Reads the log of the store at `base` from the first promised position of each shard to its end.
    ///
    /// # Errors
    ///
    /// [`Error`] if the store refuses, or answers with what is no feed.
    pub async fn read(http: &HttpClient, base: &str, promises: &[&Promise], trust: &Trust) -> Result<Self, Error> {
        let mut first: BTreeMap<u32, u64> = BTreeMap::new();
        for Promise { position, .. } in promises {
            let known = first.entry(position.shard).or_insert(position.number);
            *known = position.number.min(*known);
        }
        let (mut feed, wanted) = (Self::default(), Wanted::of(promises, trust));
        for (shard, first) in first {
            let after = Position { shard, number: first.saturating_sub(1) };
            feed.read_shard(http, base, after, &wanted, &mut { MAX_ENTRIES }).await?;
        }
        Ok(feed)
    }

    /// Reads the other shards too, from their beginning: what came later of `promises` that stand in shard 0, if the database was
    /// carried into a cluster since. Nothing is read of a log that has one shard.
    ///
    /// # Errors
    ///
    /// As [`Feed::read`].
    pub async fn read_on(
        &mut self,
        http: &HttpClient,
        base: &str,
        promises: &[&Promise],
        trust: &Trust,
    ) -> Result<(), Error> {
        let (wanted, mut left) = (Wanted::of(promises, trust), MAX_ENTRIES);
        let mut spacing = tokio::time::interval(SPACING);
        spacing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for shard in 1..shards(http, base).await? {
            spacing.tick().await;
            self.read_shard(http, base, Position { shard, number: 0 }, &wanted, &mut left).await?;
        }
        Ok(())
    }

    /// Reads a shard to its end, if it is not longer than what is `left` to be read.
    async fn read_shard(
        &mut self,
        http: &HttpClient,
        base: &str,
        mut after: Position,
        wanted: &Wanted<'_>,
        left: &mut u64,
    ) -> Result<(), Error> {
        loop {
            let (head, entries) = ask(http, base, after).await?;
            self.heads.insert(after.shard, head);
            let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(()) };
            let too_long = || Error::lasting(Fault::Caller, "the log is longer than an audit reads");
            *left = left.checked_sub(entries.len() as u64).ok_or_else(too_long)?;
            entries.into_iter().for_each(|entry| self.take(entry, wanted));
            if last.number >= head {
                return Ok(());
            }
            after = last;
        }
    }

    fn take(&mut self, entry: LogEntry, wanted: &Wanted<'_>) {
        if wanted.positions.contains(&entry.position) {
            self.at.insert(entry.position, Sha256::digest(&entry.document).into());
        }
        // An issuer's signature cannot be checked by those who do not know issuers: it explains, and proves nothing.
        let later = match entry.kind {
            Kind::Removal => Unverified::<Removal>::parse(&entry.document).ok().map(|removal| {
                let Removal { cpi, issued_before, .. } = removal.unverified_document().clone();
                Later::Removal { cpi, issued_before }
            }),
            Kind::Mapping => mapping(&entry.document, wanted.trust).map(|mapping| Later::Mapping(Box::new(mapping))),
        };
        self.later.extend(later.filter(|later| wanted.cpis.contains(later.cpi())).map(|later| (entry.position, later)));
    }
}

impl Later {
    pub(super) fn cpi(&self) -> &Cpi {
        match self {
            Self::Mapping(mapping) => &mapping.mapping().cpi,
            Self::Removal { cpi, .. } => cpi,
        }
    }
}

/// What of the log matters.
struct Wanted<'a> {
    positions: HashSet<Position>,
    cpis: HashSet<&'a Cpi>,
    trust: &'a Trust,
}

impl<'a> Wanted<'a> {
    fn of(promises: &[&'a Promise], trust: &'a Trust) -> Self {
        Self {
            positions: promises.iter().map(|promise| promise.position).collect(),
            cpis: promises.iter().filter_map(|promise| Some(&promise.mapping.as_ref()?.mapping().cpi)).collect(),
            trust,
        }
    }
}

/// How many shards the log has.
async fn shards(http: &HttpClient, base: &str) -> Result<u32, Error> {
    let (_, body) = get(http, base, DESCRIPTION, "application/json").await?;
    let described = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let shards = described.and_then(|description| description["log_shards"].as_u64());
    let shards = shards.filter(|shards| (1..=MAX_SHARDS).contains(shards)).and_then(|shards| shards.try_into().ok());
    shards.ok_or_else(|| Error::lasting(Fault::Store, "its description tells no log_shards from 1 to 1048576"))
}

async fn get(http: &HttpClient, base: &str, path: &str, accept: &str) -> Result<(HeaderMap, Bytes), Error> {
    let uri = format!("{}{path}", base.trim_end_matches('/')).parse();
    let uri = uri.map_err(|error| Error::lasting(Fault::Caller, error))?;
    expect(http.get(&uri, accept).await?, &[StatusCode::OK], Fault::Store)
}

/// One request: the head of the shard, and entries after a position, in rising order.
async fn ask(http: &HttpClient, base: &str, after: Position) -> Result<(u64, Vec<LogEntry>), Error> {
    let path = format!("/v1/changes?shard={}&after={}", after.shard, after.number);
    let (headers, body) = get(http, base, &path, media::CHANGES).await?;
    let head = headers.get(LOG_HEAD).and_then(|head| head.to_str().ok()?.parse().ok());
    let head = head.ok_or_else(|| Error::lasting(Fault::Store, "its feed tells no head of the log"))?;
    Ok((head, entries(&body, after)?))
}

fn entries(mut sequence: &[u8], after: Position) -> Result<Vec<LogEntry>, Error> {
    let malformed = || Error::lasting(Fault::Store, "its feed is no CBOR sequence of entries in rising order");
    let (mut entries, mut last) = (Vec::new(), after);
    while !sequence.is_empty() {
        let (entry, rest) = LogEntry::split_first(sequence).map_err(|_| malformed())?;
        if entry.position.shard != last.shard || entry.position <= last {
            return Err(malformed());
        }
        last = entry.position;
        entries.push(entry);
        sequence = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
