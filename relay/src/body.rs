//! A body on its way through: passed on frame by frame, within a number of bytes and a time.
//!
//! A stream to the gateway is shared property: a sender that is slow must not hold one. So the beginning of a capsule is
//! gathered before a stream is opened ([`Bounded::gather`]); one that goes on after that holds a slot, of which there are
//! few ([`Gathered::in_slot`]).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use metrics::Histogram;
use service::metrics::float;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::slots::Slot;

/// The body of an answer to a client.
pub(crate) type AnswerBody = BoxBody<Bytes, BodyError>;

/// Why a body was not passed on to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than allowed")]
    TooLong,
    #[error("the body took too long")]
    TooSlow,
    #[error("the body was cut off")]
    Broken,
}

const WAITING: u8 = 4;

/// What went wrong with a body that another task reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mishap(Arc<AtomicU8>);

impl Mishap {
    fn set(&self, error: BodyError) {
        let code = match error {
            BodyError::TooLong => 1,
            BodyError::TooSlow => 2,
            BodyError::Broken => 3,
        };
        self.0.store(code, Ordering::SeqCst);
    }

    pub(crate) fn error(&self) -> Option<BodyError> {
        match self.0.load(Ordering::SeqCst) {
            1 => Some(BodyError::TooLong),
            2 => Some(BodyError::TooSlow),
            3 => Some(BodyError::Broken),
            _ => None,
        }
    }

    /// Whether the body was last seen waiting for its sender.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.load(Ordering::SeqCst) == WAITING
    }

    fn set_waiting(&self, waiting: bool) {
        self.0.store(if waiting { WAITING } else { 0 }, Ordering::SeqCst);
    }
}

/// A body that ends with an error past its bounds. Trailers are dropped, and so is the length that its sender declared,
/// unless it is to be kept: whether one was declared tells senders apart.
pub(crate) struct Bounded {
    inner: Incoming,
    remaining: u64,
    passed: Passed,
    deadline: Deadline,
    mishap: Mishap,
    declared_length: bool,
}

/// When a body has to have passed. There is a timer once it has to be waited for: of most there is nothing to wait for.
struct Deadline {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Whether the time is over; whoever waits is woken when it is.
    fn is_over(&mut self, waits: bool, context: &mut Context<'_>) -> bool {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(context).is_ready(),
            None if waits => self.sleep.insert(Box::pin(sleep_until(self.at))).as_mut().poll(context).is_ready(),
            None => Instant::now() >= self.at,
        }
    }
}

/// How much has passed, recorded when the body is over.
struct Passed {
    metric: Histogram,
    bytes: u64,
}

impl Drop for Passed {
    fn drop(&mut self) {
        self.metric.record(float(self.bytes));
    }
}

impl Bounded {
    /// Its length is recorded as `metric` in the end.
    pub(crate) fn new(inner: Incoming, max_bytes: u64, timeout: Duration, metric: Histogram) -> Self {
        Self {
            inner,
            remaining: max_bytes,
            passed: Passed { metric, bytes: 0 },
            deadline: Deadline { at: Instant::now() + timeout, sleep: None },
            mishap: Mishap::default(),
            declared_length: false,
        }
    }

    /// Passes the declared length on.
    pub(crate) fn with_declared_length(self) -> Self {
        Self { declared_length: true, ..self }
    }

    /// Tells later what went wrong.
    pub(crate) fn mishap(&self) -> Mishap {
        self.mishap.clone()
    }

    /// Reads the beginning: all of the body, or at least so many bytes.
    pub(crate) async fn gather(mut self, bytes: usize) -> Result<Gathered, BodyError> {
        let mut beginning = BytesMut::new();
        while beginning.len() < bytes {
            match self.frame().await {
                Some(frame) => beginning.extend_from_slice(&frame?.into_data().unwrap_or_default()),
                None => return Ok(Gathered { beginning: beginning.freeze(), rest: None, _slot: None }),
            }
        }
        Ok(Gathered { beginning: beginning.freeze(), rest: Some(self), _slot: None })
    }

    fn fail(&self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.mishap.set(error);
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let polled = Pin::new(&mut self.inner).poll_frame(context);
            self.mishap.set_waiting(polled.is_pending());
            if self.deadline.is_over(polled.is_pending(), context) {
                return self.fail(BodyError::TooSlow);
            }
            let frame = match std::task::ready!(polled) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return self.fail(BodyError::Broken),
                Some(Ok(frame)) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let Some(remaining) = self.remaining.checked_sub(data.len() as u64) else {
                return self.fail(BodyError::TooLong);
            };
            self.remaining = remaining;
            self.passed.bytes += data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.declared_length { self.inner.size_hint() } else { SizeHint::default() }
    }
}

/// A body whose beginning is at hand, and the rest of it, if there is more. Its length is not told, as in [`Bounded`].
pub(crate) struct Gathered {
    beginning: Bytes,
    rest: Option<Bounded>,
    _slot: Option<Slot>,
}

impl Gathered {
    /// Whether nothing more has to come from the sender.
    pub(crate) const fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Holds the slot until the body has passed, or is given up.
    pub(crate) fn in_slot(self, slot: Slot) -> Self {
        Self { _slot: Some(slot), ..self }
    }
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.beginning.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.beginning)))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.beginning.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }
}

/// A body that is at hand.
pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
