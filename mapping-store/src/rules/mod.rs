//! What a publication or removal does to the record of a CPI (`protocol.md` §3): pure functions of record, document, time.
//!
//! One entry for each holder and MSP (or none). `seq` grows; what is withdrawn, replaced or expired is remembered for as
//! long as any credential that exists today could bring an older mapping back.

use std::time::Duration;

use protocol::authenticated::VerifiedMapping;
use protocol::lookup::MAX_MAPPINGS;
use protocol::removal::Removal;
use protocol::{CLOCK_SKEW, Timestamp};

use crate::record::{Entry, Fresh, Record};

/// Entries of one record, found or only remembered. More would be the work of a holder of the CPI against itself.
const MAX_ENTRIES: usize = 128;

/// The rule that a publication broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `seq` must be higher than this.
    #[error("seq must be higher than {0}")]
    StaleSequence(u64),
    /// The CPI has been taken over or removed since the credential was issued.
    #[error("the CPI was taken over or removed after the credential was issued")]
    Superseded,
    /// The holder's `Default` is at another MSP.
    #[error("the holder has tagged another MSP as Default; take that tag back first")]
    DefaultTaken,
    /// As many live mappings as there may be.
    #[error("a CPI has {MAX_MAPPINGS} live mappings at most")]
    TooManyMappings,
}

/// Applies a publication. `horizon` is the longest life of any trusted credential.
///
/// # Errors
///
/// [`Refusal`]; the record stays as it was.
pub(crate) fn publish(
    record: &Record,
    verified: &VerifiedMapping,
    now: Timestamp,
    horizon: Duration,
) -> Result<Record, Refusal> {
    let entry = Entry::of(verified, now.plus(horizon).plus(CLOCK_SKEW));
    if record.overtakes(&entry.holder, entry.credential_issued_at) {
        return Err(Refusal::Superseded);
    }
    let same_place = |known: &&Entry| known.holder == entry.holder && known.msp == entry.msp;
    if let Some(known) = record.entries.iter().find(same_place).filter(|known| known.seq >= entry.seq) {
        return Err(Refusal::StaleSequence(known.seq));
    }
    let mut next = record.clone();
    next.entries.retain(|known| !same_place(&known));
    // A claim under an older credential of the same holder takes nothing back from a later one.
    if verified.mapping().fresh && record.fresh.is_none_or(|known| known.since <= entry.credential_issued_at) {
        next.fresh = Some(Fresh { since: entry.credential_issued_at, holder: entry.holder });
    }
    tidy(&mut next, now);
    if entry.is_found(now) {
        let taken = |known: &Entry| known.holder == entry.holder && known.default;
        if entry.default && next.found(now).any(taken) {
            return Err(Refusal::DefaultTaken);
        }
        if next.found(now).count() >= MAX_MAPPINGS {
            return Err(Refusal::TooManyMappings);
        }
    }
    if next.entries.len() >= MAX_ENTRIES {
        return Err(Refusal::TooManyMappings);
    }
    next.entries.push(entry);
    Ok(next)
}

/// Applies a removal by the CPI's issuer.
pub(crate) fn remove(record: &Record, removal: &Removal, now: Timestamp) -> Record {
    let mut next = record.clone();
    next.removed_before = next.removed_before.max(removal.issued_before);
    tidy(&mut next, now);
    next
}

/// Drops what has been overtaken (it cannot come back: its credential no longer counts) and what need not be remembered;
/// what is no longer to be found loses its document.
fn tidy(record: &mut Record, now: Timestamp) {
    let limits = Record { entries: Vec::new(), ..*record };
    record
        .entries
        .retain(|entry| !limits.overtakes(&entry.holder, entry.credential_issued_at) && now < entry.keep_until);
    record.entries.iter_mut().filter(|entry| !entry.is_found(now)).for_each(|entry| {
        entry.live = false;
        entry.document = Vec::new();
    });
}

#[cfg(test)]
mod tests;
