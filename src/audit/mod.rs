//! Holds a provider to its receipts: what it has signed is compared with what its lookups and its change feed show.
//!
//! [`promises`] reads receipts (signature, document); [`Feed::read`] reads the log from the first promised position on, as a
//! follower, and [`Feed::read_on`] the rest of it for what that leaves [`unexplained`]; [`judge()`] compares, without network: one [`Findings`] for each receipt. A [`Finding`] that is a loss says what it
//! proves, and to whom: receipts are signed and prove a promise to everybody; answers of feed and lookup are not, and show the
//! loss to whoever asks.

mod feed;
mod finding;
mod judge;

use std::collections::HashMap;

use client::trust::Trust;
use protocol::Unverified;
use protocol::authenticated::{UnverifiedMapping, VerifiedMapping};
use protocol::cpi::Cpi;
use protocol::receipt::{Position, Receipt};
use sha2::{Digest as _, Sha256};

pub use feed::Feed;
pub use finding::{Finding, Overtaken};
pub use judge::{judge, unexplained};

use crate::receipts::Kept;

/// What the provider has signed: a document is durable, at a position.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Where it stands.
    pub position: Position,
    /// SHA-256 of the document.
    pub hash: [u8; 32],
    /// The document, if it is a mapping; verified as of its own time.
    pub mapping: Option<VerifiedMapping>,
}

/// A receipt of the file, and what came of it.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The promise; `None` if the receipt is none.
    pub promise: Option<Promise>,
    /// What was found, in the order of looking.
    pub found: Vec<Finding>,
}

impl Findings {
    /// Whether the provider has lost or reordered what it promised.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        self.found.iter().any(Finding::is_loss)
    }
}

/// Reads receipts: each is a promise, or no evidence, and why.
#[must_use]
pub fn promises(kept: &[Kept], trust: &Trust) -> Vec<Result<Promise, String>> {
    kept.iter().map(|kept| promise(kept, trust)).collect()
}

fn promise(kept: &Kept, trust: &Trust) -> Result<Promise, String> {
    let receipt = Unverified::<Receipt>::parse(&kept.receipt).map_err(|error| error.to_string())?;
    let receipt = receipt.verify(&trust.provider.receipt_key).map_err(|error| error.to_string())?;
    let receipt = receipt.document();
    let hash: [u8; 32] = Sha256::digest(&kept.published).into();
    if receipt.published_hash != hash {
        return Err("the receipt is for another document".to_owned());
    }
    Ok(Promise { position: receipt.position, hash, mapping: mapping(&kept.published, trust) })
}

/// A mapping, verified as of its own time: it may have expired since.
fn mapping(document: &[u8], trust: &Trust) -> Option<VerifiedMapping> {
    let unverified = UnverifiedMapping::parse(document).ok()?;
    let then = unverified.unverified_mapping().issued_at;
    unverified.verify(&trust.provers, then).ok()
}

/// The CPIs to look up for an audit, each once.
#[must_use]
pub fn cpis(promises: &[Result<Promise, String>]) -> Vec<Cpi> {
    let mut seen = HashMap::new();
    let mappings = promises.iter().filter_map(|promise| promise.as_ref().ok()?.mapping.as_ref());
    mappings
        .map(|mapping| &mapping.mapping().cpi)
        .filter(|cpi| seen.insert((*cpi).clone(), ()).is_none())
        .cloned()
        .collect()
}
