//! A target that records what came out of capsules, for the page of a local stack.
//!
//! It wraps what the local stack embeds; the gateway's own binary has no such thing, and cannot be configured to have it.

use std::fmt::Write as _;

use bytes::Bytes;
use gateway::{Target, TargetError};
use http::{HeaderMap, Request, Response};

use super::recordings::{GatewaySaw, Octets, Recordings, now_ms};

/// Records each request and its answer, and changes neither.
pub struct Recorder<T> {
    inner: T,
    relay: &'static str,
    /// Nothing is recorded where no page is served.
    recordings: Option<Recordings>,
}

impl<T> Recorder<T> {
    /// Wraps `inner`, which the one relay of the gateway reaches.
    pub fn new(inner: T, relay: &'static str, recordings: Option<Recordings>) -> Self {
        Self { inner, relay, recordings }
    }
}

impl<T: Target> Target for Recorder<T> {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TargetError> {
        let Some(recordings) = &self.recordings else { return self.inner.call(request).await };
        let at_ms = now_ms();
        let mut request_head = format!("{} {}\n", request.method(), request.uri());
        write_fields(&mut request_head, request.headers());
        let asked = Octets::from(&request.body()[..]);
        let answered = self.inner.call(request).await;
        let (answer_head, answer) = match &answered {
            Ok(response) => {
                let mut head = format!("{}\n", response.status());
                write_fields(&mut head, response.headers());
                (head, Octets::from(&response.body()[..]))
            }
            Err(error) => (error.to_string(), Octets::default()),
        };
        let relay = self.relay.to_owned();
        recordings.gateway_saw(GatewaySaw { at_ms, relay, request_head, request: asked, answer_head, answer });
        answered
    }
}

fn write_fields(head: &mut String, fields: &HeaderMap) {
    for (name, value) in fields {
        // Writing into a string does not fail.
        let _ = writeln!(head, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
}
