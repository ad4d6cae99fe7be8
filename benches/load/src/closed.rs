//! A closed loop: every caller makes its next call when the answer to the last is there. Finds the greatest throughput; says
//! nothing of latency under a load that does not wait ([`crate::open`]).

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Result;

/// One of many that make calls: a connection, a client.
pub trait Caller: Send + 'static {
    /// Makes the nth call.
    fn call(&mut self, n: usize) -> impl Future<Output = Result<()>> + Send;
}

/// What a closed loop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Calls that were answered as they should.
    pub answered: u64,
    /// From the first call to the last answer.
    pub elapsed: Duration,
}

/// Makes all calls of `range`, as fast as `callers` get their answers. Gives the callers back.
///
/// # Errors
///
/// The first failure of a call; a loop that fails says nothing of speed.
pub async fn run<C: Caller>(callers: Vec<C>, range: Range<usize>) -> Result<(Vec<C>, Closed)> {
    let next = Arc::new(AtomicUsize::new(range.start));
    let start = Instant::now();
    let tasks: Vec<_> = callers
        .into_iter()
        .map(|mut caller| {
            let (next, end) = (Arc::clone(&next), range.end);
            tokio::spawn(async move {
                let mut answered = 0;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= end {
                        return Result::Ok((caller, answered));
                    }
                    caller.call(n).await?;
                    answered += 1;
                }
            })
        })
        .collect();
    let (mut callers, mut answered) = (Vec::with_capacity(tasks.len()), 0);
    for task in tasks {
        let (caller, own) = task.await??;
        callers.push(caller);
        answered += own;
    }
    Ok((callers, Closed { answered, elapsed: start.elapsed() }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Noting(Arc<Mutex<Vec<usize>>>, Option<usize>);

    impl Caller for Noting {
        async fn call(&mut self, n: usize) -> Result<()> {
            tokio::task::yield_now().await;
            self.0.lock().unwrap().push(n);
            if self.1 == Some(n) { Err("broken".into()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn every_call_is_made_once() {
        let made = Arc::new(Mutex::new(Vec::new()));
        let callers = (0..7).map(|_| Noting(Arc::clone(&made), None)).collect();
        let (callers, closed) = run(callers, 10..110).await.unwrap();
        assert_eq!((callers.len(), closed.answered), (7, 100));
        let mut made = made.lock().unwrap().clone();
        made.sort_unstable();
        assert_eq!(made, (10..110).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_failure_ends_it() {
        let callers = vec![Noting(Arc::default(), Some(3)), Noting(Arc::default(), Some(3))];
        assert_eq!(run(callers, 0..10).await.err().unwrap().to_string(), "broken");
    }
}
