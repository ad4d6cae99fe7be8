//! Each budget by its own key and its exact wait, by a clock that tests set.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::mimi_uri::Msp;

use super::*;
use crate::fixtures::{TestClock, email, msp, phone};

const SECRET: Secret = Secret([9; 32]);

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
        per_country: plenty,
        per_cpi_hour: many,
        per_cpi_day: many,
        per_cpi_and_msp_hour: many,
        per_cpi_and_msp_day: many,
        wrong_codes_total: plenty,
        wrong_codes_per_msp: plenty,
        wrong_codes_per_cpi: plenty,
        max_keys: 1000,
    }
}

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

fn limits(config: &LimitsConfig) -> (Limits, TestClock) {
    let clock = TestClock::new();
    (Limits::new(config, &clock.clock(), SECRET), clock)
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
fn a_country_is_its_code() {
    let (limits, _) = limits(&LimitsConfig { per_country: Rate::new(1, 60), ..generous() });
    let [london, berlin] = ["tel:+442079460018", "tel:+493012345678"].map(|cpi| Cpi::parse(cpi).unwrap());
    assert_eq!([take(&limits, &number(1)), take(&limits, &london), take(&limits, &berlin)], [Ok(()), Ok(()), Ok(())]);
    assert_eq!(take(&limits, &Cpi::parse("tel:+12125550100").unwrap()), Err(RetryAfter(60)));
    assert_eq!(take(&limits, &email()), Ok(()));
    // Of numbers, too, that begin with the digit which is dialled first within the country.
    for (one, another) in [("tel:+79051234567", "tel:+78121234567"), ("tel:+37080012345", "tel:+37061234567")] {
        assert_eq!(take(&limits, &Cpi::parse(one).unwrap()), Ok(()), "{one}");
        assert_eq!(take(&limits, &Cpi::parse(another).unwrap()), Err(RetryAfter(60)), "{another}");
    }
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
    let budgets = Budgets::new(Rate::new(1, 60), 1000, clock.clock(), SECRET);
    assert!(budgets.take(b"early").is_ok());
    clock.advance(Duration::from_secs(30));
    assert!(budgets.take(b"late").is_ok());
    assert_eq!(budgets.forget_whole(), []);
    assert_eq!(budgets.len(), 2);
    clock.advance(Duration::from_secs(30));
    assert_eq!(budgets.forget_whole().len(), 1);
    assert_eq!(budgets.len(), 1);
    assert_eq!(budgets.take(b"late"), Err(RetryAfter(30)));
    assert!(budgets.take(b"early").is_ok());
}

#[test]
fn the_number_of_keys_is_bounded_and_further_ones_share_a_budget() {
    const MOST: usize = 640;
    let budgets = Budgets::new(Rate::new(1, 3600), MOST, TestClock::new().clock(), SECRET);
    assert!(budgets.take(b"first").is_ok());
    let passed = (0..100_000_u32).filter(|key| budgets.take(&key.to_be_bytes()).is_ok()).count();
    // One more for each of the 64 shards: the budget that its further keys share.
    assert!((MOST..=MOST + 64).contains(&budgets.len()), "{}", budgets.len());
    assert_eq!(passed + 1, budgets.len());
    assert_eq!(budgets.take(b"first"), Err(RetryAfter(3600)));
}

#[test]
fn an_msp_leaves_a_share_of_a_cpi_to_the_others() {
    let config = LimitsConfig { per_cpi_day: count(3), per_cpi_and_msp_day: count(2), ..generous() };
    let (limits, _) = limits(&config);
    let other_msp = Msp::parse("mimi://b.example").unwrap();
    assert_eq!([take(&limits, &phone()), take(&limits, &phone())], [Ok(()), Ok(())]);
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(12 * 3600)));
    assert!(limits.take(&phone(), &other_msp).is_ok());
    assert_eq!(limits.take(&phone(), &other_msp).err(), Some(RetryAfter(8 * 3600)));
}

#[test]
fn the_first_try_is_never_refused_and_counts() {
    let (limits, clock) = limits(&LimitsConfig { wrong_codes_per_cpi: Rate::new(2, 7200), ..generous() });
    let try_code = |first| limits.take_try(&phone(), &msp(), first).map(drop);
    assert_eq!([try_code(true), try_code(false)], [Ok(()), Ok(())]);
    assert_eq!([try_code(true), try_code(false)], [Ok(()), Err(RetryAfter(3600))]);
    assert!(limits.take_try(&email(), &msp(), false).is_ok());
    clock.advance(Duration::from_secs(3600));
    assert_eq!([try_code(true), try_code(false)], [Ok(()), Err(RetryAfter(3600))]);
}

#[test]
fn a_right_code_gives_its_try_back() {
    let rate = Rate::new(1, 3600);
    let one =
        LimitsConfig { wrong_codes_total: rate, wrong_codes_per_msp: rate, wrong_codes_per_cpi: rate, ..generous() };
    let (limits, _) = limits(&one);
    for _ in 0..3 {
        let taken = limits.take_try(&phone(), &msp(), false).unwrap_or_else(|_| panic!("it was given back"));
        assert!(limits.take_try(&phone(), &msp(), false).is_err());
        limits.give_back(taken);
    }
}

#[test]
fn another_rate_acts_at_once_and_what_is_used_stays_used() {
    let (limits, _) = limits(&LimitsConfig { per_cpi_hour: count(2), ..generous() });
    assert_eq!([take(&limits, &phone()), take(&limits, &phone())], [Ok(()), Ok(())]);
    assert!(take(&limits, &phone()).is_err());
    limits.set_rates(&LimitsConfig { per_cpi_hour: count(4), ..generous() });
    assert_eq!([take(&limits, &phone()), take(&limits, &phone())], [Ok(()), Ok(())]);
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(900)));
    limits.set_rates(&LimitsConfig { per_cpi_hour: count(1), ..generous() });
    assert_eq!(take(&limits, &phone()), Err(RetryAfter(4 * 3600)));
}

/// All stored counters, taken up by limits of this configuration on this clock.
fn restarted(limits: &Limits, counters: &Counters, config: &LimitsConfig, clock: &TestClock) -> Limits {
    let restarted = Limits::new(config, &clock.clock(), SECRET);
    for op in limits.ops(counters) {
        let Op::Put(Family::Counters, name, value) = op else { panic!("nothing is whole again") };
        restarted.restore(&name, &value).unwrap();
    }
    restarted
}

#[test]
fn stored_counters_are_taken_up_under_the_present_rate() {
    let config = LimitsConfig { per_cpi_hour: count(2), ..generous() };
    let (limits, clock) = limits(&config);
    let taken = limits.take(&phone(), &msp()).unwrap_or_else(|_| panic!("it is the first"));
    let counters = taken.counters();
    let same = restarted(&limits, &counters, &config, &clock);
    assert_eq!([take(&same, &phone()), take(&same, &phone())], [Ok(()), Err(RetryAfter(1800))]);
    let lower = restarted(&limits, &counters, &LimitsConfig { per_cpi_hour: count(1), ..generous() }, &clock);
    assert_eq!(take(&lower, &phone()), Err(RetryAfter(3600)));
}

#[test]
fn a_clock_that_was_set_back_costs_one_budget_at_most() {
    let config = LimitsConfig { per_cpi_hour: count(1), ..generous() };
    let (limits, clock) = limits(&config);
    clock.advance(Duration::from_secs(365 * 24 * 3600));
    let taken = limits.take(&phone(), &msp()).unwrap_or_else(|_| panic!("it is the first"));
    clock.set(crate::fixtures::NOW);
    let restarted = restarted(&limits, &taken.counters(), &config, &clock);
    assert_eq!(take(&restarted, &phone()), Err(RetryAfter(3600)));
}

#[test]
fn the_counter_of_a_whole_budget_is_deleted() {
    let (limits, clock) = limits(&generous());
    assert_eq!(take(&limits, &email()), Ok(()));
    clock.advance(Duration::from_secs(24 * 3600));
    let ops = limits.ops(&limits.forget_whole());
    assert_eq!(ops.len(), 5);
    assert!(ops.iter().all(|op| matches!(op, Op::Delete(Family::Counters, name) if name.len() == 9)));
}

#[test]
fn what_is_no_counter_is_not_taken_up() {
    let (limits, _) = limits(&generous());
    let name = [Kind::CpiDay as u8, 0, 0, 0, 0, 0, 0, 0, 7];
    for (name, value_bytes) in [(&name[..8], 16), (&name[..], 15), (&name[..], 17), (&[99; 9][..], 16)] {
        assert_eq!(limits.restore(name, &vec![0; value_bytes]), None);
    }
    assert_eq!(limits.restore(&name, &[0; 16]), Some(()));
}

#[test]
fn steps_leave_no_counter_out() {
    let (limits, _) = limits(&generous());
    let counters = limits.take(&phone(), &msp()).unwrap_or_else(|_| panic!("it is the first")).counters();
    let steps: Vec<_> = counters.steps(3).collect();
    assert_eq!(steps.iter().map(|step| step.0.len()).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(steps.iter().map(|step| limits.ops(step).len()).sum::<usize>(), limits.ops(&counters).len());
}

/// Alerts are written by these names.
#[test]
fn each_limit_has_the_name_that_the_operations_manual_gives() {
    let manual = include_str!("../../../docs/operations.md");
    let row = manual.lines().find(|line| line.starts_with("| `id_prover_limited_total`")).unwrap();
    let described = row.split('|').nth(3).unwrap();
    // The first in backticks is the label itself.
    let mut expected: Vec<_> = described.split('`').skip(1).step_by(2).skip(1).collect();
    let mut found = Kind::ALL.map(Kind::name);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found.as_slice(), expected);
}
