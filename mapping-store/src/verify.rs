//! `mapping-store verify`: a database or backup, compared with itself and with what its documents prove.
//!
//! [`check`](crate::storage::check) compares log, stamps, records and index. Beyond it, every document of the log is verified
//! anew by the settings' anchors and issuers, as of when it was signed, and must have left its trace in the record of its
//! CPI under the settings' hash key: no older mapping stands in its place, and what is live is the very document. Nothing is
//! changed.

use protocol::authenticated::VerifiedMapping;
use protocol::mapping::State;
use protocol::receipt::Position;
use protocol::removal::Removal;
use protocol::{CLOCK_SKEW, Timestamp};

use crate::cores;
use crate::record::{MspHash, Record};
use crate::storage::{Checked, Disagreement, LogEntry, Storage as _, StorageError, Stored};
use crate::store::{PublishError, Store};
use crate::writer::Document;

const STEP: usize = 4096;
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// What was compared.
    pub checked: Checked,
    /// Documents of the log whose signatures hold.
    pub documents: u64,
    /// The first [`MAX_FAULTS`] of what is wrong.
    pub faults: Vec<Fault>,
    /// All that is wrong.
    pub fault_count: u64,
}

/// How many faults are told one by one.
pub const MAX_FAULTS: usize = 100;

/// Something in the database that should not be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Log, stamps, records and index do not agree.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// A document of the log does not verify by these settings.
    #[error("shard {}, number {}: {}", .0.shard, .0.number, .1)]
    Document(Position, PublishError),
    /// The record of a document's CPI does not know of it.
    #[error("shard {}, number {}: the record of its identifier does not have it", .0.shard, .0.number)]
    Missing(Position),
    /// An older document stands where this one should.
    #[error("shard {}, number {}: the record of its identifier has an older mapping in its place", .0.shard, .0.number)]
    Stale(Position),
    /// What is live under this place and `seq` is not this document.
    #[error("shard {}, number {}: the record of its identifier has other octets in its place", .0.shard, .0.number)]
    Other(Position),
    /// A removal that the record does not heed.
    #[error("shard {}, number {}: the record of its identifier does not heed this removal", .0.shard, .0.number)]
    NotRemoved(Position),
}

impl Verified {
    fn note(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Verifies everything. `watch` is told how many documents of how many are done.
///
/// # Errors
///
/// [`StorageError`] if the database cannot be read on; what is wrong in it is in the answer.
pub async fn verify(store: &Store, mut watch: impl FnMut(u64, u64)) -> Result<Verified, StorageError> {
    let mut verified = Verified::default();
    match store.check().await {
        Ok(checked) => verified.checked = checked,
        Err(Disagreement::Storage(error)) => return Err(error),
        Err(disagreement) => verified.note(disagreement.into()),
    }
    for shard in 0..store.shards() {
        let head = store.storage().head(shard).await?;
        let mut at = Position { shard, number: 0 };
        loop {
            let entries = store.changes(at, STEP, STEP_BYTES).await?;
            let Some(last) = entries.last() else { break };
            at = last.position;
            let documents = cores::map(&entries, |entry| store.verify_logged(entry.kind, &entry.document));
            for (entry, document) in entries.iter().zip(documents) {
                let fault = match document {
                    Ok(document) => {
                        verified.documents += 1;
                        trace(store, entry, &document).await?
                    }
                    Err(error) => Some(Fault::Document(entry.position, error)),
                };
                fault.into_iter().for_each(|fault| verified.note(fault));
            }
            watch(at.number, head);
        }
    }
    Ok(verified)
}

/// Looks for what a document must have left in the record of its CPI.
async fn trace(store: &Store, entry: &LogEntry, document: &Document) -> Result<Option<Fault>, StorageError> {
    let read = |stored: Option<Stored<'_>>| stored.map(|stored| Record::decode(stored.bytes)).transpose();
    let record =
        store.find(document.cpi(), read).await?.map_err(|_| StorageError::Damaged("a record"))?.unwrap_or_default();
    let now = store.now();
    Ok(match document {
        Document::Mapping(mapping) => {
            let published = store.published_at(entry.position.shard, &mapping.hash()).await?.unwrap_or(now);
            trace_of_mapping(&record, mapping, published.plus(store.horizon()), now, entry.position)
        }
        Document::Removal(removal) => {
            trace_of_removal(&record, removal.document(), store.horizon(), now, entry.position)
        }
    })
}

fn trace_of_mapping(
    record: &Record,
    mapping: &VerifiedMapping,
    remembered_until: Timestamp,
    now: Timestamp,
    position: Position,
) -> Option<Fault> {
    let (claims, credential, holder) = (mapping.mapping(), mapping.credential(), mapping.holder().thumbprint());
    let msp = claims.reachability.msp().map(MspHash::of);
    let found = record.entries.iter().find(|entry| entry.holder == holder && entry.msp == msp);
    match found {
        Some(entry) if entry.seq < claims.seq => Some(Fault::Stale(position)),
        Some(entry) if entry.seq > claims.seq => None,
        Some(entry) => {
            let live = claims.state == State::Live && now < claims.expires_at;
            (entry.is_found(now) != live || (live && entry.document != mapping.bytes()))
                .then_some(Fault::Other(position))
        }
        None => {
            // Also by an earlier claim, to which the holder has answered with a later one.
            let claimed = record.limits.fresh.is_some_and(|fresh| credential.issued_at < fresh.since);
            let overtaken = claimed || record.limits.overtake(&holder, credential.issued_at);
            // No credential counts any more that could bring it back, or an older one.
            let forgotten =
                now >= remembered_until.max(claims.expires_at) || now >= credential.expires_at.plus(2 * CLOCK_SKEW);
            (!overtaken && !forgotten).then_some(Fault::Missing(position))
        }
    }
}

fn trace_of_removal(
    record: &Record,
    removal: &Removal,
    horizon: std::time::Duration,
    now: Timestamp,
    position: Position,
) -> Option<Fault> {
    let lapsed = now >= removal.issued_before.plus(horizon);
    (record.limits.removed_before < removal.issued_before && !lapsed).then_some(Fault::NotRemoved(position))
}
