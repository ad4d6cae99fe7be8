//! Requests: how many at once, and which are tried again.

use std::time::Duration;

use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use tokio::time::Instant;

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
        let turn = tokio::time::timeout(self.request_timeout, self.in_flight.acquire()).await;
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

    /// Tries again what may be tried again, until it is done, refused, or has had its time.
    ///
    /// # Errors
    ///
    /// [`Error`], of the last try.
    pub async fn insist<T, A>(&self, attempt: impl Fn() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let (until, mut attempts) = (Instant::now() + self.settling_time(), 0);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.is_refusal || Instant::now() >= until => return Err(failure.error),
                Err(_) => pause(attempts).await,
            }
            attempts += 1;
        }
    }

    /// After what time nothing is tried any more; a last try may take a request's time longer.
    #[must_use]
    pub fn settling_time(&self) -> Duration {
        SETTLING * self.request_timeout
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
