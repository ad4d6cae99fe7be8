//! The other side of a follower: one HTTPS server, read with bounds.

use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use protocol::change::LOG_HEAD;
use protocol::receipt::Position;
use serde::Deserialize;
use service::outgoing::{self, Connector, Versions};

use super::{FollowConfig, FollowError};
use crate::http::changes::MAX_WAIT_SECONDS;
use crate::storage::LogEntry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Beyond the wait that was asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// As many as a cluster has buckets at most.
const MAX_SHARDS: u32 = 1 << 20;
const MAX_NAME_BYTES: usize = 253;
const DESCRIPTION: &str = "/.well-known/mimi-discovery-provider";

/// A source.
#[derive(Clone)]
pub(super) struct Source {
    client: legacy::Client<Connector, Empty<Bytes>>,
    authority: Authority,
    /// How long it may keep a request that waits for news.
    pub(super) wait_seconds: u64,
}

/// What one request brought.
pub(super) struct Batch {
    pub(super) entries: Vec<LogEntry>,
    /// The last number of the shard.
    pub(super) head: u64,
}

#[derive(Deserialize)]
struct Description {
    provider: String,
    log_shards: u32,
}

impl Source {
    pub(super) fn new(config: &FollowConfig) -> Result<Self, FollowError> {
        let url: Uri = config.url.parse().map_err(|_| FollowError::Url)?;
        let authority = url.authority().cloned().ok_or(FollowError::Url)?;
        if url.scheme() != Some(&Scheme::HTTPS) || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(FollowError::Url);
        }
        let connector = outgoing::connector(&config.tls, Versions::Any, CONNECT_TIMEOUT)?;
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // A source that is gone without a word is noticed while it is waited for.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build(connector);
        Ok(Self { client, authority, wait_seconds: config.wait_seconds.min(MAX_WAIT_SECONDS) })
    }

    /// The source's name, and how many shards its log has.
    pub(super) async fn describe(&self) -> Result<(String, u32), FollowError> {
        let answer = self.ask(DESCRIPTION, ANSWER_TIMEOUT).await?;
        let Description { provider, log_shards } = Description::read(answer.body())?;
        Ok((provider, log_shards))
    }

    /// What comes after a position; if there is nothing, the source may wait for news for so many seconds.
    pub(super) async fn read(&self, after: Position, wait_seconds: u64) -> Result<Batch, FollowError> {
        let path = format!("/v1/changes?shard={}&after={}&wait={wait_seconds}", after.shard, after.number);
        let timeout = ANSWER_TIMEOUT + Duration::from_secs(wait_seconds);
        let answer = self.ask(&path, timeout).await?;
        let head = answer.headers().get(LOG_HEAD).and_then(|head| head.to_str().ok()?.parse().ok());
        let head = head.ok_or(FollowError::Malformed("no head of the log"))?;
        Ok(Batch { entries: entries(answer.body(), after)?, head })
    }

    async fn ask(&self, path: &str, timeout: Duration) -> Result<Response<Bytes>, FollowError> {
        let uri = Uri::builder().scheme(Scheme::HTTPS).authority(self.authority.clone()).path_and_query(path).build();
        let request = Request::get(uri.map_err(|_| FollowError::Url)?).body(Empty::new());
        let exchange = self.exchange(request.map_err(|_| FollowError::Url)?);
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(FollowError::Network("no answer in time")))
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>) -> Result<Response<Bytes>, FollowError> {
        let answer = self.client.request(request).await;
        let (head, body) = answer.map_err(|_| FollowError::Network("no connection"))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(FollowError::Status(head.status.as_u16()));
        }
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FollowError::Malformed("longer than allowed")
            } else {
                FollowError::Network("cut off")
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl Description {
    fn read(json: &[u8]) -> Result<Self, FollowError> {
        let description: Self = serde_json::from_slice(json)
            .map_err(|_| FollowError::Malformed("its description has no provider or log_shards"))?;
        if description.provider.is_empty() || description.provider.len() > MAX_NAME_BYTES {
            return Err(FollowError::Malformed("provider must be 1 to 253 bytes"));
        }
        if description.log_shards == 0 || description.log_shards > MAX_SHARDS {
            return Err(FollowError::Malformed("log_shards must be 1 to 1048576"));
        }
        Ok(description)
    }
}

/// Reads a CBOR sequence of entries that follow each other without a gap.
fn entries(mut sequence: &[u8], after: Position) -> Result<Vec<LogEntry>, FollowError> {
    let mut entries = Vec::new();
    let mut next = after;
    while !sequence.is_empty() {
        let malformed = |_| FollowError::Malformed("not a CBOR sequence of entries");
        let (entry, rest) = LogEntry::split_first(sequence).map_err(malformed)?;
        next = Position { number: next.number.saturating_add(1), ..next };
        if entry.position != next {
            return Err(FollowError::Malformed("an entry is missing, or out of order"));
        }
        entries.push(entry);
        sequence = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Kind;

    fn entry(number: u64) -> LogEntry {
        LogEntry { position: Position { shard: 0, number }, kind: Kind::Removal, document: vec![7] }
    }

    fn item(number: u64) -> Vec<u8> {
        entry(number).encode()
    }

    /// Every number of buckets that a cluster may have.
    #[test]
    fn a_source_has_up_to_a_million_shards() {
        let read = |shards: u32| {
            let json = format!("{{\"provider\": \"dp.example\", \"log_shards\": {shards}, \"other\": 1}}");
            Description::read(json.as_bytes()).map(|description| description.log_shards)
        };
        for shards in [1, 1024, 16_384, 1_048_576] {
            assert_eq!(read(shards).unwrap(), shards);
        }
        for wrong in [0, 1_048_577] {
            assert!(matches!(read(wrong), Err(FollowError::Malformed(_))), "{wrong}");
        }
    }

    #[test]
    fn a_sequence_is_read_in_order_and_without_gaps() {
        let after = |number| Position { shard: 0, number };
        let read = |sequence: &[Vec<u8>], number| entries(&sequence.concat(), after(number));
        let found = read(&[item(5), item(6)], 4).unwrap();
        assert_eq!(found, [entry(5), entry(6)]);
        assert!(read(&[], 4).unwrap().is_empty());
        for wrong in [vec![item(6)], vec![item(5), item(7)], vec![item(5), item(5)], vec![vec![0x80]], vec![vec![0x9f]]]
        {
            assert!(matches!(read(&wrong, 4), Err(FollowError::Malformed(_))));
        }
        let mut cut = item(5);
        cut.pop();
        assert!(matches!(entries(&cut, after(4)), Err(FollowError::Malformed(_))));
    }
}
