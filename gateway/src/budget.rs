//! What a relay may ask for. A request takes one from the budget at the door; what it turns out to cost beyond that is
//! owed, and paid before the relay's next request is let in. So the budget holds on average, whatever requests cost.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use service::{CancellationToken, KeyedLimiter, Limiter, RetryAfter};

use crate::config::Limits;

/// Relays are few; beyond this many certificates, budgets and debts are shared.
const MAX_RELAYS: usize = 10_000;

/// A relay by its certificate; all without one are one.
pub(crate) type RelayId = Option<[u8; 32]>;

/// The budgets of all relays, and the budget of the gateway as a whole.
pub(crate) struct Budget {
    per_relay: KeyedLimiter<RelayId>,
    total: Limiter,
    limits: Limits,
    owed: Mutex<Owed>,
}

#[derive(Default)]
struct Owed {
    by_relay: HashMap<RelayId, u64>,
    total: u64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            per_relay: KeyedLimiter::new(limits.per_relay, MAX_RELAYS),
            total: Limiter::new(limits.total),
            limits: limits.clone(),
            owed: Mutex::default(),
        }
    }

    /// Lets one request in, once what is owed has been paid.
    pub(crate) fn enter(&self, relay: &RelayId) -> Result<(), RetryAfter> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = owed.by_relay.remove(relay).unwrap_or(0) + 1;
        let entered = pay(&mut due, self.limits.per_relay.count, |part| self.per_relay.check(relay, part));
        if due > 1 {
            owed.by_relay.insert(*relay, due - 1);
        }
        entered?;
        let mut due = owed.total + 1;
        let entered = pay(&mut due, self.limits.total.count, |part| self.total.check(part));
        owed.total = due.saturating_sub(1);
        entered
    }

    /// Notes what a request cost beyond the one that it paid at the door.
    pub(crate) fn owe(&self, relay: &RelayId, more: u32) {
        if more == 0 {
            return;
        }
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = owed.by_relay.len() < MAX_RELAYS || owed.by_relay.contains_key(relay);
        let debtor = if known { *relay } else { None };
        *owed.by_relay.entry(debtor).or_default() += u64::from(more);
        owed.total += u64::from(more);
    }

    /// Forgets idle relays until `shutdown`.
    pub(crate) async fn sweep(&self, shutdown: CancellationToken) {
        self.per_relay.sweep(shutdown).await;
    }
}

/// Pays `due` in parts of at most a whole budget; what could not be paid stays due.
fn pay(
    due: &mut u64,
    budget: NonZeroU32,
    take: impl Fn(NonZeroU32) -> Result<(), RetryAfter>,
) -> Result<(), RetryAfter> {
    while let Some(part) = NonZeroU32::new(u32::try_from(*due).unwrap_or(u32::MAX).min(budget.get())) {
        take(part)?;
        *due -= u64::from(part.get());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use service::Rate;

    use super::*;

    fn budget(per_relay: u32, total: u32) -> Budget {
        Budget::new(&Limits { per_relay: Rate::new(per_relay, 3600), total: Rate::new(total, 3600) })
    }

    /// How many requests of this cost are let in before one is refused.
    fn let_in(budget: &Budget, relay: &RelayId, cost: u32) -> usize {
        let enter = |_: &usize| budget.enter(relay).map(|()| budget.owe(relay, cost - 1)).is_ok();
        (0..1000).take_while(enter).count()
    }

    #[test]
    fn what_requests_cost_is_paid_for() {
        assert_eq!(let_in(&budget(100, 1000), &None, 1), 100);
        // 1, then 63 owed and 1, then 63 owed and 1 with 35 left.
        assert_eq!(let_in(&budget(100, 1000), &None, 64), 2);
        assert_eq!(let_in(&budget(1000, 100), &None, 64), 2);
        assert_eq!(let_in(&budget(10, 1000), &None, 64), 1);
    }

    #[test]
    fn a_relay_pays_its_own_debt() {
        let budget = budget(100, 1000);
        assert_eq!(let_in(&budget, &Some([1; 32]), 64), 2);
        assert_eq!(let_in(&budget, &Some([2; 32]), 1), 100);
        assert!(budget.enter(&Some([1; 32])).is_err());
    }
}
