//! A provider's change feed, read as a follower (`GET /v1/changes`): what stands at promised positions, and what came later of
//! the CPIs in question.

use std::collections::{BTreeMap, HashMap, HashSet};

use client::http::{HttpClient, expect};
use client::trust::Trust;
use client::{Error, Fault};
use http::StatusCode;
use protocol::authenticated::VerifiedMapping;
use protocol::change::{Kind, LOG_HEAD, LogEntry};
use protocol::cpi::Cpi;
use protocol::receipt::Position;
use protocol::removal::Removal;
use protocol::{Timestamp, Unverified, media};
use sha2::{Digest as _, Sha256};

use super::{Promise, mapping};

/// How far behind the first promised position a log is read at most, in entries.
const MAX_ENTRIES: u64 = 10_000_000;

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
        let mut feed = Self::default();
        let wanted = Wanted {
            positions: promises.iter().map(|promise| promise.position).collect(),
            cpis: promises.iter().filter_map(|promise| Some(&promise.mapping.as_ref()?.mapping().cpi)).collect(),
            trust,
        };
        for (shard, first) in first {
            let mut after = Position { shard, number: first.saturating_sub(1) };
            loop {
                let (head, entries) = ask(http, base, after).await?;
                feed.heads.insert(shard, head);
                let Some(last) = entries.last().map(|entry| entry.position) else { break };
                if last.number.saturating_sub(first) > MAX_ENTRIES {
                    return Err(Error::lasting(Fault::Caller, "the log is longer than an audit reads"));
                }
                entries.into_iter().for_each(|entry| feed.take(entry, &wanted));
                after = last;
            }
        }
        Ok(feed)
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

/// One request: the head of the shard, and entries after a position, in rising order.
async fn ask(http: &HttpClient, base: &str, after: Position) -> Result<(u64, Vec<LogEntry>), Error> {
    let url = format!("{}/v1/changes?shard={}&after={}", base.trim_end_matches('/'), after.shard, after.number);
    let uri = url.parse().map_err(|error| Error::lasting(Fault::Caller, error))?;
    let (headers, body) = expect(http.get(&uri, media::CHANGES).await?, &[StatusCode::OK], Fault::Store)?;
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
mod tests {
    use super::*;

    fn item(number: u64) -> Vec<u8> {
        LogEntry { position: Position { shard: 0, number }, kind: Kind::Mapping, document: vec![7] }.encode()
    }

    /// A gap is for the judge to see; what stands still or goes back is no feed.
    #[test]
    fn a_sequence_rises() {
        let after = Position { shard: 0, number: 4 };
        let read = |items: &[Vec<u8>]| entries(&items.concat(), after).map(|entries| entries.len());
        assert_eq!((read(&[]), read(&[item(5), item(7)])), (Ok(0), Ok(2)));
        for wrong in [vec![item(4)], vec![item(5), item(5)], vec![item(6), item(5)], vec![vec![0x80]], vec![vec![0x9f]]]
        {
            assert!(read(&wrong).is_err());
        }
        assert!(entries(&item(5), Position { shard: 1, number: 0 }).is_err());
    }
}
