//! The compact answer: at which providers a CPI is found, as a bit string, and nothing to verify.
//!
//! Requirement 15 of draft-interop-mimi-discovery-requirements-01: "a bit string with each set bit representing that the CSI is
//! found in the MSP assigned to that bit position". A request asks for it with field 3; documents, holders and tags are left out.
//!
//! ```text
//! compact-answer = [ [* domain: tstr],                                ; providers, in bytewise order, each used
//!                    [1*64 [outcome: 0..4, bstr .size (0..256)]] ]     ; one for each CPI, in the order of the request
//! ```
//!
//! The most significant bit of the first octet stands for the first provider; zeros at the end are left out. With outcome 0 or 1
//! no bit is set.

use std::collections::BTreeSet;

use documents::cbor::{self, FieldError, Value};

use super::{Answer, LookupError, MAX_CPIS, MAX_MAPPINGS, Outcome};
use crate::authenticated::{MappingError, UnverifiedMapping};
use crate::mimi_uri::Msp;

/// How many providers an answer can name.
const MAX_MSPS: usize = MAX_CPIS * MAX_MAPPINGS;
const MAX_BYTES: usize = MAX_MSPS * 256 + MAX_CPIS * (MAX_MSPS / 8 + 8) + 16;

/// An answer without documents: one entry for each CPI asked for. Nobody can verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactAnswer {
    /// The entries, in the order of the request.
    pub entries: Vec<CompactEntry>,
}

/// What a provider says of one CPI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactEntry {
    /// The outcome.
    pub outcome: Outcome,
    /// Where it is found.
    pub msps: BTreeSet<Msp>,
}

impl Answer {
    /// The same without documents. They are read, and not verified. Nothing is found at any provider where the outcome is 0 or 1.
    ///
    /// # Errors
    ///
    /// [`MappingError`] of the first that is none.
    pub fn to_compact(&self) -> Result<CompactAnswer, MappingError> {
        let msp = |document: &Vec<u8>| {
            let mapping = UnverifiedMapping::parse(document)?;
            Ok(mapping.unverified_mapping().reachability.msp().cloned())
        };
        let entry = |entry: &super::Entry| {
            let msps = entry.mappings.iter().map(msp).collect::<Result<Vec<_>, MappingError>>()?;
            let msps = msps.into_iter().flatten().filter(|_| is_found(entry.outcome)).collect();
            Ok(CompactEntry { outcome: entry.outcome, msps })
        };
        let entries = self.entries.iter().map(entry).collect::<Result<_, MappingError>>()?;
        Ok(CompactAnswer { entries })
    }
}

impl CompactAnswer {
    /// The encoded answer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let table: BTreeSet<&Msp> = self.entries.iter().flat_map(|entry| &entry.msps).collect();
        let entry = |entry: &CompactEntry| {
            let mut bits = vec![0_u8; table.len().div_ceil(8)];
            for (position, _) in table.iter().enumerate().filter(|(_, msp)| entry.msps.contains(**msp)) {
                bits[position / 8] |= 0x80 >> (position % 8);
            }
            bits.truncate(bits.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1));
            Value::Array(vec![u64::from(entry.outcome.code()).into(), bits.into()])
        };
        let entries = self.entries.iter().map(entry).collect();
        let domains = table.iter().map(|msp| Value::from(msp.domain())).collect();
        cbor::encode(&Value::Array(vec![Value::Array(domains), Value::Array(entries)]))
    }

    /// Decodes an answer that fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] names the broken rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, LookupError> {
        let parts = cbor::decode(bytes, MAX_BYTES)?.into_array().map_err(|_| FieldError::Type("answer"))?;
        let [domains, entries] = <[Value; 2]>::try_from(parts).map_err(|_| FieldError::Type("answer"))?;
        let domains = domains.into_array().map_err(|_| FieldError::Type("providers"))?;
        let entries = entries.into_array().map_err(|_| FieldError::Type("answer"))?;
        if entries.is_empty() || entries.len() > MAX_CPIS {
            return Err(FieldError::Rule("answer", format!("must have 1 to {MAX_CPIS} entries")).into());
        }
        if domains.len() > MAX_MSPS {
            return Err(FieldError::Rule("providers", format!("{MAX_MSPS} at most")).into());
        }
        let table = domains.iter().map(read_domain).collect::<Result<Vec<_>, _>>()?;
        if !table.is_sorted_by(|one, next| one < next) {
            return Err(FieldError::Rule("providers", "must be in order, each once".to_owned()).into());
        }
        let entries = entries.into_iter().map(|entry| read_entry(entry, &table)).collect::<Result<Vec<_>, _>>()?;
        let used: BTreeSet<&Msp> = entries.iter().flat_map(|entry| &entry.msps).collect();
        if used.len() != table.len() {
            return Err(FieldError::Rule("providers", "must each be of some entry".to_owned()).into());
        }
        Ok(Self { entries })
    }
}

const fn is_found(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::NeverMapped | Outcome::Unreachable)
}

fn read_domain(value: &Value) -> Result<Msp, FieldError> {
    let domain = value.as_text().ok_or(FieldError::Type("providers"))?;
    let msp = Msp::from_domain(domain).map_err(|error| FieldError::Rule("providers", error.to_string()))?;
    let canonical = msp.domain() == domain;
    if canonical { Ok(msp) } else { Err(FieldError::Rule("providers", "must be in lower-case A-labels".to_owned())) }
}

fn read_entry(value: Value, table: &[Msp]) -> Result<CompactEntry, FieldError> {
    let Value::Array(items) = value else { return Err(FieldError::Type("entry")) };
    let [outcome, bits] = <[Value; 2]>::try_from(items).map_err(|_| FieldError::Type("entry"))?;
    let outcome = outcome.as_integer().and_then(|code| u64::try_from(code).ok()).and_then(Outcome::from_code);
    let outcome = outcome.ok_or_else(|| FieldError::Rule("outcome", "must be 0 to 4".to_owned()))?;
    let bits = bits.into_bytes().map_err(|_| FieldError::Type("bits"))?;
    let is_set = |position: usize| bits.get(position / 8).is_some_and(|octet| octet & (0x80 >> (position % 8)) != 0);
    let beyond = (table.len()..bits.len() * 8).any(is_set);
    if beyond || bits.last() == Some(&0) || bits.len() > table.len().div_ceil(8) {
        return Err(FieldError::Rule("bits", "must stand for providers, without zeros at the end".to_owned()));
    }
    if !is_found(outcome) && !bits.is_empty() {
        return Err(FieldError::Rule("bits", "must be none where the outcome is 0 or 1".to_owned()));
    }
    let msps = table.iter().enumerate().filter(|(position, _)| is_set(*position)).map(|(_, msp)| msp.clone()).collect();
    Ok(CompactEntry { outcome, msps })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(domains: &[&str]) -> BTreeSet<Msp> {
        domains.iter().map(|domain| Msp::from_domain(domain).unwrap()).collect()
    }

    fn entry(outcome: Outcome, domains: &[&str]) -> CompactEntry {
        CompactEntry { outcome, msps: at(domains) }
    }

    #[test]
    fn bits_stand_for_providers() {
        let answer = CompactAnswer {
            entries: vec![
                entry(Outcome::SeveralProviders, &["a.example", "b.example"]),
                entry(Outcome::NeverMapped, &[]),
                entry(Outcome::OneMapping, &["b.example"]),
            ],
        };
        let hex = format!(
            "82 82 69{} 69{} 83 82 03 41 c0 82 00 40 82 02 41 40",
            hex::encode("a.example"),
            hex::encode("b.example")
        );
        assert_eq!(hex::encode(answer.encode()), hex.replace(' ', ""));
        assert_eq!(CompactAnswer::decode(&answer.encode()), Ok(answer));
    }

    #[test]
    fn malformed_answers_are_refused() {
        let a = hex::encode("a.example");
        let b = hex::encode("b.example");
        for (what, hex) in [
            ("no entry", "82 80 80".to_owned()),
            ("a bit beyond the table", format!("82 81 69{a} 81 82 02 41 c0")),
            ("an octet beyond the table", format!("82 81 69{a} 81 82 02 42 80 80")),
            ("zeros at the end", format!("82 81 69{a} 82 82 02 41 80 82 02 41 00")),
            ("a provider of no entry", format!("82 82 69{a} 69{b} 81 82 02 41 80")),
            ("providers out of order", format!("82 82 69{b} 69{a} 81 82 03 41 c0")),
            ("a provider twice", format!("82 82 69{a} 69{a} 81 82 03 41 c0")),
            ("never mapped, and found", format!("82 81 69{a} 81 82 00 41 80")),
            ("an outcome to come", format!("82 81 69{a} 81 82 05 41 80")),
            ("another spelling", format!("82 81 69{} 81 82 02 41 80", hex::encode("A.example"))),
            ("no pair", "81 80".to_owned()),
            ("octets behind", "82 80 81 82 00 40 00".to_owned()),
        ] {
            let bytes = hex::decode(hex.replace(' ', "")).unwrap();
            assert!(CompactAnswer::decode(&bytes).is_err(), "{what}");
        }
    }

    #[test]
    fn each_bound_has_its_rule() {
        let refused = |domains: usize, entries: usize| {
            let domains = (0..domains).map(|_| Value::from("a.example")).collect();
            let entries = (0..entries).map(|_| Value::Array(vec![Value::from(0), Value::Bytes(Vec::new())])).collect();
            let bytes = cbor::encode(&Value::Array(vec![Value::Array(domains), Value::Array(entries)]));
            CompactAnswer::decode(&bytes).unwrap_err().to_string()
        };
        assert!(refused(0, MAX_CPIS + 1).contains("answer: must have 1 to 64 entries"));
        assert!(refused(MAX_MSPS + 1, 1).contains("providers: 2048 at most"));
        // One provider less is refused for another reason: they are all the same.
        assert!(refused(MAX_MSPS, 1).contains("providers: must be in order"));
    }

    proptest! {
        #[test]
        fn any_answer_comes_back(sets in proptest::collection::vec(proptest::collection::btree_set(0_u8..40, 0..20), 1..=MAX_CPIS)) {
            let entries = sets.into_iter().map(|set| {
                let msps: BTreeSet<Msp> = set.iter().map(|n| Msp::from_domain(&format!("m{n}.example")).unwrap()).collect();
                let outcome = if msps.is_empty() { Outcome::NeverMapped } else { Outcome::SeveralHolders };
                CompactEntry { outcome, msps }
            });
            let answer = CompactAnswer { entries: entries.collect() };
            prop_assert_eq!(CompactAnswer::decode(&answer.encode()), Ok(answer));
        }

        #[test]
        fn what_is_accepted_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(answer) = CompactAnswer::decode(&bytes) {
                prop_assert_eq!(answer.encode(), bytes);
            }
        }
    }
}
