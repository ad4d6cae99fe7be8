//! A connection's stream as HTTP sees it: with the octets that were read before, and watched by an [`Activity`], if anybody asks it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

/// A stream that begins with octets which have been read from it already.
pub(crate) struct Stream<I> {
    first: Bytes,
    io: I,
    activity: Option<Activity>,
}

impl<I> Stream<I> {
    /// One that tells nobody what moves on it.
    pub(crate) fn new(io: I, first: Bytes) -> Self {
        Self { first, io, activity: None }
    }

    pub(crate) fn watched(io: I, first: Bytes, activity: Activity) -> Self {
        if !first.is_empty() {
            activity.hears();
        }
        Self { first, io, activity: Some(activity) }
    }

    fn tell(&self, what: impl FnOnce(&Activity)) {
        if let Some(activity) = &self.activity {
            what(activity);
        }
    }

    /// The stream itself; what has been read is in whoever read it.
    pub(crate) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.has_remaining() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.tell(Activity::hears);
        }
        Poll::Ready(read)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.tell(Activity::writes);
        let written = ready!(Pin::new(&mut self.io).poll_write(context, octets));
        self.tell(Activity::moves);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tell(Activity::writes);
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(context, slices));
        self.tell(Activity::moves);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.tell(Activity::has_flushed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
