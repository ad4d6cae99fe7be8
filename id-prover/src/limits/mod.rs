//! How many messages may be sent: in total, for each MSP, to each CPI in an hour and in a day, to each number range and
//! country code; and how many codes may be wrong: in total, by way of each MSP, for each CPI.
//!
//! A request takes from all budgets of messages that concern it, or from none. A refusal carries the time after which all of
//! them would let one message through. What was taken is given back if no message was sent.
//!
//! A try takes from the budgets of wrong codes before the code is compared, and a right code gives it back. Once such a
//! budget is used up, the first try of an enrollment is taken all the same and the others wait: so nobody can keep the
//! holder of a CPI from proving it, and whoever guesses has one guess for each message.
//!
//! No MSP can use up the whole of what a CPI may receive: the others keep a share.
//!
//! Several provers that share their state share these budgets as well, all but the total ([`shared`]). For one by itself,
//! all counters but the total are stored with the changes they belong to (column family `counters`) and taken up again at
//! the start. The key is the kind (1 byte) and the keyed hash of the name (8), the value a [`budgets::Counter`].

mod budgets;
pub(crate) mod shared;

use std::sync::Arc;

use protocol::cpi::Cpi;
use protocol::mimi_uri::Msp;
use service::{Rate, RetryAfter};

use crate::Clock;
use crate::config::LimitsConfig;
use crate::metrics;
use crate::storage::change::{Family, Op};
use budgets::{Counter, Key};

pub(crate) use budgets::Budgets;
pub(crate) use shared::{Allowance, Refused};

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
const RANGE_DIGITS: usize = 7;

/// The key of the hashes under which budgets are known.
#[derive(Clone, Copy)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

/// The kinds of budget. The number is the first byte of a stored counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Total,
    Msp,
    CpiHour,
    CpiDay,
    CpiMspHour,
    CpiMspDay,
    NumberRange,
    WrongTotal,
    WrongMsp,
    WrongCpi,
    Country,
}

/// All limits.
pub(crate) struct Limits {
    budgets: [Budgets; Kind::ALL.len()],
}

/// What was taken for one message or try.
#[derive(Default)]
#[must_use = "what was taken is given back if no message is sent"]
pub(crate) struct Taken(Vec<(Kind, Key)>);

/// Budgets whose counters changed, or were forgotten, and are to be stored.
#[derive(Clone, Default)]
pub(crate) struct Counters(Vec<(Kind, Key)>);

impl Limits {
    pub(crate) fn new(config: &LimitsConfig, clock: &Clock, secret: Secret) -> Self {
        let budgets = |kind: Kind| Budgets::new(kind.rate(config), config.max_keys, Arc::clone(clock), secret);
        Self { budgets: Kind::ALL.map(budgets) }
    }

    /// Takes one message to `cpi` for `msp`.
    ///
    /// # Errors
    ///
    /// [`RetryAfter`]: the longest wait of all budgets that are used up; nothing is taken then.
    pub(crate) fn take(&self, cpi: &Cpi, msp: &Msp) -> Result<Taken, RetryAfter> {
        let wanted = messages(cpi, msp);
        let (taken, longest) = self.take_each(&wanted);
        self.all_or_none(taken, longest)
    }

    /// Takes one try of a code for `cpi` by way of `msp`; the first one of an enrollment is never refused.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub(crate) fn take_try(&self, cpi: &Cpi, msp: &Msp, first: bool) -> Result<Taken, RetryAfter> {
        let (taken, longest) = self.take_each(&tries(cpi, msp));
        if first { Ok(taken) } else { self.all_or_none(taken, longest) }
    }

    /// Gives back what was taken for a message that was not sent, or a code that was right.
    pub(crate) fn give_back(&self, taken: Taken) {
        for (kind, key) in taken.0 {
            self.budgets(kind).give_back(key);
        }
    }

    /// Changes the rates; they act at once, and what is used up stays so.
    pub(crate) fn set_rates(&self, config: &LimitsConfig) {
        for kind in Kind::ALL {
            self.budgets(kind).set_rate(kind.rate(config));
        }
    }

    /// Forgets budgets that are whole again; their stored counters are to be deleted.
    pub(crate) fn forget_whole(&self) -> Counters {
        let of = |kind: Kind| self.budgets(kind).forget_whole().into_iter().map(move |key| (kind, key));
        Counters(Kind::ALL.into_iter().flat_map(of).filter(|(kind, _)| kind.is_stored()).collect())
    }

    /// The changes that bring the stored counters up to date.
    pub(crate) fn ops(&self, counters: &Counters) -> Vec<Op> {
        let op = |&(kind, key): &(Kind, Key)| {
            let (slot, counter) = self.budgets(kind).counter(key);
            let name = [[kind as u8].as_slice(), &slot.0.to_be_bytes()].concat();
            match counter {
                Some(counter) => Op::Put(Family::Counters, name, counter.encode().to_vec()),
                None => Op::Delete(Family::Counters, name),
            }
        };
        counters.0.iter().map(op).collect()
    }

    /// Takes up a stored counter; `None` if it cannot be read.
    pub(crate) fn restore(&self, name: &[u8], value: &[u8]) -> Option<()> {
        let (kind, key) = name.split_first()?;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == *kind)?;
        let key = Key(u64::from_be_bytes(key.try_into().ok()?));
        self.budgets(kind).restore(key, Counter::decode(value)?);
        Some(())
    }

    fn take_each(&self, wanted: &[(Kind, String)]) -> (Taken, Option<u64>) {
        let (mut taken, mut longest) = (Taken(Vec::with_capacity(wanted.len())), None);
        for (kind, name) in wanted {
            match self.budgets(*kind).take(name.as_bytes()) {
                Ok(key) => taken.0.push((*kind, key)),
                Err(RetryAfter(wait)) => {
                    ::metrics::counter!(metrics::LIMITED, "limit" => kind.name()).increment(1);
                    longest = longest.max(Some(wait));
                }
            }
        }
        (taken, longest)
    }

    fn all_or_none(&self, taken: Taken, longest: Option<u64>) -> Result<Taken, RetryAfter> {
        match longest {
            None => Ok(taken),
            Some(wait) => {
                self.give_back(taken);
                Err(RetryAfter(wait))
            }
        }
    }

    fn budgets(&self, kind: Kind) -> &Budgets {
        &self.budgets[kind as usize]
    }
}

/// The budgets of a message.
fn messages(cpi: &Cpi, msp: &Msp) -> Vec<(Kind, String)> {
    let (by_cpi, by_msp, both) = (cpi.as_str(), msp.domain(), format!("{cpi} {}", msp.domain()));
    let mut wanted = vec![
        (Kind::Total, String::new()),
        (Kind::Msp, by_msp.to_owned()),
        (Kind::CpiHour, by_cpi.to_owned()),
        (Kind::CpiDay, by_cpi.to_owned()),
        (Kind::CpiMspHour, both.clone()),
        (Kind::CpiMspDay, both),
    ];
    if let Cpi::Phone(number) = cpi {
        // `+1 415-555-0132`: the country code stands alone.
        let international = number.to_international();
        let number = number.as_e164();
        wanted.push((Kind::NumberRange, number.get(..=RANGE_DIGITS).unwrap_or(number).to_owned()));
        wanted.push((Kind::Country, international.split(' ').next().unwrap_or_default().to_owned()));
    }
    wanted
}

/// The budgets of a try.
fn tries(cpi: &Cpi, msp: &Msp) -> [(Kind, String); 3] {
    [
        (Kind::WrongTotal, String::new()),
        (Kind::WrongMsp, msp.domain().to_owned()),
        (Kind::WrongCpi, cpi.as_str().to_owned()),
    ]
}

impl Taken {
    /// The counters that changed with it.
    pub(crate) fn counters(&self) -> Counters {
        Counters(self.0.iter().copied().filter(|(kind, _)| kind.is_stored()).collect())
    }
}

impl Counters {
    /// In steps of `most`.
    pub(crate) fn steps(&self, most: usize) -> impl Iterator<Item = Self> {
        self.0.chunks(most).map(|step| Self(step.to_vec()))
    }
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Total,
        Self::Msp,
        Self::CpiHour,
        Self::CpiDay,
        Self::CpiMspHour,
        Self::CpiMspDay,
        Self::NumberRange,
        Self::WrongTotal,
        Self::WrongMsp,
        Self::WrongCpi,
        Self::Country,
    ];

    fn rate(self, config: &LimitsConfig) -> Rate {
        match self {
            Self::Total => config.total,
            Self::Msp => config.per_msp,
            Self::CpiHour => Rate::new(config.per_cpi_hour.get(), HOUR),
            Self::CpiDay => Rate::new(config.per_cpi_day.get(), DAY),
            Self::CpiMspHour => Rate::new(config.per_cpi_and_msp_hour.get(), HOUR),
            Self::CpiMspDay => Rate::new(config.per_cpi_and_msp_day.get(), DAY),
            Self::NumberRange => config.per_number_range,
            Self::WrongTotal => config.wrong_codes_total,
            Self::WrongMsp => config.wrong_codes_per_msp,
            Self::WrongCpi => config.wrong_codes_per_cpi,
            Self::Country => config.per_country,
        }
    }

    /// Whether its counters are stored. The total fills up again too quickly for that.
    const fn is_stored(self) -> bool {
        !matches!(self, Self::Total)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Msp => "msp",
            Self::CpiHour => "cpi-hour",
            Self::CpiDay => "cpi-day",
            Self::CpiMspHour => "cpi-msp-hour",
            Self::CpiMspDay => "cpi-msp-day",
            Self::NumberRange => "number-range",
            Self::WrongTotal => "wrong-total",
            Self::WrongMsp => "wrong-msp",
            Self::WrongCpi => "wrong-cpi",
            Self::Country => "country",
        }
    }
}

#[cfg(test)]
mod tests;
