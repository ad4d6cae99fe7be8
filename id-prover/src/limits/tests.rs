use protocol::mimi_uri::Msp;

use super::*;
use crate::fixtures::{TestClock, email, msp, phone};

fn number(last_digits: u32) -> Cpi {
    Cpi::parse(&format!("tel:+1415555{last_digits:04}")).unwrap()
}

fn generous() -> LimitsConfig {
    let plenty = Rate::new(1_000_000, 1);
    let many = NonZeroU32::new(1_000_000).unwrap();
    LimitsConfig {
        total: plenty,
        per_msp: plenty,
        per_number_range: plenty,
        per_cpi_hour: many,
        per_cpi_day: many,
        max_keys: 1000,
    }
}

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

fn limits(config: &LimitsConfig) -> (Limits, TestClock) {
    let clock = TestClock::new();
    (Limits::new(config, &clock.clock()), clock)
}

fn take(limits: &Limits, cpi: &Cpi) -> Result<(), RetryAfter> {
    limits.take(cpi, &msp()).map(drop)
}

#[test]
fn a_burst_and_then_an_exact_wait() {
    let (limits, clock) = limits(&LimitsConfig { per_cpi_hour: count(2), ..generous() });
    assert_eq!([take(&limits, &phone()), take(&limits, &phone())], [Ok(()), Ok(())]);
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(1800)));
    clock.advance(Duration::from_secs(1799));
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(1)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(take(&limits, &phone()), Ok(()));
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(1800)));
}

#[test]
fn a_wait_is_rounded_up_to_whole_seconds() {
    let (limits, _) = limits(&LimitsConfig { total: Rate::new(7, 10), ..generous() });
    for last_digits in 0..7 {
        assert_eq!(take(&limits, &number(last_digits)), Ok(()));
    }
    assert_eq!(take(&limits, &number(7)), Err(RetryAfter(2)));
}

#[test]
fn the_longest_wait_is_told() {
    let (limits, _) = limits(&LimitsConfig { per_cpi_hour: count(1), per_cpi_day: count(1), ..generous() });
    assert_eq!(take(&limits, &email()), Ok(()));
    assert_eq!(take(&limits, &email()), Err(RetryAfter(24 * 3600)));
}

#[test]
fn each_budget_counts_by_its_own_key() {
    let other_msp = Msp::parse("mimi://b.example").unwrap();
    let (by_cpi, _) = limits(&LimitsConfig { per_cpi_hour: count(1), ..generous() });
    assert_eq!([take(&by_cpi, &phone()), take(&by_cpi, &email())], [Ok(()), Ok(())]);
    assert!(by_cpi.take(&phone(), &other_msp).is_err());
    let (by_msp, _) = limits(&LimitsConfig { per_msp: Rate::new(1, 60), ..generous() });
    assert_eq!(take(&by_msp, &phone()), Ok(()));
    assert_eq!(take(&by_msp, &email()), Err(RetryAfter(60)));
    assert!(by_msp.take(&phone(), &other_msp).is_ok());
}

#[test]
fn a_number_range_is_the_first_seven_digits() {
    let (limits, _) = limits(&LimitsConfig { per_number_range: Rate::new(2, 60), ..generous() });
    assert_eq!([take(&limits, &number(2671)), take(&limits, &number(2672))], [Ok(()), Ok(())]);
    assert_eq!(take(&limits, &number(9999)), Err(RetryAfter(30)));
    assert_eq!(take(&limits, &Cpi::parse("tel:+14155562671").unwrap()), Ok(()));
    assert_eq!(take(&limits, &email()), Ok(()));
}

#[test]
fn a_refusal_takes_nothing_from_the_other_budgets() {
    let (limits, _) = limits(&LimitsConfig { total: Rate::new(3, 3600), per_cpi_hour: count(1), ..generous() });
    assert_eq!(take(&limits, &phone()), Ok(()));
    for _ in 0..10 {
        assert!(take(&limits, &phone()).is_err());
    }
    assert_eq!([take(&limits, &number(1)), take(&limits, &number(2))], [Ok(()), Ok(())]);
    assert!(take(&limits, &number(3)).is_err());
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (limits, _) = limits(&LimitsConfig {
        total: Rate::new(1, 3600),
        per_msp: Rate::new(1, 3600),
        per_number_range: Rate::new(1, 3600),
        per_cpi_hour: count(1),
        per_cpi_day: count(1),
        ..generous()
    });
    for _ in 0..3 {
        let taken = limits.take(&phone(), &msp()).unwrap_or_else(|_| panic!("it was given back"));
        assert!(take(&limits, &phone()).is_err());
        limits.give_back(taken);
    }
}

#[test]
fn a_clock_that_goes_back_grants_nothing() {
    let (limits, clock) = limits(&LimitsConfig { per_cpi_hour: count(1), ..generous() });
    clock.advance(Duration::from_secs(7200));
    assert_eq!(take(&limits, &phone()), Ok(()));
    clock.set(crate::fixtures::NOW);
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(3 * 3600)));
}

#[test]
fn sweeping_forgets_whole_budgets_and_no_others() {
    let clock = TestClock::new();
    let budgets = Budgets::new(Rate::new(1, 60), 1000, clock.clock());
    assert!(budgets.take("early").is_ok());
    clock.advance(Duration::from_secs(30));
    assert!(budgets.take("late").is_ok());
    budgets.sweep();
    assert_eq!(budgets.len(), 2);
    clock.advance(Duration::from_secs(30));
    budgets.sweep();
    assert_eq!(budgets.len(), 1);
    assert_eq!(budgets.take("late"), Err(RetryAfter(30)));
    assert!(budgets.take("early").is_ok());
}

#[test]
fn the_number_of_keys_is_bounded_and_further_ones_share_a_budget() {
    const MOST: usize = 640;
    let budgets = Budgets::new(Rate::new(1, 3600), MOST, TestClock::new().clock());
    assert!(budgets.take("first").is_ok());
    let passed = (0..100_000_u32).filter(|key| budgets.take(key).is_ok()).count();
    // One more for each of the 64 shards: the budget that its further keys share.
    assert!((MOST..=MOST + 64).contains(&budgets.len()), "{}", budgets.len());
    assert_eq!(passed + 1, budgets.len());
    assert_eq!(budgets.take("first"), Err(RetryAfter(3600)));
}
