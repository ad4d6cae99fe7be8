//! What is under way on a connection: [`Activity`], shared by its service, its answers and its stream.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// An answer is handed over in parts of so many octets at most, and each of them shows that somebody takes it.
const PART: usize = 16 * 1024;

/// Requests and answers under way on a connection, and since when it has been still. All clones are one.
#[derive(Clone)]
pub(crate) struct Activity(Arc<State>);

struct State {
    /// Requests of which the answer's head is not known yet.
    running: AtomicUsize,
    /// Requests of which the answer has not been taken over to the last octet.
    unanswered: AtomicUsize,
    /// Octets came that belong to no answered request.
    heard: AtomicBool,
    /// Octets were written, and may still be waiting on this side.
    unflushed: AtomicBool,
    begun: Notify,
    last: Mutex<Instant>,
}

/// What nothing under way amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    /// Nothing is under way in either direction: what there is to know about the connection is that it is open.
    Resting,
    /// Nothing has moved for longer than that is allowed.
    Idle,
}

/// A request that is under way, up to the head of its answer.
pub(crate) struct Running {
    activity: Activity,
    unanswered: Option<Unanswered>,
}

/// A request whose answer is under way.
struct Unanswered(Activity);

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(State {
            running: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            heard: AtomicBool::new(false),
            unflushed: AtomicBool::new(false),
            begun: Notify::new(),
            last: Mutex::new(Instant::now()),
        }))
    }
}

impl Activity {
    /// A request begins.
    pub(crate) fn start(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.unanswered.fetch_add(1, Ordering::SeqCst);
        self.0.begun.notify_waiters();
        Running { activity: self.clone(), unanswered: Some(Unanswered(self.clone())) }
    }

    /// Octets came.
    pub(crate) fn hears(&self) {
        self.0.heard.store(true, Ordering::SeqCst);
        self.moves();
    }

    /// Octets are about to be written.
    pub(crate) fn writes(&self) {
        self.0.unflushed.store(true, Ordering::SeqCst);
    }

    /// What was written is on its way.
    pub(crate) fn has_flushed(&self) {
        self.0.unflushed.store(false, Ordering::SeqCst);
    }

    /// Ends once a request is under way, and after `time` anyway.
    pub(crate) async fn begins_within(&self, time: Duration) {
        let mut begun = std::pin::pin!(self.0.begun.notified());
        begun.as_mut().enable();
        if self.0.running.load(Ordering::SeqCst) == 0 {
            let _ = tokio::time::timeout(time, begun).await;
        }
    }

    /// Ends once the connection has been at rest for `rest_after`, if that is given, or has stood still for `idle_after`.
    pub(crate) async fn stands_still(&self, rest_after: Option<Duration>, idle_after: Duration) -> Still {
        let often = rest_after.unwrap_or(idle_after).min(idle_after);
        loop {
            let still = self.0.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let is_busy = self.0.running.load(Ordering::SeqCst) > 0;
            if !is_busy && still >= idle_after {
                return Still::Idle;
            }
            if self.is_at_rest() && rest_after.is_some_and(|rest_after| still >= rest_after) {
                return Still::Resting;
            }
            // Until one of the two may have come to pass; what is under way now is looked at again as often.
            let next = if is_busy || still >= often { often } else { often - still };
            let next = if is_busy { next } else { next.min(idle_after - still) };
            tokio::time::sleep(next.max(SHORTEST_SLEEP)).await;
        }
    }

    fn is_at_rest(&self) -> bool {
        self.0.unanswered.load(Ordering::SeqCst) == 0
            && !self.0.heard.load(Ordering::SeqCst)
            && !self.0.unflushed.load(Ordering::SeqCst)
    }

    /// The connection stands still from here on at the earliest.
    pub(crate) fn moves(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Running {
    /// The head of the answer is known; its body tells when all of it has been taken over.
    pub(crate) fn answers<B>(mut self, body: B) -> Answer<B> {
        Answer { body, rest: Bytes::new(), unanswered: self.unanswered.take() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.activity.moves();
        self.activity.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.moves();
        self.0.0.heard.store(false, Ordering::SeqCst);
        self.0.0.unanswered.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of an answer that is under way until it ends or is dropped, and moves with each part that is taken of it.
pub(crate) struct Answer<B> {
    body: B,
    /// What the body has given and nobody has taken yet.
    rest: Bytes,
    unanswered: Option<Unanswered>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => {
                    self.unanswered = None;
                    return Poll::Ready(end);
                }
            }
        }
        if let Some(Unanswered(activity)) = &self.unanswered {
            activity.moves();
        }
        let length = self.rest.len().min(PART);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const SOON: Duration = Duration::from_secs(2);
    const LATE: Duration = Duration::from_secs(60);

    /// What becomes of it if nothing more happens; time is the runtime's own where nothing has to be waited for in earnest.
    async fn outcome(activity: &Activity, rest_after: Option<Duration>) -> Option<Still> {
        tokio::time::timeout(Duration::from_millis(50), activity.stands_still(rest_after, LATE)).await.ok()
    }

    fn quiet() -> Activity {
        let activity = Activity::default();
        *activity.0.last.lock().unwrap() = Instant::now().checked_sub(SOON).unwrap();
        activity
    }

    #[tokio::test]
    async fn it_rests_once_everything_has_been_said() {
        assert_eq!(outcome(&quiet(), Some(SOON)).await, Some(Still::Resting));
        assert_eq!(outcome(&Activity::default(), Some(SOON)).await, None);
        assert_eq!(outcome(&quiet(), None).await, None);
        for under_way in [Activity::hears, Activity::writes] {
            let activity = quiet();
            under_way(&activity);
            *activity.0.last.lock().unwrap() = Instant::now().checked_sub(SOON).unwrap();
            assert_eq!(outcome(&activity, Some(SOON)).await, None);
        }
    }

    #[tokio::test]
    async fn an_answer_is_under_way_until_its_end_has_been_taken() {
        let activity = quiet();
        let running = activity.start();
        activity.hears();
        let mut answer = running.answers(Full::new(Bytes::from_static(b"answer")));
        assert!(!activity.is_at_rest());
        assert!(answer.frame().await.is_some());
        assert!(!activity.is_at_rest());
        assert!(answer.frame().await.is_none());
        assert!(activity.is_at_rest());
        drop(activity.start());
        assert!(activity.is_at_rest());
    }

    /// However much a body gives at once: each part is taken by itself, and is a movement.
    #[tokio::test]
    async fn an_answer_that_is_being_taken_does_not_stand_still() {
        let activity = quiet();
        let content = Bytes::from((0..3 * PART + 1).map(|n| (n % 251) as u8).collect::<Vec<_>>());
        let mut answer = activity.start().answers(Full::new(content.clone()));
        assert_eq!(answer.size_hint().exact(), Some(content.len() as u64));
        let mut taken = Vec::new();
        while taken.len() < content.len() {
            *activity.0.last.lock().unwrap() = Instant::now().checked_sub(LATE).unwrap();
            let part = answer.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(part.len() <= PART && !part.is_empty());
            taken.extend_from_slice(&part);
            assert_eq!(answer.size_hint().exact(), Some((content.len() - taken.len()) as u64));
            assert_eq!(answer.is_end_stream(), taken.len() == content.len());
            assert_eq!(outcome(&activity, None).await, None);
        }
        assert_eq!(taken, content);
    }

    #[tokio::test]
    async fn what_stands_still_for_too_long_is_idle_unless_a_request_is_being_answered() {
        let stuck = quiet();
        stuck.writes();
        *stuck.0.last.lock().unwrap() = Instant::now().checked_sub(LATE).unwrap();
        assert_eq!(outcome(&stuck, Some(SOON)).await, Some(Still::Idle));
        let running = stuck.start();
        assert_eq!(outcome(&stuck, Some(SOON)).await, None);
        drop(running);
        *stuck.0.last.lock().unwrap() = Instant::now().checked_sub(LATE).unwrap();
        assert_eq!(outcome(&stuck, None).await, Some(Still::Idle));
    }
}
