//! The label of a CPI: what it is kept under instead of itself.
//!
//! `version (1) ‖ HMAC-SHA-256(key, canonical CPI) (32)`. Version 1 is this; an oblivious PRF may become version 2. Against
//! somebody who has both database and key it protects nothing, since telephone numbers can be enumerated.
//!
//! While the key is changed there are two: [`Ring`]. Records move from the label under the old one to that under the new
//! one; whoever looks for a record asks under the old one first. It is there, or has moved, or there is none: no moment
//! between two reads in which it seems to be missing.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::cpi::Cpi;
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
/// No CPI begins like this, so that the check value of a key is no label's.
const CHECK: &[u8] = b"mapping-store: check value of the hash key";

/// A label: 33 bytes.
pub(crate) type Label = [u8; 33];

/// By which a key is recognised without being told: 32 bytes. It helps nobody to find the key.
pub(crate) type KeyCheck = [u8; 32];

/// The key of the labels.
pub(crate) struct LabelKey {
    /// The key as it was read, wiped when dropped.
    secret: Zeroizing<[u8; 32]>,
    /// HMAC with the key taken in: half of a label's work.
    keyed: Hmac<Sha256>,
}

/// The key, and the one before it as long as records stand under that one.
pub(crate) struct Ring {
    pub(crate) current: LabelKey,
    pub(crate) previous: Option<LabelKey>,
}

/// The ring in use; it changes while the store runs.
pub(crate) struct Labels(ArcSwap<Ring>);

impl LabelKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Self { secret: Zeroizing::new(key), keyed }
    }

    pub(crate) fn label(&self, cpi: &Cpi) -> Label {
        let mut label = [VERSION; 33];
        label[1..].copy_from_slice(&self.mac(cpi.as_str().as_bytes()));
        label
    }

    pub(crate) fn check(&self) -> KeyCheck {
        self.mac(CHECK)
    }

    /// The key itself, to be written to its file.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

impl Ring {
    pub(crate) const fn of(current: LabelKey) -> Self {
        Self { current, previous: None }
    }

    /// Where a record may stand, in the order in which to look.
    pub(crate) fn places(&self, cpi: &Cpi) -> impl Iterator<Item = Label> {
        self.previous.iter().chain([&self.current]).map(|key| key.label(cpi))
    }

    /// The check values of its keys: the current one first.
    pub(crate) fn checks(&self) -> Vec<KeyCheck> {
        [&self.current].into_iter().chain(&self.previous).map(LabelKey::check).collect()
    }
}

impl Labels {
    pub(crate) fn new(ring: Ring) -> Self {
        Self(ArcSwap::from_pointee(ring))
    }

    pub(crate) fn ring(&self) -> Guard<Arc<Ring>> {
        self.0.load()
    }

    /// Whether `ring` is still the one in use.
    pub(crate) fn is_still(&self, ring: &Arc<Ring>) -> bool {
        Arc::ptr_eq(&self.0.load(), ring)
    }

    pub(crate) fn replace(&self, ring: Arc<Ring>) {
        self.0.store(ring);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_depend_on_key_and_cpi() {
        let (one, other) = (Cpi::parse("tel:+14155552671").unwrap(), Cpi::parse("tel:+14155552672").unwrap());
        let (key, other_key) = (LabelKey::new([1; 32]), LabelKey::new([2; 32]));
        assert_eq!(key.label(&one), key.label(&one));
        assert_ne!(key.label(&one), key.label(&other));
        assert_ne!(key.label(&one), other_key.label(&one));
        assert_eq!(key.label(&one)[0], VERSION);
        assert_ne!(key.check(), other_key.check());
    }

    /// HMAC-SHA-256 (RFC 2104) of `tel:+14155552671` under 32 octets of 1.
    #[test]
    fn a_label_is_the_hmac_of_the_canonical_identifier() {
        let cpi = Cpi::parse("tel:+14155552671").unwrap();
        let mut whole = Hmac::<Sha256>::new_from_slice(&[1; 32]).unwrap();
        whole.update(b"tel:+14155552671");
        assert_eq!(LabelKey::new([1; 32]).label(&cpi)[1..], *whole.finalize().into_bytes());
    }

    #[test]
    fn a_ring_is_searched_from_the_old_key_to_the_new_one() {
        let cpi = Cpi::parse("tel:+14155552671").unwrap();
        let ring = Ring { current: LabelKey::new([2; 32]), previous: Some(LabelKey::new([1; 32])) };
        let expected = [1, 2].map(|key| LabelKey::new([key; 32]).label(&cpi));
        assert_eq!(ring.places(&cpi).collect::<Vec<_>>(), expected);
        assert_eq!(ring.checks(), [2, 1].map(|key| LabelKey::new([key; 32]).check()));
    }
}
