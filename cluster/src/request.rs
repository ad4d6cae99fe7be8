//! Requests: how many at once, and which are tried again.

use std::time::Duration;

use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Error, Failure, unreadable};
use crate::session::Cluster;

/// How many times the timeout of one request a conditional write is given: by then a node that stands still has been left alone.
const SETTLING: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

impl Cluster {
    /// Carries out one request, within the bound of those at once.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn bounded<T>(&self, request: impl Future<Output = Result<T, ExecutionError>>) -> Result<T, Failure> {
        let turn = timeout(self.request_timeout, self.in_flight.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Error::because("too many requests to the cluster wait already").into());
        };
        Ok(request.await?)
    }

    /// Reads once.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn ask(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Failure> {
        let result = self.bounded(self.session.execute_unpaged(statement, values)).await?;
        Ok(result.into_rows_result().map_err(unreadable)?)
    }

    /// Reads, and once more if that failed before its time was over.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn read(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Error> {
        let begun = Instant::now();
        match self.ask(statement, &values).await {
            Err(failure) if !failure.is_refusal && begun.elapsed() < self.request_timeout => {
                Ok(self.ask(statement, &values).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Reads what is settled, with [`Sort::Settle`](crate::Sort::Settle), and tries again for as long as a conditional write may take.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn settled(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, Error> {
        let values = &values;
        self.insist(|| self.ask(statement, values)).await
    }

    /// Writes what may be written again and again.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn put(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<(), Error> {
        let values = &values;
        self.insist(|| self.bounded(self.session.execute_unpaged(statement, values))).await.map(drop)
    }

    /// Tries again what may be tried again, until it is done, refused, or has had its time: [`Self::settling_time`], and a request's
    /// time more for the last try.
    ///
    /// # Errors
    ///
    /// [`Error`], of the last try. Of one that was cut off nobody knows the outcome.
    pub async fn insist<T, A>(&self, attempt: impl Fn() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let until = Instant::now() + self.settling_time();
        insist(until, until + self.request_timeout, attempt).await
    }

    /// After what time nothing is tried any more. A last try is cut off a request's time later, however many requests it has.
    #[must_use]
    pub fn settling_time(&self) -> Duration {
        SETTLING * self.request_timeout
    }
}

/// Tries again until then; what is being tried at the end is cut off.
async fn insist<T, A>(until: Instant, end: Instant, attempt: impl Fn() -> A) -> Result<T, Error>
where
    A: Future<Output = Result<T, Failure>>,
{
    let mut attempts = 0;
    loop {
        match timeout_at(end, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) if failure.is_refusal || Instant::now() >= until => return Err(failure.error),
            Ok(Err(_)) => pause(attempts).await,
            Err(_) => return Err(Error::because("the cluster did not answer in time")),
        }
        attempts += 1;
    }
}

/// Waits before another try: longer with each, and not as long as others do.
pub async fn pause(attempt: u32) {
    let most = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    tokio::time::sleep(most.mul_f64(rand::random_range(0.5..=1.0))).await;
}

/// A number of rows.
#[must_use]
pub fn limit(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    async fn tried<A>(millis: u64, attempt: impl Fn() -> A) -> Result<u32, Error>
    where
        A: Future<Output = Result<u32, Failure>>,
    {
        let until = Instant::now() + Duration::from_millis(millis);
        timeout(DEADLINE, insist(until, until + Duration::from_millis(millis), attempt)).await.unwrap()
    }

    fn failure(is_refusal: bool) -> Failure {
        Failure { error: Error::because("a reason"), is_refusal }
    }

    #[tokio::test]
    async fn a_try_that_does_not_end_is_cut_off() {
        let error = tried(10, std::future::pending).await.unwrap_err();
        assert!(error.to_string().contains("did not answer in time"), "{error}");
    }

    #[tokio::test]
    async fn what_may_be_tried_again_is_until_it_has_had_its_time() {
        let tries = Cell::new(0);
        let third = tried(DEADLINE.as_secs() * 1000, || {
            tries.set(tries.get() + 1);
            std::future::ready(if tries.get() == 3 { Ok(3) } else { Err(failure(false)) })
        });
        assert_eq!(third.await, Ok(3));
        assert_eq!(tried(10, || std::future::ready(Err(failure(false)))).await, Err(Error::because("a reason")));
        let tries = Cell::new(0);
        let refused = tried(DEADLINE.as_secs() * 1000, || {
            tries.set(tries.get() + 1);
            std::future::ready(Err(failure(true)))
        });
        assert_eq!(refused.await, Err(Error::because("a reason")));
        assert_eq!(tries.get(), 1);
    }
}
