//! What a publication or removal does to the record of a CPI (`protocol.md` §3): pure functions of record, document, time.
//!
//! One entry for each holder and MSP (or none). `seq` grows; what is withdrawn, replaced or expired is remembered for as
//! long as any credential that exists today could bring an older mapping back. Whoever loses a mapping to another's claim
//! or to the CPI's issuer has a [`Notice`] for [`NOTICE_LIFETIME`].

use std::time::Duration;

use protocol::authenticated::VerifiedMapping;
use protocol::lookup::MAX_MAPPINGS;
use protocol::removal::Removal;
use protocol::{CLOCK_SKEW, Timestamp};

use crate::record::{Entry, Fresh, Limits, MAX_NOTICES, Notice, Record};

/// Entries of one record, found or only remembered. More would be the work of a holder of the CPI against itself.
const MAX_ENTRIES: usize = 128;
/// How long a displaced holder may ask: 180 days.
pub(crate) const NOTICE_LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);

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
    /// As many places as are remembered.
    #[error("a CPI has {MAX_ENTRIES} places at most, remembered ones included")]
    TooManyRemembered,
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
    let mut entry = Entry::of(verified, now.plus(horizon).plus(CLOCK_SKEW));
    if record.limits.overtake(&entry.holder, entry.credential_issued_at) {
        return Err(Refusal::Superseded);
    }
    let mut next = sweep(record, now, horizon);
    let same_place = |known: &&Entry| known.holder == entry.holder && known.msp == entry.msp;
    if let Some(known) = next.entries.iter().find(same_place).filter(|known| known.seq >= entry.seq) {
        return Err(Refusal::StaleSequence(known.seq));
    }
    next.entries.retain(|known| !same_place(&known));
    // A claim under an older credential of the same holder takes nothing back from a later one.
    let fresh = Fresh { since: entry.credential_issued_at, holder: entry.holder };
    if verified.mapping().fresh && next.limits.fresh.is_none_or(|known| known.since <= fresh.since) {
        next.limits.fresh = Some(fresh);
    }
    tidy(&mut next, now, horizon);
    if entry.is_found(now) {
        let taken = |known: &Entry| known.holder == entry.holder && known.default;
        if entry.default && next.found(now).any(taken) {
            return Err(Refusal::DefaultTaken);
        }
        if next.found(now).count() >= MAX_MAPPINGS {
            return Err(Refusal::TooManyMappings);
        }
    } else {
        entry.bury();
    }
    if next.entries.len() >= MAX_ENTRIES {
        return Err(Refusal::TooManyRemembered);
    }
    next.entries.push(entry);
    next.due = due(&next, horizon);
    Ok(next)
}

/// Applies a removal by the CPI's issuer.
pub(crate) fn remove(record: &Record, removal: &Removal, now: Timestamp, horizon: Duration) -> Record {
    let mut next = record.clone();
    next.limits.removed_before = next.limits.removed_before.max(removal.issued_before);
    tidy(&mut next, now, horizon);
    next
}

/// Drops what time has overtaken. An empty record may be dropped as a whole.
pub(crate) fn sweep(record: &Record, now: Timestamp, horizon: Duration) -> Record {
    let mut next = record.clone();
    tidy(&mut next, now, horizon);
    next
}

/// Drops what has been overtaken (it cannot come back: its credential no longer counts) and what need not be remembered;
/// what is no longer to be found loses its document; who has lost something to another is noted.
fn tidy(record: &mut Record, now: Timestamp, horizon: Duration) {
    let limits = record.limits;
    for entry in &record.entries {
        let lost = entry.is_found(now) && limits.overtake(&entry.holder, entry.credential_issued_at);
        if lost {
            record.notices.retain(|known| known.holder != entry.holder);
            record.notices.push(Notice { holder: entry.holder, at: now });
        }
    }
    record.notices.retain(|notice| now < notice.at.plus(NOTICE_LIFETIME));
    let surplus = record.notices.len().saturating_sub(MAX_NOTICES);
    record.notices.drain(..surplus);
    record
        .entries
        .retain(|entry| !limits.overtake(&entry.holder, entry.credential_issued_at) && now < entry.keep_until);
    record.entries.iter_mut().filter(|entry| !entry.is_found(now)).for_each(Entry::bury);
    record.limits = Limits {
        removed_before: if matters(limits.removed_before, now, horizon) {
            limits.removed_before
        } else {
            Timestamp::default()
        },
        fresh: limits.fresh.filter(|fresh| matters(fresh.since, now, horizon)),
    };
    record.due = due(record, horizon);
}

/// Until when a credential issued before `limit` could still be accepted.
fn matters_until(limit: Timestamp, horizon: Duration) -> Timestamp {
    limit.plus(horizon).plus(2 * CLOCK_SKEW)
}

fn matters(limit: Timestamp, now: Timestamp, horizon: Duration) -> bool {
    limit != Timestamp::default() && now < matters_until(limit, horizon)
}

/// The earliest time at which the sweep finds something to do.
fn due(record: &Record, horizon: Duration) -> Option<Timestamp> {
    let entries = record.entries.iter().map(|entry| if entry.live { entry.expires_at } else { entry.keep_until });
    let notices = record.notices.iter().map(|notice| notice.at.plus(NOTICE_LIFETIME));
    let removed = Some(record.limits.removed_before).filter(|removed| *removed != Timestamp::default());
    let fresh = record.limits.fresh.map(|fresh| fresh.since);
    let limits = removed.into_iter().chain(fresh).map(|limit| matters_until(limit, horizon));
    entries.chain(notices).chain(limits).min()
}

#[cfg(test)]
pub(crate) mod tests;
