//! [`Store`]: publish, remove, look up, follow. Cheap to clone; all clones are one store.

mod error;
mod lookup;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use protocol::authenticated::UnverifiedMapping;
use protocol::receipt::{Position, Receipt};
use protocol::removal::Removal;
use protocol::trust::TrustAnchors;
use protocol::{CLOCK_SKEW, PublicKey, Signed, SigningKey, Timestamp, Unverified};
use service::secret_file;
use tokio::sync::watch;

use crate::config::StoreConfig;
use crate::conflict::{self, ConflictError, ConflictNotice};
use crate::issuers::Issuers;
use crate::label::LabelKey;
use crate::record::View;
use crate::storage::{Checked, Disagreement, Kind, LogEntry, Rocks, Stamp, Storage, StorageError, Stored};
use crate::writer::{Answer, Document, Parts, Writer, Written};

pub use error::{LookupFailure, OpenError, PublishError};
pub use lookup::Answered;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().into())
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is durable now; the signed receipt.
    New(Vec<u8>),
    /// It was published before; the same receipt.
    Known(Vec<u8>),
}

/// A mapping store over an engine.
pub struct Store<S: Storage = Rocks> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    // Dropped first: the writer finishes what waits before the database closes.
    writer: Writer,
    storage: Arc<S>,
    heads: Arc<[watch::Sender<u64>]>,
    labels: Arc<LabelKey>,
    trust: TrustAnchors,
    issuers: Issuers,
    provider: String,
    receipt_key: SigningKey,
    receipt_public: PublicKey,
    max_answer_bytes: usize,
    clock: Clock,
}

/// A document that has been handed in.
pub(crate) struct Submitted(Answer<Written>);

impl<S: Storage> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Store {
    /// Opens the database, creating it and its keys if they are missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub fn open(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        // Settings first: a wrong one creates nothing.
        config.trust()?;
        config.issuers()?;
        let storage = Rocks::open(&config.folder, config.cache_bytes)?;
        let heads = storage.heads();
        Self::over(storage, heads, config, clock)
    }
}

impl<S: Storage> Store<S> {
    /// A store over an open engine whose shards end at `heads`.
    fn over(storage: S, heads: Vec<u64>, config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let (trust, issuers) = (config.trust()?, config.issuers()?);
        let labels = Arc::new(LabelKey::new(secret_file::read_or_create(&config.hash_key_file, rand::random)?));
        let receipt_key = SigningKey::from_seed(&secret_file::read_or_create(&config.receipt_key_file, rand::random)?);
        let storage = Arc::new(storage);
        let heads: Arc<[_]> = heads.into_iter().map(watch::Sender::new).collect();
        let writer = Writer::start(Parts {
            storage: Arc::clone(&storage),
            labels: Arc::clone(&labels),
            horizon: trust.iter().map(|anchor| anchor.max_credential_lifetime).max().unwrap_or_default(),
            clock: Arc::clone(&clock),
            heads: Arc::clone(&heads),
        })?;
        let shared = Shared {
            writer,
            storage,
            heads,
            labels,
            trust,
            issuers,
            provider: config.provider.clone(),
            receipt_public: receipt_key.public(),
            receipt_key,
            max_answer_bytes: config.max_answer_bytes,
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.shared.provider
    }

    /// The key under which receipts are signed; clients pin it.
    #[must_use]
    pub fn receipt_key(&self) -> &PublicKey {
        &self.shared.receipt_public
    }

    /// The names of the trusted ID Provers.
    pub fn provers(&self) -> impl Iterator<Item = &str> {
        self.shared.trust.iter().map(|anchor| anchor.prover.as_str())
    }

    /// Verifies an authenticated mapping and publishes it; returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; nothing has changed then.
    pub async fn publish(&self, mapping: &[u8]) -> Result<Published, PublishError> {
        let now = (self.shared.clock)();
        let verified = UnverifiedMapping::parse(mapping)?.verify(&self.shared.trust, now)?;
        let submitted = self.hand_in(Document::Mapping(Box::new(verified)))?;
        self.outcome(submitted).await
    }

    /// Verifies a removal by the CPI's issuer and publishes it; returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; nothing has changed then.
    pub async fn remove(&self, removal: &[u8]) -> Result<Published, PublishError> {
        let submitted = self.submit_removal(removal)?;
        self.outcome(submitted).await
    }

    /// Hands in a document that another provider's log has. Its place among those handed in is settled when this returns.
    ///
    /// A mapping is verified as of when it was signed: a withdrawal or replacement takes back what is older even if it has
    /// expired since. What has expired is never served, whenever it was verified.
    pub(crate) fn submit(&self, kind: Kind, document: &[u8]) -> Result<Submitted, PublishError> {
        match kind {
            Kind::Mapping => {
                let unverified = UnverifiedMapping::parse(document)?;
                let then = unverified.unverified_mapping().issued_at.min((self.shared.clock)());
                self.hand_in(Document::Mapping(Box::new(unverified.verify(&self.shared.trust, then)?)))
            }
            Kind::Removal => self.submit_removal(document),
        }
    }

    /// The outcome of what was handed in, once it is durable.
    pub(crate) async fn outcome(&self, submitted: Submitted) -> Result<Published, PublishError> {
        let Written { hash, stamp, new } = submitted.0.wait().await?;
        let receipt = self.receipt(hash, stamp);
        Ok(if new { Published::New(receipt) } else { Published::Known(receipt) })
    }

    fn submit_removal(&self, removal: &[u8]) -> Result<Submitted, PublishError> {
        let unverified = Unverified::<Removal>::parse(removal)?;
        let claimed = unverified.unverified_document();
        let issuer = self.shared.issuers.ruling(&claimed.issuer, &claimed.cpi).ok_or(PublishError::NotTheIssuer)?;
        let removal = unverified.verify(&issuer.key)?;
        let latest = (self.shared.clock)().plus(CLOCK_SKEW);
        if removal.document().issued_at > latest || removal.document().issued_before > latest {
            return Err(PublishError::RemovalFromTheFuture);
        }
        self.hand_in(Document::Removal(Box::new(removal)))
    }

    fn hand_in(&self, document: Document) -> Result<Submitted, PublishError> {
        Ok(Submitted(self.shared.writer.publish(document)?))
    }

    /// The receipt is not kept but signed anew: Ed25519 is deterministic, so the same publication has the same receipt for as
    /// long as provider and key stay the same.
    fn receipt(&self, hash: [u8; 32], stamp: Stamp) -> Vec<u8> {
        let receipt = Receipt {
            provider: self.shared.provider.clone(),
            published_hash: hash,
            position: stamp.position,
            issued_at: stamp.at,
        };
        Signed::sign(receipt, &self.shared.receipt_key).bytes().to_vec()
    }

    /// Answers a displaced holder's [`conflict::ConflictQuery`] with a signed [`ConflictNotice`].
    ///
    /// # Errors
    ///
    /// [`ConflictError`]; [`ConflictError::None`] if nothing of that key's was displaced.
    pub async fn conflict(&self, query: &[u8]) -> Result<Vec<u8>, ConflictError> {
        let now = (self.shared.clock)();
        let query = conflict::verify(query, &self.shared.provider, now)?;
        let (cpi, holder) = (query.document().cpi.clone(), query.signer().thumbprint());
        let find = |stored: Option<Stored<'_>>| {
            let view = stored.map(|stored| View::parse(stored.bytes)).transpose()?;
            Ok(view.and_then(|view| view.notices().find(|notice| notice.holder == holder)))
        };
        let found = self.shared.storage.record(&self.shared.labels.label(&cpi), find).await;
        let found =
            found.and_then(|found| found.map_err(|_: crate::record::Damaged| StorageError::Damaged("a record")));
        let notice = found.map_err(|error| {
            tracing::error!(%error, "a conflict query failed");
            ConflictError::Failed
        })?;
        let notice = ConflictNotice {
            provider: self.shared.provider.clone(),
            cpi,
            holder,
            displaced_at: notice.ok_or(ConflictError::None)?.at,
            issued_at: now,
        };
        Ok(Signed::sign(notice, &self.shared.receipt_key).bytes().to_vec())
    }

    /// Drops what time has overtaken in up to `most` records. Answers how many they were; fewer than `most` means that no
    /// more are due.
    ///
    /// # Errors
    ///
    /// [`PublishError::Busy`], [`PublishError::Full`] or [`PublishError::Failed`].
    pub async fn sweep(&self, most: usize) -> Result<usize, PublishError> {
        Ok(self.shared.writer.sweep(most)?.wait().await?)
    }

    /// Walks the whole database and compares records, log, stamps and index.
    ///
    /// # Errors
    ///
    /// The first [`Disagreement`].
    pub async fn check(&self) -> Result<Checked, Disagreement> {
        crate::storage::check(&*self.shared.storage).await
    }

    /// How many shards the log has.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shared.storage.shards()
    }

    /// What was published after a position, in order, within bounds.
    pub(crate) async fn changes(
        &self,
        after: Position,
        most: usize,
        max_bytes: usize,
    ) -> Result<Vec<LogEntry>, StorageError> {
        self.shared.storage.log_after(after, most, max_bytes).await
    }

    /// The last number of a shard, as it grows; none if there is no such shard.
    pub(crate) fn head(&self, shard: u32) -> Option<watch::Receiver<u64>> {
        self.shared.heads.get(shard as usize).map(watch::Sender::subscribe)
    }

    /// The engine itself.
    pub(crate) fn storage(&self) -> &S {
        &self.shared.storage
    }

    /// Sets the gauges.
    pub(crate) fn observe(&self) {
        let heads: Vec<_> = self.shared.heads.iter().map(|head| *head.borrow()).collect();
        crate::metrics::observe(&heads, self.shared.storage.tally(), self.shared.storage.figures());
    }
}
