//! [`Store`]: publish, remove, look up, follow. Cheap to clone; all clones are one store.

use std::sync::Arc;
use std::time::SystemTime;

use protocol::authenticated::{MappingError, UnverifiedMapping};
use protocol::lookup::{Answer, Entry, LookupRequest, Outcome};
use protocol::removal::Removal;
use protocol::trust::TrustAnchors;
use protocol::{CLOCK_SKEW, DocumentError, PublicKey, SignatureError, SigningKey, Timestamp, Unverified};
use service::secret_file::{self, SecretFileError};

use crate::config::{ConfigError, StoreConfig};
use crate::engine::{Engine, EngineError, LogEntry};
use crate::issuers::Issuers;
use crate::label::LabelKey;
use crate::record::MspHash;
use crate::rules::Refusal;
use crate::writer::{Document, Parts, WriteError, Writer};

pub use crate::writer::Published;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().into())
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Why a document was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The authenticated mapping does not verify.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The removal is malformed.
    #[error("removal: {0}")]
    Removal(#[from] DocumentError),
    /// The removal's signature does not hold.
    #[error("removal: {0}")]
    RemovalSignature(#[from] SignatureError),
    /// The removal is not by an issuer that rules the CPI.
    #[error("the removal is not by an issuer that rules this CPI")]
    NotTheIssuer,
    /// The removal is dated, or reaches, into the future.
    #[error("the removal lies in the future")]
    RemovalFromTheFuture,
    /// A rule of the store.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much to do, or shutting down: try again.
    #[error("the store has too much to do")]
    Busy,
    /// The disk is full.
    #[error("the store cannot keep more")]
    Full,
    /// The database failed.
    #[error("the database failed")]
    Failed,
}

/// Why a lookup was not answered.
#[derive(Debug, thiserror::Error)]
pub enum LookupFailure {
    /// The answer would be longer than allowed.
    #[error("the answer would be longer than allowed; ask for fewer identifiers at once")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A mapping store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    // Dropped first: the writer finishes what waits before the database closes.
    writer: Writer,
    engine: Arc<Engine>,
    labels: Arc<LabelKey>,
    trust: TrustAnchors,
    issuers: Issuers,
    provider: String,
    receipt_key: PublicKey,
    max_answer_bytes: usize,
    clock: Clock,
}

impl Store {
    /// Opens the database, creating it and its keys if they are missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub fn open(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let (trust, issuers) = (config.trust()?, config.issuers()?);
        let labels = Arc::new(LabelKey::new(secret_file::read_or_create(&config.hash_key_file, rand::random)?));
        let receipt_key = SigningKey::from_seed(&secret_file::read_or_create(&config.receipt_key_file, rand::random)?);
        let engine = Arc::new(Engine::open(&config.folder, config.cache_bytes)?);
        let public = receipt_key.public();
        let writer = Writer::start(Parts {
            engine: Arc::clone(&engine),
            labels: Arc::clone(&labels),
            provider: config.provider.clone(),
            receipt_key,
            horizon: trust.iter().map(|anchor| anchor.max_credential_lifetime).max().unwrap_or_default(),
            clock: Arc::clone(&clock),
        })?;
        let shared = Shared {
            writer,
            engine,
            labels,
            trust,
            issuers,
            provider: config.provider.clone(),
            receipt_key: public,
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
        &self.shared.receipt_key
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
        self.write(Document::Mapping(Box::new(verified))).await
    }

    /// Verifies a removal by the CPI's issuer and publishes it; returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; nothing has changed then.
    pub async fn remove(&self, removal: &[u8]) -> Result<Published, PublishError> {
        let unverified = Unverified::<Removal>::parse(removal)?;
        let claimed = unverified.unverified_document();
        let issuer = self.shared.issuers.ruling(&claimed.issuer, &claimed.cpi).ok_or(PublishError::NotTheIssuer)?;
        let removal = unverified.verify(&issuer.key)?;
        let latest = (self.shared.clock)().plus(CLOCK_SKEW);
        if removal.document().issued_at > latest || removal.document().issued_before > latest {
            return Err(PublishError::RemovalFromTheFuture);
        }
        self.write(Document::Removal(Box::new(removal))).await
    }

    /// Answers a lookup from what is to be found now. Nothing is verified or re-encoded.
    ///
    /// # Errors
    ///
    /// [`LookupFailure`].
    pub fn lookup(&self, request: &LookupRequest) -> Result<Answer, LookupFailure> {
        let now = (self.shared.clock)();
        let only = request.msp().map(MspHash::of);
        let (mut entries, mut bytes) = (Vec::with_capacity(request.cpis().len()), 0);
        for cpi in request.cpis() {
            let record = self.shared.engine.record(&self.shared.labels.label(cpi))?.unwrap_or_default();
            let outcome = Outcome::of(record.found(now).map(|entry| (entry.holder, entry.msp.is_some())));
            let wanted = record.entries.into_iter().filter(|entry| entry.is_found(now));
            let wanted = wanted.filter(|entry| only.is_none() || entry.msp == only);
            let mappings: Vec<_> = wanted.map(|entry| entry.document).collect();
            bytes += mappings.iter().map(Vec::len).sum::<usize>();
            if bytes > self.shared.max_answer_bytes {
                return Err(LookupFailure::TooLarge);
            }
            entries.push(Entry { outcome, mappings });
        }
        Ok(Answer { entries })
    }

    /// What was published after `number`, in order, within bounds.
    pub(crate) fn changes(&self, number: u64, most: usize, max_bytes: usize) -> Result<Vec<LogEntry>, EngineError> {
        self.shared.engine.log_after(number, most, max_bytes)
    }

    async fn write(&self, document: Document) -> Result<Published, PublishError> {
        self.shared.writer.publish(document).await.map_err(|error| match error {
            WriteError::Refused(refusal) => PublishError::Refused(refusal),
            WriteError::Busy => PublishError::Busy,
            WriteError::Full => PublishError::Full,
            WriteError::Failed => PublishError::Failed,
        })
    }
}
