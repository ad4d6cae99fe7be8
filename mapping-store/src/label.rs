//! The label of a CPI: what it is kept under instead of itself.
//!
//! `version (1) ‖ HMAC-SHA-256(key, canonical CPI) (32)`. Version 1 is this; an oblivious PRF may become version 2. Against
//! somebody who has both database and key it protects nothing, since telephone numbers can be enumerated.

use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::cpi::Cpi;
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// The key of the labels; wiped when dropped.
pub(crate) struct LabelKey(Zeroizing<[u8; 32]>);

/// A label: 33 bytes.
pub(crate) type Label = [u8; 33];

impl LabelKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    pub(crate) fn label(&self, cpi: &Cpi) -> Label {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(cpi.as_str().as_bytes());
        let mut label = [VERSION; 33];
        label[1..].copy_from_slice(&mac.finalize().into_bytes());
        label
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
    }
}
