//! Conditional batches of one partition whose outcome is known.
//!
//! Every batch leaves a row behind, under the version that it leads to, which says whose write it was. Of a batch whose outcome is
//! unknown the same is sent again: of all of them one can apply, since the version moves on with it. If none is said to have, that
//! row says whether one of ours did.

use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, Row};

use crate::error::{Error, Failure, unreadable};
use crate::session::Cluster;

/// For how long a partition remembers whose a write was: far longer than anybody waits for the outcome of theirs.
pub const WRITE_SECONDS: u32 = 3600;

/// A batch that is being put together.
pub struct Parts {
    batch: Batch,
    values: Vec<Vec<Option<CqlValue>>>,
    writer: [u8; 16],
}

/// How to ask whose write led to the version after the batch.
#[derive(Debug)]
pub struct Witness<'a, V> {
    /// Reads one column, the writer, with [`Sort::Settle`](crate::Sort::Settle).
    pub statement: &'a PreparedStatement,
    /// Partition and version.
    pub values: V,
}

impl Default for Parts {
    fn default() -> Self {
        Self { batch: Batch::new(BatchType::Unlogged), values: Vec::new(), writer: rand::random() }
    }
}

impl Parts {
    /// Adds a statement.
    pub fn put(&mut self, statement: &PreparedStatement, values: Vec<Option<CqlValue>>) {
        self.batch.append_statement(BatchStatement::PreparedStatement(statement.clone()));
        self.values.push(values);
    }

    /// Whose write it is: random, for the row that it leaves behind.
    #[must_use]
    pub const fn writer(&self) -> &[u8; 16] {
        &self.writer
    }
}

impl Cluster {
    /// Whether the batch was applied. `witness` tells of one whose answer was lost.
    ///
    /// # Errors
    ///
    /// [`Error`] if this cannot be settled in time; it may have been, or may be yet.
    pub async fn commit(&self, parts: &Parts, witness: &Witness<'_, impl SerializeRow>) -> Result<bool, Error> {
        self.insist(|| self.try_commit(parts, witness)).await
    }

    async fn try_commit(&self, parts: &Parts, witness: &Witness<'_, impl SerializeRow>) -> Result<bool, Failure> {
        let result = self.bounded(self.session.batch(&parts.batch, &parts.values)).await?;
        if is_applied(result)? {
            return Ok(true);
        }
        // This one was not. An earlier one may have been, or somebody else's.
        let rows = self.ask(witness.statement, &witness.values).await?;
        let writer = rows.maybe_first_row::<(&[u8],)>().map_err(unreadable)?;
        Ok(writer.is_some_and(|(writer,)| writer == parts.writer))
    }
}

/// Whether the first column of a conditional write's answer says that it was done.
///
/// # Errors
///
/// [`Error::Damaged`] if it says neither.
pub fn is_applied(result: QueryResult) -> Result<bool, Error> {
    let rows = result.into_rows_result().map_err(unreadable)?;
    let first = rows.maybe_first_row::<Row>().map_err(unreadable)?;
    match first.and_then(|row| row.columns.into_iter().next()).flatten() {
        Some(CqlValue::Boolean(applied)) => Ok(applied),
        _ => Err(unreadable(())),
    }
}
