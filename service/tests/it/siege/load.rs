//! Honest requests, while the service is attacked.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::harness::{Client, Content, eventually, in_time};

/// Requests without pause, each counted: what was answered as it should be, what was not, and connections refused.
#[derive(Default)]
pub(crate) struct Load {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    /// Sends one request after another until the service takes no more connections. Where `client` makes a new one each time,
    /// each request has a connection of its own.
    pub(crate) async fn run(&self, client: impl Fn() -> Client, request: impl Fn() -> Request<Content>) {
        loop {
            let answer = match client().begin(request()).await {
                Ok(answer) => answer,
                Err(error) if error.is_connect() => return,
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
            };
            let good = answer.status() == StatusCode::OK && in_time(answer.into_body().collect()).await.is_ok();
            if good { &self.answered } else { &self.failed }.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }
}

/// Asks once, over a connection of its own. Only a connection that does not come about is tried again.
pub(crate) async fn ask(client: impl Fn() -> Client, request: impl Fn() -> Request<Content>) -> Response<Bytes> {
    eventually(|| async {
        let answer = match client().begin(request()).await {
            Err(error) if error.is_connect() => return None,
            answer => answer.unwrap(),
        };
        let (head, body) = answer.into_parts();
        Some(Response::from_parts(head, in_time(body.collect()).await.unwrap().to_bytes()))
    })
    .await
}

/// Asks until there is an answer with status 200: of a service that has just started, or is out of breath.
pub(crate) async fn answers(client: &Client, request: impl Fn() -> Request<Content>) -> Response<Bytes> {
    eventually(|| async { client.send(request()).await.ok().filter(|answer| answer.status() == StatusCode::OK) }).await
}
