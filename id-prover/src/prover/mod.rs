//! The prover at work: the state machine of [`crate::enrollment`] with clock, randomness, database, couriers and limits.

mod enroll;
mod prove;
mod sweep;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::cpi::{Cpi, CpiKind};
use protocol::credential::Method;
use protocol::enrollment::EnrollmentId;
use protocol::{Document, Timestamp};
use service::RetryAfter;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, LimitsConfig, MspsConfig};
use crate::courier::Couriers;
use crate::enrollment::RequestKey;
use crate::keys::files::SigningFiles;
use crate::keys::{Keys, Signer, Token, TokenError, token};
use crate::limits::shared::Together;
use crate::limits::{Allowance, Limits, Refused, Taken};
use crate::locks::Locks;
use crate::metrics;
use crate::storage::change::Change;
use crate::storage::{Cql, Engine, Rocks, Storage as _, StorageError, WriteError};

pub use enroll::{EnrollError, Enrolled};
pub use prove::ProveError;

/// Why a prover cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A key file, or the token of the signing keys.
    #[error(transparent)]
    Key(#[from] TokenError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state folder cannot be made.
    #[error("cannot make the state folder: {0}")]
    Folder(std::io::Error),
}

/// The database or the token cannot do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Too much to do, or shutting down: try again.
    #[error("the prover has too much to do")]
    Busy,
    /// The signing key cannot be used at present: try again.
    #[error("the signing key cannot be used at present")]
    NoSignature,
    /// The disk is full.
    #[error("the prover cannot keep more")]
    Full,
    /// The database failed.
    #[error("the database failed")]
    Failed,
}

/// How often an enrollment is judged anew because another prover has changed it.
const RACES: u32 = 20;

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy | WriteError::Overtaken => Self::Busy,
            WriteError::Full => Self::Full,
            WriteError::Failed => Self::Failed,
        }
    }
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "the database cannot be read");
        if error.is_passing() { Self::Busy } else { Self::Failed }
    }
}

/// An ID Prover. Cheap to clone; all clones are one prover.
#[derive(Clone)]
pub struct Prover {
    shared: Arc<Shared>,
}

/// What may be changed while the prover runs.
#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) msps: MspsConfig,
    pub(crate) limits: LimitsConfig,
}

struct Shared {
    storage: Engine,
    /// Its number among the provers that share their state; another one after each start.
    replica: [u8; 16],
    token: Arc<dyn Token>,
    keys: RwLock<Arc<Keys>>,
    couriers: Couriers,
    limits: Allowance,
    policy: RwLock<Arc<Policy>>,
    /// Held while a request is answered, so that the same request twice at once sends one message.
    requests: Locks<RequestKey>,
    /// Held while a proof is judged, so that two right proofs at once yield one credential.
    enrollments: Locks<EnrollmentId>,
    config: Config,
    clock: Clock,
}

impl Prover {
    /// Opens the database and the keys, creating what is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, OpenError> {
        let files = SigningFiles::new(&config.state_folder);
        Self::open_with_token(config, clock, Arc::new(files)).await
    }

    /// As [`Self::open`], with the signing keys of `token`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_with_token(config: Config, clock: Clock, token: Arc<dyn Token>) -> Result<Self, OpenError> {
        config.check_settings()?;
        let couriers = Couriers::open(&config.courier)?;
        let folder = config.state_folder.clone();
        let (token, keys) = blocking(move || Ok((Arc::clone(&token), open_keys(&folder, &*token)?))).await?;
        let limits = Arc::new(Limits::new(&config.limits, &clock, keys.limit_secret()));
        let (storage, limits) = match &config.cluster {
            Some(cluster) => {
                let cql = Cql::connect(cluster, keys.cluster_secrets()).await?;
                let together = Together::new(limits, Arc::new(cql.clone()));
                (Engine::Cql(cql), Allowance::Shared(together))
            }
            None => {
                let (folder, cache_bytes) = (config.state_folder.join("database"), config.cache_bytes);
                let restored = Arc::clone(&limits);
                let rocks = blocking(move || {
                    let rocks = Rocks::open(&folder, cache_bytes)?;
                    rocks.database().counters(|name, value| restored.restore(name, value))?;
                    Ok(rocks)
                });
                (Engine::Rocks(rocks.await?), Allowance::Own(limits))
            }
        };
        let policy = Policy { msps: config.msps.clone(), limits: config.limits.clone() };
        let shared = Shared {
            storage,
            replica: rand::random(),
            token,
            keys: RwLock::new(Arc::new(keys)),
            couriers,
            limits,
            policy: RwLock::new(Arc::new(policy)),
            requests: Locks::default(),
            enrollments: Locks::default(),
            config,
            clock,
        };
        let prover = Self { shared: Arc::new(shared) };
        prover.compare_keys().await;
        Ok(prover)
    }

    /// Checks the audit trail from its first entry to its last; returns how many there are.
    ///
    /// # Errors
    ///
    /// `StorageError` names the first entry that does not follow from the one before.
    pub async fn check_audit(&self) -> Result<u64, StorageError> {
        self.shared.storage.check_audit().await
    }

    /// A signed credential that was issued and has not expired, by its number.
    ///
    /// # Errors
    ///
    /// `StorageError`.
    pub async fn credential(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageError> {
        self.shared.storage.credential(id).await
    }

    /// Takes up what may be changed while it runs: the admitted MSPs, the limits, and the keys in the state folder. Other
    /// settings of `config` act at the next start.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file or setting; nothing is changed then.
    pub async fn reload(&self, config: Config) -> Result<(), OpenError> {
        config.check_settings()?;
        let folder = self.shared.config.state_folder.clone();
        let token = Arc::clone(&self.shared.token);
        let keys = blocking(move || Ok(Keys::open(&folder, &*token)?)).await?;
        self.shared.limits.limits().set_rates(&config.limits);
        let policy = Policy { msps: config.msps, limits: config.limits };
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        *self.shared.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.compare_keys().await;
        Ok(())
    }

    /// Whether the database can do what it is asked.
    pub(crate) async fn is_ready(&self) -> bool {
        self.shared.storage.is_ready().await
    }

    /// Tells the other provers of a cluster which keys this one has, and says aloud if they have others.
    pub(crate) async fn compare_keys(&self) {
        let Engine::Cql(cql) = &self.shared.storage else { return };
        let keys = self.keys().thumbprint();
        match cql.compare_keys(&self.shared.replica, &keys).await {
            Ok(others) => {
                ::metrics::gauge!(metrics::KEYS_DIFFER).set(f64::from(others));
                if others > 0 {
                    tracing::error!(
                        others,
                        "other provers of the cluster have other keys: codes sealed to keys that are missing here are taken for wrong"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "the keys cannot be compared with those of the other provers"),
        }
    }

    /// Says goodbye to the couriers' next hops, and closes the token.
    pub(crate) async fn close(&self) {
        self.shared.couriers.close().await;
        self.shared.token.close();
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.shared.keys()
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.shared.policy()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// The methods that this prover has couriers for.
    pub(crate) fn methods(&self) -> impl Iterator<Item = Method> {
        [Method::SmsOtp, Method::EmailOtp].into_iter().filter(|method| self.shared.offers(*method))
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn offers(&self, method: Method) -> bool {
        let couriers = &self.config.courier;
        match method {
            Method::SmsOtp => couriers.sms.is_some(),
            Method::EmailOtp => couriers.email.is_some(),
        }
    }

    /// The method that proves this kind of CPI, if there is a courier for it.
    fn method(&self, kind: CpiKind) -> Option<Method> {
        let method = match kind {
            CpiKind::Phone => Method::SmsOtp,
            CpiKind::Email => Method::EmailOtp,
        };
        self.offers(method).then_some(method)
    }

    /// Signs off the threads that serve connections, since a token may block.
    async fn sign<D>(&self, document: D, key: &Arc<dyn Signer>) -> Result<Vec<u8>, Trouble>
    where
        D: Document + Send + 'static,
    {
        let key = Arc::clone(key);
        let signing = tokio::task::spawn_blocking(move || token::sign(&document, &*key));
        let signed = signing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        signed.map(|signed| signed.bytes().to_vec()).map_err(|error| {
            tracing::error!(%error, "the signing key cannot be used");
            Trouble::NoSignature
        })
    }

    /// A change that has its counters with it, where they are kept with changes.
    fn counted(&self, change: Change, taken: &Taken) -> Change {
        if self.limits.is_own() { change.counting(self.limits.limits(), taken.counters()) } else { change }
    }
}

impl Refused {
    fn or_trouble<E: From<Trouble>>(self, limited: impl FnOnce(RetryAfter) -> E) -> E {
        match self {
            Self::Limited(wait) => limited(wait),
            Self::Unknown => Trouble::Busy.into(),
        }
    }
}

/// Does what blocks off the threads that serve connections.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let work = tokio::task::spawn_blocking(work);
    work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn open_keys(folder: &Path, token: &dyn Token) -> Result<Keys, OpenError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(OpenError::Folder)?;
    let keys = Keys::open(folder, token)?;
    warm_up();
    Ok(keys)
}

/// Loads the metadata of telephone numbers, so that the first request need not wait for it.
fn warm_up() {
    if let Ok(Cpi::Phone(number)) = Cpi::parse("tel:+14155550132") {
        let _ = number.is_assigned();
    }
}

#[cfg(test)]
mod tests;
