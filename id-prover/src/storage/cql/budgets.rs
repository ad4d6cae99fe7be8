//! Budgets of limits, each a row that is changed on condition. It remembers its last changes by random numbers, so that one whose
//! answer was lost is known again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Error, Failure, is_applied, unreadable};

use super::write::seconds;
use super::{Cql, Shared};
use crate::limits::shared::{Answer, Held, Ledger, Name};

/// The random number of a change.
const MARK_BYTES: usize = 8;
/// Changes that a row remembers.
const MARKS: usize = 32;

impl Ledger for Cql {
    fn budget(&self, name: Name) -> Answer<'_, Held> {
        Box::pin(async move {
            let Shared { cluster, .. } = &*self.shared;
            Ok(cluster.insist(|| self.shared.budget(name)).await?)
        })
    }

    fn change<'a>(&'a self, name: Name, held: &'a Held, counter: [u8; 16], keep: Duration) -> Answer<'a, (Held, bool)> {
        Box::pin(async move { Ok(self.shared.change_budget(name, held, counter, keep).await?) })
    }
}

impl Shared {
    async fn budget(&self, name: Name) -> Result<Held, Failure> {
        let rows = self.cluster.ask(&self.statements.budget, columns(name)).await?;
        let row = rows.maybe_first_row::<(Option<Vec<u8>>, Option<Vec<u8>>)>().map_err(unreadable)?;
        let (counter, mark) = row.unwrap_or_default();
        Ok(Held { counter, mark: mark.unwrap_or_default() })
    }

    /// The same is sent until its outcome is known: the row's memory tells whether an earlier one was carried out, and has been changed
    /// since.
    async fn change_budget(
        &self,
        name: Name,
        held: &Held,
        counter: [u8; 16],
        keep: Duration,
    ) -> Result<(Held, bool), Error> {
        let own: [u8; MARK_BYTES] = rand::random();
        let mut mark = [own.as_slice(), &held.mark].concat();
        mark.truncate(MARKS * MARK_BYTES);
        let (kind, key) = columns(name);
        let expected = (!held.mark.is_empty()).then_some(held.mark.as_slice());
        let values = (seconds(keep), counter.as_slice(), mark.as_slice(), kind, key, expected);
        let in_doubt = AtomicBool::new(false);
        let attempt = async || {
            let sent_before = in_doubt.swap(true, Ordering::Relaxed);
            let request = self.cluster.session().execute_unpaged(&self.statements.change_budget, &values);
            if is_applied(self.cluster.bounded(request).await?)? {
                return Ok((Held { counter: Some(counter.to_vec()), mark: mark.clone() }, true));
            }
            let there = self.budget(name).await?;
            match (has(&there.mark, &own), sent_before) {
                (true, _) => Ok((there, true)),
                (false, true) if !reaches(&there.mark, &held.mark) => {
                    let reason = "nobody knows whether a budget was changed: it has been changed too often since";
                    Err(Failure { error: Error::because(reason), is_refusal: true })
                }
                (false, _) => Ok((there, false)),
            }
        };
        self.cluster.insist(attempt).await
    }
}

fn columns((kind, key): Name) -> (i8, i64) {
    (kind.cast_signed(), key.cast_signed())
}

fn has(marks: &[u8], one: &[u8; MARK_BYTES]) -> bool {
    marks.chunks(MARK_BYTES).any(|mark| mark == one)
}

/// Whether what a row remembers goes back to what it was: all that came after is there.
fn reaches(marks: &[u8], before: &[u8]) -> bool {
    match before.first_chunk() {
        Some(last) => marks.is_empty() || has(marks, last),
        None => marks.len() < MARKS * MARK_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_remembers_what_came_after() {
        let mark = |n: u8| [n; MARK_BYTES];
        let marks = [mark(3), mark(2), mark(1)].concat();
        assert!(has(&marks, &mark(2)) && !has(&marks, &mark(4)));
        assert!(reaches(&marks, &mark(1)) && !reaches(&marks, &mark(9)));
        assert!(reaches(&marks, &[]), "it remembers from its beginning");
        assert!(!reaches(&vec![7; MARKS * MARK_BYTES], &[]), "it has forgotten");
        assert!(reaches(&[], &mark(1)), "it was whole again");
    }
}
