//! `GET /v1/changes?shard=S&after=N&wait=T`: what was published after number N of shard S, in order.
//!
//! A CBOR sequence (RFC 8742, `application/cbor-seq`) of `[shard, number, kind, document]`, where kind is 0 for an
//! authenticated mapping and 1 for a removal; at most 1,000 entries or 1 MiB. Numbers have no gaps. Each parameter may be
//! left out and is 0 then. If there is nothing after N, the answer waits for up to T seconds (30 at most) until there is;
//! then it is empty. `Mimi-Log-Head` tells the shard's last number. How many shards there are stands in
//! `/.well-known/mimi-discovery-provider` (`log_shards`). Each document proves itself, so a reader need not trust this
//! provider, but it holds identifiers: only certificates in `followers` are let in. Refusals: `not-a-follower`, `malformed`, `not-found` (no such shard), `rate-limited`, `unavailable`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use protocol::change;
use protocol::media;
use protocol::problem::ProblemType;
use protocol::receipt::Position;
use service::Peer;
use tokio::time::{Instant, timeout_at};

use super::App;
use super::problem::Problem;
use crate::storage::{LogEntry, Storage as _, StorageError};

const LOG_HEAD: HeaderName = HeaderName::from_static(change::LOG_HEAD);
/// The longest wait, in seconds.
pub(crate) const MAX_WAIT_SECONDS: u64 = 30;
const MOST: usize = 1000;
const MAX_BYTES: usize = 1024 * 1024;

/// The query: where to read on, and how long to wait there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Query {
    after: Position,
    wait: Duration,
}

pub(super) async fn read(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>();
    app.limit(peer)?;
    if !app.followers.admit(peer) {
        return Err(ProblemType::NotAFollower.problem().into());
    }
    let query = Query::parse(request.uri().query().unwrap_or_default()).ok_or_else(|| {
        ProblemType::Malformed.because("the query is shard=S&after=N&wait=T, whole numbers, T at most 30")
    })?;
    let mut head =
        app.store.head(query.after.shard).ok_or_else(|| ProblemType::NotFound.because("the log has no such shard"))?;
    let deadline = Instant::now() + query.wait;
    let entries = loop {
        let entries = app.store.changes(query.after, MOST, MAX_BYTES).await.map_err(unreadable)?;
        if !entries.is_empty() {
            break entries;
        }
        let more = timeout_at(deadline, head.wait_for(|head| *head > query.after.number));
        // Neither a drain nor the end of the time is a fault: the reader comes again.
        let Some(Ok(Ok(_))) = app.shutdown.run_until_cancelled(more).await else { break entries };
    };
    // What the engine has may be ahead of what was told of it.
    let mut last = entries.last().map_or(0, |entry| entry.position.number).max(*head.borrow());
    if last < query.after.number {
        last = app.store.storage().head(query.after.shard).await.map_err(unreadable)?;
    }
    let sequence: Vec<u8> = entries.into_iter().flat_map(LogEntry::encode).collect();
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static(media::CHANGES)), (LOG_HEAD, HeaderValue::from(last))];
    Ok((headers, sequence).into_response())
}

impl Query {
    fn parse(text: &str) -> Option<Self> {
        let (mut shard, mut after, mut wait) = (None, None, None);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let known = match name {
                "shard" => &mut shard,
                "after" => &mut after,
                "wait" => &mut wait,
                _ => return None,
            };
            if known.replace(value.parse::<u64>().ok()?).is_some() {
                return None;
            }
        }
        let wait = wait.filter(|wait| *wait <= MAX_WAIT_SECONDS).or(if wait.is_none() { Some(0) } else { None })?;
        let shard = u32::try_from(shard.unwrap_or(0)).ok()?;
        Some(Self { after: Position { shard, number: after.unwrap_or(0) }, wait: Duration::from_secs(wait) })
    }
}

fn unreadable(error: StorageError) -> Problem {
    tracing::error!(%error, "the log cannot be read");
    ProblemType::Unavailable.problem().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query =
            |shard, number, wait| Some(Query { after: Position { shard, number }, wait: Duration::from_secs(wait) });
        assert_eq!(Query::parse(""), query(0, 0, 0));
        assert_eq!(Query::parse("after=7"), query(0, 7, 0));
        assert_eq!(Query::parse("shard=3&after=7&wait=30"), query(3, 7, 30));
        assert_eq!(Query::parse("wait=1&after=18446744073709551615"), query(0, u64::MAX, 1));
        for wrong in
            ["after", "after=", "after=-1", "after=1&after=2", "wait=31", "shard=4294967296", "limit=1", "after=1;2"]
        {
            assert_eq!(Query::parse(wrong), None, "{wrong}");
        }
    }
}
