//! Why a store is not opened, a document not published, a lookup not answered.

use std::path::PathBuf;

use protocol::authenticated::MappingError;
use protocol::conflict::QueryError;
use protocol::{DocumentError, SignatureError};
use service::secret_file::SecretFileError;

use crate::config::ConfigError;
use crate::hash_key::HashKeyError;
use crate::rules::Refusal;
use crate::storage::StorageError;
use crate::writer::WriteError;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] SecretFileError),
    /// The hash key.
    #[error(transparent)]
    HashKey(#[from] HashKeyError),
    /// The receipt key is not there, and the database was made with one.
    #[error(
        "there is no receipt key in {0}, and the database was made with one: put it back. If it is lost for good, put a new one there \
         (64 hexadecimal digits, mode 0600) and give everybody its public half: clients pin it"
    )]
    NoReceiptKey(PathBuf),
    /// Restored from a backup and not brought forward.
    #[error(
        "the database was restored from a backup that ends at number {0}; bring it forward with `follow`, or with `import \
         --brings-forward` from a kept change feed, or restore it with --accept-loss"
    )]
    Restored(u64),
    /// Carried into a cluster.
    #[error("the database was moved into a cluster: serve that one ([store.cluster])")]
    Moved,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A cluster where only an embedded database will do.
    #[error("the settings name a cluster ([store.cluster]); this is for an embedded database")]
    Cluster,
    /// No cluster where one is needed.
    #[error("the settings name no cluster ([store.cluster])")]
    NoCluster,
    /// A key file that all stores of a cluster share.
    #[error("{0} is missing: `mapping-store schema` makes it once, and every store of the cluster has a copy")]
    NotShared(PathBuf),
    /// The cluster's database is another one's, or was never set up.
    #[error("the hash key of the cluster's database is not set: run `mapping-store schema` once")]
    NoHashKey,
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system refuses the writer's thread.
    #[error("the writer cannot be started: {0}")]
    Writer(#[from] std::io::Error),
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

impl From<WriteError> for PublishError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(refusal) => Self::Refused(refusal),
            WriteError::Busy => Self::Busy,
            WriteError::Full => Self::Full,
            WriteError::Failed => Self::Failed,
        }
    }
}

/// Why a lookup was not answered.
#[derive(Debug, thiserror::Error)]
pub enum LookupFailure {
    /// The answer would be longer than allowed.
    #[error("the answer would be longer than allowed; ask for fewer identifiers at once")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a conflict query was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConflictError {
    /// The query does not count.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Nothing of this key's was displaced, as far as is remembered.
    #[error("no mapping of this key was displaced")]
    None,
    /// The database failed.
    #[error("the database failed")]
    Failed,
}
