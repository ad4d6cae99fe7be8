//! The five outcomes of a lookup, told apart.

use std::collections::BTreeSet;

use crate::authenticated::VerifiedMapping;

/// What is known of a CPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nobody has mapped it, or every mapping is gone (0).
    NeverMapped,
    /// Its holder has opted out of being found (1).
    Unreachable,
    /// One mapping (2).
    OneMapping,
    /// One holder, on several MSPs (3).
    SeveralProviders,
    /// Several keys claim it (4).
    SeveralHolders,
}

impl Outcome {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::NeverMapped, Self::Unreachable, Self::OneMapping, Self::SeveralProviders, Self::SeveralHolders];

    /// Its code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// From its code on the wire.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| u64::from(outcome.code()) == code)
    }

    /// Its name, as programs print it: `never-mapped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NeverMapped => "never-mapped",
            Self::Unreachable => "unreachable",
            Self::OneMapping => "one-mapping",
            Self::SeveralProviders => "several-providers",
            Self::SeveralHolders => "several-holders",
        }
    }

    /// Judges live mappings by what they say: for each, its holder's key and whether it names an MSP.
    ///
    /// Mappings to no MSP count only where there is no other.
    #[must_use]
    pub fn of<H: Ord>(mappings: impl IntoIterator<Item = (H, bool)>) -> Self {
        let (mut opted_out, mut reachable, mut holders) = (false, 0_usize, BTreeSet::new());
        for (holder, has_msp) in mappings {
            if has_msp {
                reachable += 1;
                holders.insert(holder);
            } else {
                opted_out = true;
            }
        }
        match (reachable, holders.len()) {
            (0, _) if opted_out => Self::Unreachable,
            (0, _) => Self::NeverMapped,
            (1, _) => Self::OneMapping,
            (_, 1) => Self::SeveralProviders,
            _ => Self::SeveralHolders,
        }
    }

    /// Judges verified live mappings: what a client concludes for itself.
    #[must_use]
    pub fn of_verified<'a>(mappings: impl IntoIterator<Item = &'a VerifiedMapping>) -> Self {
        Self::of(
            mappings
                .into_iter()
                .map(|verified| (verified.holder().as_bytes(), verified.mapping().reachability.msp().is_some())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_outcomes() {
        for (mappings, outcome) in [
            (vec![], Outcome::NeverMapped),
            (vec![(1, false)], Outcome::Unreachable),
            (vec![(1, false), (2, false)], Outcome::Unreachable),
            (vec![(1, true)], Outcome::OneMapping),
            (vec![(1, true), (1, false)], Outcome::OneMapping),
            (vec![(1, true), (1, true)], Outcome::SeveralProviders),
            (vec![(1, true), (2, true)], Outcome::SeveralHolders),
        ] {
            assert_eq!(Outcome::of(mappings.clone()), outcome, "{mappings:?}");
        }
    }

    #[test]
    fn codes_round_trip_and_have_names() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code().into()), Some(outcome));
        }
        let names = ["never-mapped", "unreachable", "one-mapping", "several-providers", "several-holders"];
        assert_eq!(Outcome::ALL.map(Outcome::name), names);
        assert_eq!(Outcome::from_code(5), None);
    }
}
