//! [`Store`]: publish, remove, look up, follow. Cheap to clone; all clones are one store.

mod conflict;
mod error;
mod find;
mod lookup;
pub(crate) mod moved;
mod publish;
mod restored;
pub(crate) mod rotation;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::receipt::Position;
use protocol::trust::TrustAnchors;
use protocol::{PublicKey, SigningKey, Timestamp};
use service::secret_file;
use tokio::sync::{Mutex, Notify, watch};
use zeroize::Zeroizing;

use crate::config::StoreConfig;
use crate::hash_key::{self, HashKeyError};
use crate::issuers::Issuers;
use crate::label::{Labels, Ring};
use crate::storage::{
    Checked, ClusterConfig, Cql, Disagreement, Engine, LogEntry, Rocks, SchemaConfig, Storage, StorageError,
};
use crate::writer::{Answer, Parts, Writer, Written};

pub use error::{ConflictError, LookupFailure, OpenError, PublishError};
pub use lookup::Answered;
pub(crate) use restored::{is_restored, mark as mark_restored};
pub(crate) use rotation::cpi_of;
pub use rotation::{Rotating, RotationError};

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
pub struct Store<S: Storage = Engine> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    // Dropped first: the writer finishes what waits before the database closes.
    writer: Writer,
    storage: Arc<S>,
    heads: Arc<[watch::Sender<u64>]>,
    labels: Arc<Labels>,
    hash_key: hash_key::Source,
    /// Held by whoever changes the hash key.
    rotating: Mutex<()>,
    rotation: Notify,
    trust: TrustAnchors,
    issuers: Issuers,
    provider: String,
    receipt_key: SigningKey,
    receipt_public: PublicKey,
    max_answer_bytes: usize,
    clock: Clock,
}

/// The keys of a store.
struct Keys {
    ring: Ring,
    receipt: SigningKey,
}

/// A document that has been handed in.
pub(crate) struct Submitted(Answer<Written>);

impl<S: Storage> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Store {
    /// Opens the database that the settings name: the embedded one as [`Store::open`], or that of a cluster.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub async fn connect(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        Self::of_either(config, clock, Self::open).await
    }

    /// As [`Store::connect`], and takes a database that was restored from a backup: see [`Store::open_to_bring_forward`].
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub async fn connect_to_bring_forward(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        Self::of_either(config, clock, Self::open_to_bring_forward).await
    }

    /// As [`Store::connect`]; nothing is published in it, and an embedded database is not changed: see [`Store::open_read_only`].
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub async fn connect_to_read(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        Self::of_either(config, clock, Self::open_read_only).await
    }

    /// Opens the embedded database, creating it if it is missing, and with it its keys.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub fn open(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let storage = Self::embedded(config, Rocks::open)?;
        restored::refuse(&storage)?;
        Self::over_rocks(storage, config, clock)
    }

    /// As [`Store::open`], and takes a database that was restored from a backup and has not been brought forward: it answers as
    /// of the backup until it is, so nobody is to be served from it.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub fn open_to_bring_forward(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        Self::over_rocks(Self::embedded(config, Rocks::open)?, config, clock)
    }

    /// As [`Store::open_to_bring_forward`], and refuses a folder without a database: for those who change what is there.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub(crate) fn open_existing(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        Self::over_rocks(Self::embedded(config, Rocks::open_existing)?, config, clock)
    }

    /// Opens an embedded database to read it: a backup, or one that nobody serves. Nothing is changed in it, nothing can be published,
    /// no key is made.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub fn open_read_only(config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let storage = Rocks::open_read_only(&config.folder, config.cache_bytes)?;
        let source = hash_key::Source::of(&config.hash_key_file);
        let ring = source.read()?.ok_or_else(|| HashKeyError::Missing(source.to_string()))?;
        let known = known(&storage)?;
        if known.checks.iter().any(|check| !ring.checks().contains(check)) {
            return Err(HashKeyError::Other(source.to_string()).into());
        }
        let keys = Keys { ring, receipt: receipt_key(config, false)? };
        let heads = storage.heads();
        Self::over(Engine::Rocks(Box::new(storage)), heads, keys, config, clock)
    }

    /// Creates what the stores of a cluster share: keyspace and tables, the hash key and the receipt key. What is there stays. Both key
    /// files are then copied to every store.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting; [`OpenError::NoCluster`].
    pub async fn create_schema(config: &StoreConfig, schema: &SchemaConfig) -> Result<(), OpenError> {
        let cluster = config.cluster.as_ref().ok_or(OpenError::NoCluster)?;
        Cql::create_schema(cluster, schema).await?;
        let storage = Cql::connect(cluster).await?;
        let checks = storage.note(hash_key::NOTE).await?.unwrap_or_default().as_chunks().0.to_vec();
        let used = storage.heads().await?.iter().any(|head| *head > 0);
        let known = hash_key::Known { checks, used };
        receipt_key(config, known.is_new())?;
        let settled = hash_key::Source::of(&config.hash_key_file).settle(&known, rand::random)?;
        if settled.changed {
            storage.set_note(hash_key::NOTE, Some(settled.ring.checks().as_flattened())).await?;
        }
        Ok(())
    }

    /// The cluster's database if the settings name one, or else what `embedded` opens.
    async fn of_either(
        config: &StoreConfig,
        clock: Clock,
        embedded: impl FnOnce(&StoreConfig, Clock) -> Result<Self, OpenError>,
    ) -> Result<Self, OpenError> {
        match &config.cluster {
            None => embedded(config, clock),
            Some(cluster) => Self::over_cluster(cluster, config, clock).await,
        }
    }

    /// Opens the folder's database. Settings first: a wrong one creates nothing.
    fn embedded(
        config: &StoreConfig,
        open: impl FnOnce(&Path, usize) -> Result<Rocks, StorageError>,
    ) -> Result<Rocks, OpenError> {
        if config.cluster.is_some() {
            return Err(OpenError::Cluster);
        }
        config.check()?;
        let storage = open(&config.folder, config.cache_bytes)?;
        moved::refuse(&storage)?;
        Ok(storage)
    }

    fn over_rocks(storage: Rocks, config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let known = known(&storage)?;
        let receipt = receipt_key(config, known.is_new())?;
        let settled = hash_key::Source::of(&config.hash_key_file).settle(&known, rand::random)?;
        if settled.changed {
            storage.write_note(hash_key::MOVED_NOTE, None)?;
            storage.write_note(hash_key::NOTE, Some(settled.ring.checks().as_flattened()))?;
        }
        let (heads, keys) = (storage.heads(), Keys { ring: settled.ring, receipt });
        Self::over(Engine::Rocks(Box::new(storage)), heads, keys, config, clock)
    }

    /// Makes no key: one that only this process has would part it from the others.
    async fn over_cluster(cluster: &ClusterConfig, config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        config.check()?;
        let source = hash_key::Source::of(&config.hash_key_file);
        let ring = source.read()?.ok_or_else(|| OpenError::NotShared(config.hash_key_file.clone()))?;
        let receipt = match receipt_key(config, false) {
            Err(OpenError::NoReceiptKey(missing)) => return Err(OpenError::NotShared(missing)),
            receipt => receipt?,
        };
        let storage = Cql::connect(cluster).await?;
        let checks = storage.note(hash_key::NOTE).await?.ok_or(OpenError::NoHashKey)?;
        if checks != ring.checks().as_flattened() {
            return Err(HashKeyError::Other(source.to_string()).into());
        }
        let (heads, keys) = (storage.heads().await?, Keys { ring, receipt });
        Self::over(Engine::Cql(storage), heads, keys, config, clock)
    }

    /// Copies the database as it is now into `folder`, which must not exist. Publications go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`StorageError`]; a cluster has means of its own.
    pub async fn checkpoint(&self, folder: PathBuf) -> Result<(), StorageError> {
        let store = self.clone();
        let copying = tokio::task::spawn_blocking(move || match store.shared.storage.embedded() {
            Some(rocks) => rocks.checkpoint(&folder),
            None => Err(StorageError::Failed("a cluster is backed up by its own means".to_owned())),
        });
        copying.await.unwrap_or_else(|_| Err(StorageError::Failed("the copy was cut off".to_owned())))
    }

    /// Whether other stores have the same database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(*self.shared.storage, Engine::Cql(_))
    }

    /// Whether the engine answers and publications are written.
    pub(crate) async fn is_ready(&self) -> bool {
        let answers = match &*self.shared.storage {
            Engine::Rocks(_) => true,
            Engine::Cql(cluster) => cluster.is_ready().await,
        };
        answers && self.shared.writer.is_running()
    }

    /// Learns what other stores of the same cluster have published, for those who wait for it.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub(crate) async fn look_around(&self) -> Result<(), StorageError> {
        let Engine::Cql(cluster) = &*self.shared.storage else { return Ok(()) };
        for (head, known) in cluster.heads().await?.into_iter().zip(&*self.shared.heads) {
            known.send_if_modified(|known| {
                let later = *known < head;
                *known = head.max(*known);
                later
            });
        }
        Ok(())
    }
}

impl<S: Storage> Store<S> {
    /// A store over an open engine whose shards end at `heads`.
    fn over(storage: S, heads: Vec<u64>, keys: Keys, config: &StoreConfig, clock: Clock) -> Result<Self, OpenError> {
        let (trust, issuers) = (config.trust()?, config.issuers()?);
        let Keys { ring, receipt: receipt_key } = keys;
        let labels = Arc::new(Labels::new(ring));
        let storage = Arc::new(storage);
        let heads: Arc<[_]> = heads.into_iter().map(watch::Sender::new).collect();
        let writer = Writer::start(Parts {
            storage: Arc::clone(&storage),
            labels: Arc::clone(&labels),
            horizon: trust.max_credential_lifetime(),
            clock: Arc::clone(&clock),
            heads: Arc::clone(&heads),
        })?;
        let shared = Shared {
            writer,
            storage,
            heads,
            labels,
            hash_key: hash_key::Source::of(&config.hash_key_file),
            rotating: Mutex::default(),
            rotation: Notify::new(),
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

    /// The store's clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// The longest life of any trusted credential.
    pub(crate) fn horizon(&self) -> Duration {
        self.shared.trust.max_credential_lifetime()
    }

    /// When the document of this hash was published, if it was: one whose entry stands in this shard.
    pub(crate) async fn published_at(&self, shard: u32, hash: &[u8; 32]) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.shared.storage.stamp_in(shard, hash).await?.map(|stamp| stamp.at))
    }

    /// The engine itself.
    pub(crate) fn storage(&self) -> &S {
        &self.shared.storage
    }

    /// Sets the gauges.
    pub(crate) async fn observe(&self) {
        if let Ok(rotating) = self.rotating().await {
            ::metrics::gauge!(crate::metrics::HASH_KEY_MOVED_RATIO).set(rotating.ratio());
        }
        let heads: Vec<_> = self.shared.heads.iter().map(|head| *head.borrow()).collect();
        crate::metrics::observe(&heads, self.shared.storage.tally(), self.shared.storage.figures());
    }
}

fn known(storage: &Rocks) -> Result<hash_key::Known, StorageError> {
    let checks = storage.read_note(hash_key::NOTE)?.unwrap_or_default().as_chunks().0.to_vec();
    Ok(hash_key::Known { checks, used: storage.heads().iter().any(|head| *head > 0) })
}

/// The key that signs receipts. Clients know it, so a database that was opened with one is given no other.
fn receipt_key(config: &StoreConfig, may_create: bool) -> Result<SigningKey, OpenError> {
    let file = &config.receipt_key_file;
    let seed = match secret_file::read_key::<32>(file)? {
        Some(seed) => seed,
        None if may_create => Zeroizing::new(secret_file::read_or_create(file, rand::random)?),
        None => return Err(OpenError::NoReceiptKey(file.clone())),
    };
    Ok(SigningKey::from_seed(&seed))
}
