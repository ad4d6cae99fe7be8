//! Opening a [`Store`] with its keys: over the embedded database or a cluster's; to serve, to read, or to bring a restored one
//! forward.

use std::path::Path;
use std::sync::Arc;

use protocol::SigningKey;
use service::secret_file;
use tokio::sync::{Mutex, Notify, watch};
use zeroize::Zeroizing;

use super::{Clock, OpenError, Shared, Store, moved, restored};
use crate::config::StoreConfig;
use crate::hash_key::{self, HashKeyError};
use crate::label::{Labels, Ring};
use crate::storage::{ClusterConfig, Cql, Engine, Rocks, SchemaConfig, Storage, StorageError};
use crate::writer::{Parts, Writer};

/// The keys of a store.
pub(super) struct Keys {
    pub(super) ring: Ring,
    pub(super) receipt: SigningKey,
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
}

impl<S: Storage> Store<S> {
    /// A store over an open engine whose shards end at `heads`.
    pub(super) fn over(
        storage: S,
        heads: Vec<u64>,
        keys: Keys,
        config: &StoreConfig,
        clock: Clock,
    ) -> Result<Self, OpenError> {
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
