//! How many messages may be sent: in total, for each MSP, to each CPI in an hour and in a day, to each number range.
//!
//! A request takes from all budgets that concern it, or from none. A refusal carries the time after which all of them would
//! let one message through. What was taken is given back if no message was sent.

mod budgets;

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::cpi::Cpi;
use protocol::mimi_uri::Msp;
use service::{CancellationToken, Rate, RetryAfter};

use crate::Clock;
use crate::config::LimitsConfig;
use crate::metrics;
use budgets::{Budgets, Key};

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
const RANGE_DIGITS: usize = 7;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The kinds of budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Total,
    Msp,
    CpiHour,
    CpiDay,
    NumberRange,
}

/// All limits on messages.
pub(crate) struct Limits {
    total: Budgets,
    msp: Budgets,
    cpi_hour: Budgets,
    cpi_day: Budgets,
    number_range: Budgets,
}

/// What was taken for one message.
#[must_use = "what was taken is given back if no message is sent"]
pub(crate) struct Taken(Vec<(Kind, Key)>);

impl Limits {
    pub(crate) fn new(config: &LimitsConfig, clock: &Clock) -> Self {
        let budgets = |rate| Budgets::new(rate, config.max_keys, clock.clone());
        let per = |count: NonZeroU32, seconds| Rate::new(count.get(), seconds);
        Self {
            total: budgets(config.total),
            msp: budgets(config.per_msp),
            cpi_hour: budgets(per(config.per_cpi_hour, HOUR)),
            cpi_day: budgets(per(config.per_cpi_day, DAY)),
            number_range: budgets(config.per_number_range),
        }
    }

    /// Takes one message to `cpi` for `msp`.
    ///
    /// # Errors
    ///
    /// [`RetryAfter`]: the longest wait of all budgets that are used up; nothing is taken then.
    pub(crate) fn take(&self, cpi: &Cpi, msp: &Msp) -> Result<Taken, RetryAfter> {
        let mut taken = Taken(Vec::with_capacity(5));
        let mut longest = None;
        let mut take = |kind: Kind, key: &str| match self.budgets(kind).take(key) {
            Ok(key) => taken.0.push((kind, key)),
            Err(RetryAfter(wait)) => {
                ::metrics::counter!(metrics::LIMITED, "limit" => kind.name()).increment(1);
                longest = longest.max(Some(wait));
            }
        };
        take(Kind::Total, "");
        take(Kind::Msp, msp.domain());
        take(Kind::CpiHour, cpi.as_str());
        take(Kind::CpiDay, cpi.as_str());
        if let Cpi::Phone(number) = cpi {
            let number = number.as_e164();
            take(Kind::NumberRange, number.get(..=RANGE_DIGITS).unwrap_or(number));
        }
        match longest {
            None => Ok(taken),
            Some(wait) => {
                self.give_back(taken);
                Err(RetryAfter(wait))
            }
        }
    }

    /// Gives back what was taken for a message that was not sent.
    pub(crate) fn give_back(&self, taken: Taken) {
        for (kind, key) in taken.0 {
            self.budgets(kind).give_back(key);
        }
    }

    /// Forgets budgets that are whole again, now and then, until `shutdown`.
    pub(crate) async fn sweep(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
            for budgets in [&self.msp, &self.cpi_hour, &self.cpi_day, &self.number_range] {
                budgets.sweep();
            }
        }
    }

    fn budgets(&self, kind: Kind) -> &Budgets {
        match kind {
            Kind::Total => &self.total,
            Kind::Msp => &self.msp,
            Kind::CpiHour => &self.cpi_hour,
            Kind::CpiDay => &self.cpi_day,
            Kind::NumberRange => &self.number_range,
        }
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Msp => "msp",
            Self::CpiHour => "cpi-hour",
            Self::CpiDay => "cpi-day",
            Self::NumberRange => "number-range",
        }
    }
}

#[cfg(test)]
mod tests;
