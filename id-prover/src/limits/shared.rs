//! Budgets that several provers share: [`Together`]. Each stands in a [`Ledger`], and is changed on condition that it is as it was
//! read: what is permitted by one prover counts at all of them, exactly.
//!
//! A budget that many ask for (of an MSP, of a country) is changed by one at a time: whoever asks while a change is under way waits
//! for the next one, which takes for all who wait.
//!
//! The total stays each prover's own: it fills up again in a moment, and bounds what a prover's couriers have to do.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cluster::pause;
use futures_util::future::join_all;
use protocol::cpi::Cpi;
use protocol::mimi_uri::Msp;
use service::RetryAfter;
use tokio::sync::oneshot;

use super::budgets::{Counter, Key};
use super::{Kind, Limits, Taken};
use crate::metrics;
use crate::storage::StorageError;

/// How often a budget is tried that other provers take from as well.
const RACES: u32 = 30;
/// How much longer than needed a budget is kept: clocks differ.
const SPARE: Duration = Duration::from_secs(3600);

/// A name in the ledger: the kind's number, and the keyed hash.
pub(crate) type Name = (u8, u64);

/// An answer of the ledger, some time.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Where budgets stand.
pub(crate) trait Ledger: Send + Sync {
    /// A budget as it is settled.
    fn budget(&self, name: Name) -> Answer<'_, Held>;

    /// Changes a budget that is as it was `held`, to be kept for as long; answers what it is then, and whether it was changed.
    fn change<'a>(&'a self, name: Name, held: &'a Held, counter: [u8; 16], keep: Duration) -> Answer<'a, (Held, bool)>;
}

/// A budget as it stands in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// A [`Counter`]; none for a whole budget.
    pub(crate) counter: Option<Vec<u8>>,
    /// By what the ledger knows whether it was changed.
    pub(crate) mark: Vec<u8>,
}

/// Why nothing was taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A budget is used up.
    Limited(RetryAfter),
    /// The ledger cannot be asked. Something may have been taken.
    Unknown,
}

/// The limits of a prover: its own, or shared with others.
#[derive(Clone)]
pub(crate) enum Allowance {
    Own(Arc<Limits>),
    Shared(Arc<Together>),
}

/// Limits whose budgets stand in a ledger.
pub(crate) struct Together {
    limits: Arc<Limits>,
    ledger: Arc<dyn Ledger>,
    /// Who waits for a budget; of each there is one task that works for them.
    waiting: Mutex<HashMap<Name, Vec<Wish>>>,
}

struct Wish {
    takes: bool,
    answer: oneshot::Sender<Result<(), Refused>>,
}

impl Allowance {
    /// As [`Limits::take`].
    pub(crate) async fn take(&self, cpi: &Cpi, msp: &Msp) -> Result<Taken, Refused> {
        match self {
            Self::Own(limits) => limits.take(cpi, msp).map_err(Refused::Limited),
            Self::Shared(together) => together.take(cpi, msp).await,
        }
    }

    /// As [`Limits::take_try`].
    pub(crate) async fn take_try(&self, cpi: &Cpi, msp: &Msp, first: bool) -> Result<Taken, Refused> {
        match self {
            Self::Own(limits) => limits.take_try(cpi, msp, first).map_err(Refused::Limited),
            Self::Shared(together) => together.take_try(cpi, msp, first).await,
        }
    }

    /// As [`Limits::give_back`]. What the ledger does not take back stays taken.
    pub(crate) async fn give_back(&self, taken: Taken) {
        match self {
            Self::Own(limits) => limits.give_back(taken),
            Self::Shared(together) => together.give_back(taken).await,
        }
    }

    /// What is this prover's own; of shared ones, the rates.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        match self {
            Self::Own(limits) => limits,
            Self::Shared(together) => &together.limits,
        }
    }

    /// Whether counters go with the changes that they count.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }
}

impl Together {
    pub(crate) fn new(limits: Arc<Limits>, ledger: Arc<dyn Ledger>) -> Arc<Self> {
        Arc::new(Self { limits, ledger, waiting: Mutex::default() })
    }

    async fn take(self: &Arc<Self>, cpi: &Cpi, msp: &Msp) -> Result<Taken, Refused> {
        let wanted = super::messages(cpi, msp);
        let (taken, refused) = self.take_each(&wanted).await;
        self.all_or_none(taken, refused).await
    }

    async fn take_try(self: &Arc<Self>, cpi: &Cpi, msp: &Msp, first: bool) -> Result<Taken, Refused> {
        let wanted = super::tries(cpi, msp);
        match self.take_each(&wanted).await {
            (taken, Some(Refused::Limited(_))) if first => Ok(taken),
            (taken, refused) => self.all_or_none(taken, refused).await,
        }
    }

    async fn give_back(self: &Arc<Self>, taken: Taken) {
        let (stored, own): (Vec<_>, Vec<_>) = taken.0.into_iter().partition(|(kind, _)| kind.is_stored());
        self.limits.give_back(Taken(own));
        // What failed is logged where it did.
        join_all(stored.into_iter().map(|(kind, key)| self.wish((kind as u8, key.0), false))).await;
    }

    /// All budgets at once, and the longest wait, or that the ledger cannot be asked.
    async fn take_each(self: &Arc<Self>, wanted: &[(Kind, String)]) -> (Taken, Option<Refused>) {
        let asked = join_all(wanted.iter().map(async |(kind, name)| {
            let budgets = self.limits.budgets(*kind);
            let taken = if kind.is_stored() {
                let key = Key(budgets.key(name.as_bytes()));
                self.wish((*kind as u8, key.0), true).await.map(|()| key)
            } else {
                budgets.take(name.as_bytes()).map_err(Refused::Limited)
            };
            (*kind, taken)
        }));
        let (mut taken, mut longest) = (Taken(Vec::with_capacity(wanted.len())), None);
        for (kind, outcome) in asked.await {
            match (outcome, longest.take()) {
                (Ok(key), before) => {
                    taken.0.push((kind, key));
                    longest = before;
                }
                (Err(Refused::Unknown), _) | (Err(_), Some(Refused::Unknown)) => longest = Some(Refused::Unknown),
                (Err(Refused::Limited(wait)), before) => {
                    ::metrics::counter!(metrics::LIMITED, "limit" => kind.name()).increment(1);
                    let before = if let Some(Refused::Limited(before)) = before { before.0 } else { 0 };
                    longest = Some(Refused::Limited(RetryAfter(wait.0.max(before))));
                }
            }
        }
        (taken, longest)
    }

    async fn all_or_none(self: &Arc<Self>, taken: Taken, refused: Option<Refused>) -> Result<Taken, Refused> {
        let Some(refused) = refused else { return Ok(taken) };
        self.give_back(taken).await;
        Err(refused)
    }

    /// Takes one from a budget, or gives one back.
    async fn wish(self: &Arc<Self>, name: Name, takes: bool) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let wish = Wish { takes, answer };
        let is_first = match self.waiting().entry(name) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().push(wish);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(vec![wish]);
                true
            }
        };
        if is_first {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.work(name).await });
        }
        answered.await.unwrap_or(Err(Refused::Unknown))
    }

    /// Grants wishes until there are no more.
    async fn work(&self, name: Name) {
        let mut held = None;
        loop {
            let wishes = match self.waiting().entry(name) {
                Entry::Occupied(entry) if entry.get().is_empty() => {
                    entry.remove();
                    return;
                }
                Entry::Occupied(mut entry) => std::mem::take(entry.get_mut()),
                Entry::Vacant(_) => return,
            };
            held = match self.grant(name, held, &wishes).await {
                Ok((held, answers)) => {
                    for (wish, answer) in wishes.into_iter().zip(answers) {
                        // Whoever asked may be gone; what was taken stays so.
                        let _ = wish.answer.send(answer.map_err(Refused::Limited));
                    }
                    Some(held)
                }
                Err(error) => {
                    tracing::error!(%error, "budgets cannot be read or changed");
                    wishes.into_iter().for_each(|wish| drop(wish.answer.send(Err(Refused::Unknown))));
                    None
                }
            };
        }
    }

    async fn grant(
        &self,
        name: Name,
        held: Option<Held>,
        wishes: &[Wish],
    ) -> Result<(Held, Vec<Result<(), RetryAfter>>), StorageError> {
        let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == name.0);
        let damaged = || StorageError::Damaged("budgets: not a counter".to_owned());
        let budgets = self.limits.budgets(kind.ok_or_else(damaged)?);
        let mut held = match held {
            Some(held) => held,
            None => self.ledger.budget(name).await?,
        };
        for race in 0..RACES {
            let counter =
                held.counter.as_deref().map(|bytes| Counter::decode(bytes).ok_or_else(damaged)).transpose()?;
            let decided = budgets.decide(counter, wishes.iter().map(|wish| wish.takes));
            let Some((counter, whole_in)) = decided.counter else { return Ok((held, decided.answers)) };
            let (after, done) = self.ledger.change(name, &held, counter.encode(), whole_in + SPARE).await?;
            held = after;
            if done {
                return Ok((held, decided.answers));
            }
            pause(race).await;
        }
        Err(cluster::Error::because("others change the same budget all the time").into())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Name, Vec<Wish>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
