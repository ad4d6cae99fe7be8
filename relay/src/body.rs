//! A body on its way through: passed on frame by frame, within a number of bytes and a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

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
    deadline: Pin<Box<Sleep>>,
    mishap: Mishap,
    declared_length: bool,
}

impl Bounded {
    pub(crate) fn new(inner: Incoming, max_bytes: u64, timeout: Duration) -> Self {
        Self {
            inner,
            remaining: max_bytes,
            deadline: Box::pin(sleep(timeout)),
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
        if self.deadline.as_mut().poll(context).is_ready() {
            return self.fail(BodyError::TooSlow);
        }
        loop {
            let polled = Pin::new(&mut self.inner).poll_frame(context);
            self.mishap.set_waiting(polled.is_pending());
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

/// A body that is at hand.
pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
