//! Two provers' limits over one ledger: what one permits counts at the other.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use service::Rate;

use super::*;
use crate::config::LimitsConfig;
use crate::fixtures::{TestClock, email, msp, phone};
use crate::limits::Secret;

/// A ledger in memory, at which others may come between.
#[derive(Default)]
struct Memory {
    budgets: Mutex<HashMap<Name, Held>>,
    changes: AtomicUsize,
    is_down: std::sync::atomic::AtomicBool,
}

impl Memory {
    fn held(&self, name: Name) -> Held {
        self.budgets.lock().unwrap().get(&name).cloned().unwrap_or_default()
    }

    fn answer<T: Send + 'static>(&self, answer: impl FnOnce() -> T) -> Answer<'_, T> {
        let answer = match self.is_down.load(Ordering::SeqCst) {
            true => Err(cluster::Error::because("down").into()),
            false => Ok(answer()),
        };
        Box::pin(async {
            tokio::task::yield_now().await;
            answer
        })
    }
}

impl Ledger for Memory {
    fn budget(&self, name: Name) -> Answer<'_, Held> {
        self.answer(|| self.held(name))
    }

    fn change<'a>(&'a self, name: Name, held: &'a Held, counter: [u8; 16], _: Duration) -> Answer<'a, (Held, bool)> {
        self.answer(|| {
            let mut budgets = self.budgets.lock().unwrap();
            let there = budgets.entry(name).or_default();
            let done = there == held;
            if done {
                let mark = self.changes.fetch_add(1, Ordering::SeqCst).to_be_bytes().to_vec();
                *there = Held { counter: Some(counter.to_vec()), mark };
            }
            (there.clone(), done)
        })
    }
}

fn config(per_cpi_hour: u32) -> LimitsConfig {
    let (plenty, many) = (Rate::new(1_000_000, 1), NonZeroU32::new(1_000_000).unwrap());
    LimitsConfig {
        total: plenty,
        per_msp: plenty,
        per_number_range: plenty,
        per_country: plenty,
        per_cpi_hour: NonZeroU32::new(per_cpi_hour).unwrap(),
        per_cpi_day: many,
        per_cpi_and_msp_hour: many,
        per_cpi_and_msp_day: many,
        wrong_codes_total: plenty,
        wrong_codes_per_msp: plenty,
        wrong_codes_per_cpi: Rate::new(3, 3600),
        max_keys: 1000,
    }
}

struct Two {
    provers: [Allowance; 2],
    ledger: Arc<Memory>,
    clock: TestClock,
}

impl Two {
    fn new(config: &LimitsConfig) -> Self {
        let (ledger, clock) = (Arc::new(Memory::default()), TestClock::new());
        let provers = [(); 2].map(|()| {
            let limits = Arc::new(Limits::new(config, &clock.clock(), Secret([9; 32])));
            Allowance::Shared(Together::new(limits, Arc::<Memory>::clone(&ledger)))
        });
        Self { provers, ledger, clock }
    }

    async fn take(&self, by: usize) -> Option<u64> {
        match self.provers[by].take(&phone(), &msp()).await {
            Ok(_) => None,
            Err(Refused::Limited(RetryAfter(wait))) => Some(wait),
            Err(Refused::Unknown) => panic!("the ledger is there"),
        }
    }
}

#[tokio::test]
async fn what_one_permits_counts_at_the_other() {
    let two = Two::new(&config(2));
    assert_eq!([two.take(0).await, two.take(1).await], [None, None]);
    assert_eq!([two.take(0).await, two.take(1).await], [Some(1800), Some(1800)]);
    two.clock.advance(Duration::from_secs(1800));
    assert_eq!([two.take(1).await, two.take(0).await], [None, Some(1800)]);
}

#[test]
fn counters_that_provers_share_are_the_ledgers_alone() {
    let [shared, _] = Two::new(&config(1)).provers;
    assert!(!shared.is_own());
    assert!(Allowance::Own(Arc::clone(shared.limits())).is_own());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_same_moment_exactly_as_many_are_permitted() {
    const PERMITTED: usize = 37;
    let two = Arc::new(Two::new(&config(37)));
    let asking = (0..200).map(|n| {
        let two = Arc::clone(&two);
        tokio::spawn(async move { two.take(n % 2).await.is_none() })
    });
    let answers = join_all(asking.collect::<Vec<_>>()).await;
    assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), PERMITTED);
    // Many were granted by one change.
    assert!(two.ledger.changes.load(Ordering::SeqCst) < 200 * 7);
}

#[tokio::test]
async fn what_is_given_back_at_one_can_be_taken_at_the_other() {
    let two = Two::new(&config(1));
    for by in [0, 1, 0] {
        let taken = two.provers[by].take(&phone(), &msp()).await.unwrap_or_else(|_| panic!("it was given back"));
        assert!(two.take(1 - by).await.is_some());
        two.provers[1 - by].give_back(taken).await;
    }
}

#[tokio::test]
async fn a_refusal_takes_nothing_from_the_other_budgets() {
    let two = Two::new(&LimitsConfig { per_msp: Rate::new(2, 3600), ..config(1) });
    assert_eq!(two.take(0).await, None);
    for by in [0, 1, 0, 1] {
        assert_eq!(two.take(by).await, Some(3600));
    }
    assert!(two.provers[1].take(&email(), &msp()).await.is_ok());
    assert!(two.provers[0].take(&email(), &msp()).await.is_err());
}

#[tokio::test]
async fn the_first_try_is_never_refused_and_counts() {
    let two = Two::new(&config(1));
    for (by, first, passes) in [(0, true, true), (1, false, true), (0, false, true), (1, false, false), (1, true, true)]
    {
        assert_eq!(two.provers[by].take_try(&phone(), &msp(), first).await.is_ok(), passes);
    }
}

#[tokio::test]
async fn without_the_ledger_nothing_is_permitted() {
    let two = Two::new(&config(5));
    two.ledger.is_down.store(true, Ordering::SeqCst);
    assert!(matches!(two.provers[0].take(&phone(), &msp()).await, Err(Refused::Unknown)));
    assert!(matches!(two.provers[0].take_try(&phone(), &msp(), true).await, Err(Refused::Unknown)));
    two.ledger.is_down.store(false, Ordering::SeqCst);
    assert_eq!(two.take(1).await, None);
}

#[tokio::test]
async fn each_has_a_total_of_its_own() {
    let two = Two::new(&LimitsConfig { total: Rate::new(1, 3600), ..config(100) });
    assert_eq!([two.take(0).await, two.take(1).await], [None, None]);
    assert_eq!([two.take(0).await, two.take(1).await], [Some(3600), Some(3600)]);
}
