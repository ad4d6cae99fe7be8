//! Records that were read of late, each by itself: [`Recent`].
//!
//! RocksDB's cache holds blocks of a dozen records; of those that are asked for often, few share a block. A record held here
//! takes a tenth of the memory, and neither index nor block is searched for it. What is asked for once does not push out what is asked for
//! again and again (S3-FIFO, by `quick_cache`).
//!
//! Nothing stale is ever held. Whoever changes records first forgets them and bars their stripes ([`Recent::changing`]) until the
//! change is written; a record that was read is kept only if its stripe was open when the reading began, and has been so ever since. So
//! from the moment a change is acknowledged, and even from when the first reader meets it, nobody is given what was there before.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::label::Label;

/// Changes of different stripes do not hinder each other's readers.
const STRIPES: usize = 256;
/// What a record takes besides its own bytes: its label, its places in the cache's lists and table, the allocator's share.
const OVERHEAD_BYTES: u64 = 150;
/// A record with one mapping, for the cache's estimate of how many it will hold.
const TYPICAL_BYTES: usize = 768;

/// A cache of records with their revisions, as the database has them.
pub(super) struct Recent {
    records: Cache<Label, Arc<[u8]>, Weigh, BuildHasherDefault<LabelHasher>>,
    stripes: Box<[Mutex<Stripe>]>,
}

/// When a reading of the database began, while nobody changed anything in the label's stripe.
pub(super) struct Reading(u64);

/// Labels whose records are being changed, until this is dropped.
#[must_use = "the records may be held again once this is dropped"]
pub(super) struct Changing<'a> {
    recent: &'a Recent,
    stripes: Vec<usize>,
}

#[derive(Default)]
struct Stripe {
    /// Changes under way.
    changing: u32,
    /// Changes that began so far.
    changes: u64,
}

impl Recent {
    pub(super) fn new(bytes: usize) -> Self {
        let options = OptionsBuilder::new()
            .weight_capacity(bytes as u64)
            .estimated_items_capacity((bytes / TYPICAL_BYTES).max(1))
            .build()
            .expect("the capacity and the estimate are given");
        let records = Cache::with_options(options, Weigh, BuildHasherDefault::default(), DefaultLifecycle::default());
        Self { records, stripes: (0..STRIPES).map(|_| Mutex::default()).collect() }
    }

    /// The record, if it is held.
    pub(super) fn get(&self, label: &Label) -> Option<Arc<[u8]>> {
        self.records.get(label)
    }

    /// Before the database is read: what [`Recent::keep`] wants, unless the record may be changing.
    pub(super) fn reading(&self, label: &Label) -> Option<Reading> {
        let stripe = self.stripe(stripe_of(label));
        (stripe.changing == 0).then_some(Reading(stripe.changes))
    }

    /// Holds a record that was read, unless it may have changed since the reading began.
    pub(super) fn keep(&self, label: &Label, reading: &Reading, value: &[u8]) {
        let copy = Arc::from(value);
        let stripe = self.stripe(stripe_of(label));
        if stripe.changes == reading.0 {
            self.records.insert(*label, copy);
        }
    }

    /// Forgets these records, and holds none of them until the change is done.
    pub(super) fn changing(&self, labels: impl Iterator<Item = Label>) -> Changing<'_> {
        let mut stripes = Vec::new();
        for label in labels {
            let number = stripe_of(&label);
            let mut stripe = self.stripe(number);
            stripe.changing += 1;
            stripe.changes += 1;
            self.records.remove(&label);
            stripes.push(number);
        }
        Changing { recent: self, stripes }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.records.weight()
    }

    fn stripe(&self, number: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        for number in &self.stripes {
            self.recent.stripe(*number).changing -= 1;
        }
    }
}

fn stripe_of(label: &Label) -> usize {
    let [_version, first, ..] = *label;
    usize::from(first)
}

#[derive(Clone)]
struct Weigh;

impl Weighter<Label, Arc<[u8]>> for Weigh {
    fn weight(&self, _label: &Label, value: &Arc<[u8]>) -> u64 {
        value.len() as u64 + OVERHEAD_BYTES
    }
}

/// A label is a keyed hash: part of it is as good as any hash of it. Its length comes before it, and counts for nothing.
#[derive(Default)]
struct LabelHasher(u64);

impl Hasher for LabelHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Label = [1; 33];
    /// Another record of the same stripe.
    const TWIN: Label = {
        let mut label = [1; 33];
        label[32] = 2;
        label
    };

    fn holding(value: &[u8]) -> Recent {
        let recent = Recent::new(1 << 20);
        let reading = recent.reading(&ONE).unwrap();
        recent.keep(&ONE, &reading, value);
        assert_eq!(recent.get(&ONE).as_deref(), Some(value));
        recent
    }

    #[test]
    fn a_change_forgets_what_is_held() {
        let recent = holding(b"before");
        drop(recent.changing([ONE].into_iter()));
        assert_eq!(recent.get(&ONE), None);
        assert_eq!(recent.bytes(), 0);
    }

    #[test]
    fn nothing_is_held_that_was_read_before_or_while_it_changed() {
        let recent = holding(b"before");
        let early = recent.reading(&ONE).unwrap();
        let changing = recent.changing([ONE].into_iter());
        assert!(recent.reading(&ONE).is_none());
        recent.keep(&ONE, &early, b"before");
        assert_eq!(recent.get(&ONE), None);
        drop(changing);
        recent.keep(&ONE, &early, b"before");
        assert_eq!(recent.get(&ONE), None);
        let late = recent.reading(&ONE).unwrap();
        recent.keep(&ONE, &late, b"after");
        assert_eq!(recent.get(&ONE).as_deref(), Some(b"after".as_slice()));
    }

    #[test]
    fn a_stripe_opens_when_the_last_of_its_changes_is_done() {
        let recent = Recent::new(1 << 20);
        let (first, second) = (recent.changing([ONE].into_iter()), recent.changing([TWIN, ONE].into_iter()));
        drop(second);
        assert!(recent.reading(&ONE).is_none());
        drop(first);
        assert!(recent.reading(&ONE).is_some());
    }

    #[test]
    fn what_is_held_stays_within_its_bound() {
        const BOUND: usize = 1 << 20;
        let recent = Recent::new(BOUND);
        for n in 0..10_000_u32 {
            let mut label = [0; 33];
            label[1..5].copy_from_slice(&n.to_be_bytes());
            label[25..33].copy_from_slice(&u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            recent.keep(&label, &recent.reading(&label).unwrap(), &[0; 600]);
        }
        let held = usize::try_from(recent.bytes()).unwrap();
        assert!((BOUND / 2..=BOUND).contains(&held), "{held}");
    }
}
