//! Publication, in steps that consume each other: a signed mapping, its receipt, and both together as proof that a store has
//! promised to serve it.
//!
//! ```text
//! Enrolled → sign → ToPublish → bytes to the store, receipt back → published → Published
//! ```
//!
//! Whoever carries the bytes (the MSP, [`crate::msp::StoreConnection`], a browser) need not be believed: the receipt is signed
//! by the store for these very octets.
//!
//! ```
//! # mod fixtures { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures.rs")); }
//! use client::enrollment::{Enrolled, Wish};
//! use protocol::mapping::{Reachability, State, Tags};
//! use protocol::receipt::{Position, Receipt};
//! use protocol::{Signed, mimi_uri::Msp};
//! # use fixtures::{HOLDER, NOW as now, cpi, key};
//! # use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let trust = fixtures::trust();
//! let credential = fixtures::credential(&cpi(), HOLDER, "mimi://a.example");
//! let enrolled = Enrolled::from_credential(credential.bytes(), &trust.provers)?;
//! let wish = Wish {
//!     reachability: Reachability::At { msp: Msp::parse("mimi://a.example")?, psi: None },
//!     tags: Tags::new(["Default"])?,
//!     seq: 1,
//!     fresh: false,
//!     state: State::Live,
//!     lifetime: Duration::from_secs(30 * 24 * 3600),
//! };
//! let to_publish = enrolled.sign(wish, &key(HOLDER), now)?;
//!
//! // What the store answers to those octets.
//! let position = Position { shard: 0, number: 1 };
//! let hash = to_publish.hash();
//! let receipt = Receipt { provider: "provider.example".to_owned(), published_hash: hash, position, issued_at: now };
//! let receipt = Signed::sign(receipt, &key(9));
//!
//! let published = to_publish.published(receipt.bytes(), &trust.provider.receipt_key)?;
//! assert_eq!(published.receipt().document().position, position);
//! # Ok(())
//! # }
//! ```

use protocol::receipt::Receipt;
use protocol::{PublicKey, Signed, SigningKey, Timestamp, Unverified};
use sha2::{Digest as _, Sha256};

use crate::enrollment::{Enrolled, Wish};
use crate::error::{Error, Fault};

/// An authenticated mapping that its holder has signed, and no store has a receipt for yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToPublish {
    bytes: Vec<u8>,
}

/// An authenticated mapping and the receipt for it. Keep both: together they show what a store has promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    bytes: Vec<u8>,
    receipt: Signed<Receipt>,
}

impl Enrolled {
    /// Signs a mapping, as [`Self::map`] does, and awaits its receipt. A withdrawal ([`protocol::mapping::State::Withdrawn`])
    /// is published like any other.
    ///
    /// # Errors
    ///
    /// As [`Self::map`].
    pub fn sign(&self, wish: Wish, key: &SigningKey, now: Timestamp) -> Result<ToPublish, Error> {
        self.map(wish, key, now).map(|bytes| ToPublish { bytes })
    }
}

impl ToPublish {
    /// What goes to the store, octet for octet.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What its receipt has to name: SHA-256 of the octets.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// Takes the store's receipt.
    ///
    /// # Errors
    ///
    /// [`Fault::Store`] if it is not signed by `receipt_key`, or is for other octets.
    pub fn published(self, receipt: &[u8], receipt_key: &PublicKey) -> Result<Published, Error> {
        let receipt = verify_receipt(&self.bytes, receipt, receipt_key)?;
        Ok(Published { bytes: self.bytes, receipt })
    }
}

impl Published {
    /// What was published.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The receipt: when, and where in the provider's log.
    #[must_use]
    pub fn receipt(&self) -> &Signed<Receipt> {
        &self.receipt
    }
}

/// Verifies that `receipt` is signed by `receipt_key` for the octets of `document`, a mapping or a removal.
///
/// # Errors
///
/// [`Fault::Store`] names the rule that it broke.
pub fn verify_receipt(document: &[u8], receipt: &[u8], receipt_key: &PublicKey) -> Result<Signed<Receipt>, Error> {
    let wrong = |rule: &str| Error::lasting(Fault::Store, format!("receipt: {rule}"));
    let receipt = Unverified::<Receipt>::parse(receipt).map_err(|error| wrong(&error.to_string()))?;
    let receipt = receipt.verify(receipt_key).map_err(|error| wrong(&error.to_string()))?;
    let hash: [u8; 32] = Sha256::digest(document).into();
    if receipt.document().published_hash == hash { Ok(receipt) } else { Err(wrong("it is for another document")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::receipt::Position;

    use super::*;
    use crate::sample::{NOW, mapping};

    fn receipt(hash: [u8; 32], key: u8) -> Signed<Receipt> {
        let position = Position { shard: 0, number: 7 };
        let receipt =
            Receipt { provider: "provider.example".to_owned(), published_hash: hash, position, issued_at: NOW };
        Signed::sign(receipt, &SigningKey::from_seed(&[key; 32]))
    }

    #[test]
    fn a_receipt_is_for_these_octets_and_by_this_key() {
        let to_publish =
            || ToPublish { bytes: mapping("mimi://a.example", &[], Duration::from_secs(60)).bytes().to_vec() };
        let key = SigningKey::from_seed(&[9; 32]).public();
        let good = receipt(to_publish().hash(), 9);
        let published = to_publish().published(good.bytes(), &key).unwrap();
        assert_eq!((published.receipt(), published.bytes()), (&good, to_publish().bytes()));

        let mut cut = good.bytes().to_vec();
        cut.pop();
        for (receipt, rule) in [
            (receipt([0; 32], 9).bytes().to_vec(), "for another document"),
            (receipt(to_publish().hash(), 8).bytes().to_vec(), "receipt: "),
            (cut, "receipt: "),
            (to_publish().bytes().to_vec(), "receipt: "),
        ] {
            let error = to_publish().published(&receipt, &key).unwrap_err();
            assert_eq!((error.fault, error.is_passing()), (Fault::Store, false));
            assert!(error.message.contains(rule), "{error}");
        }
    }
}
