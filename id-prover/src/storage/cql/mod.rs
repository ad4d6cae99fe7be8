//! A cluster of Apache Cassandra 5 or ScyllaDB, by way of CQL: [`Cql`]. Any number of provers have their state there, and are one.
//!
//! All of an enrollment lies in one partition, its bucket: a keyed hash of its request names it, and the first two bytes of its
//! number, so that a proof, which has the number alone, finds it. A change is one conditional batch of that partition, if the
//! bucket's version is still what it was when the change was found to be in order (`write`); its entry of the audit trail and the
//! trail's head are in the same batch, so that each bucket has a chain of its own. `schema` has the layout, `budgets` the budgets of
//! limits, `docs/decisions/0081-provers-share-a-cluster.md` the reasons.

mod budgets;
mod read;
mod schema;
mod statements;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cluster::{Cluster, ClusterConfig, unreadable};
use protocol::Timestamp;
use protocol::enrollment::EnrollmentId;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex as AsyncMutex;

use super::change::Change;
use super::{Storage, StorageError, WriteError};
use crate::enrollment::{RequestKey, Stored};
use crate::keys::ClusterSecrets;
use statements::Statements;
use write::Base;

pub(crate) use schema::SchemaConfig;

/// A cluster that has a prover's database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Cql {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Cluster,
    statements: Statements,
    buckets: u32,
    /// Decides in which bucket an enrollment lies.
    secret: [u8; 32],
    /// What is settled of each bucket, as far as it was written from here. Who writes to a bucket holds its lock.
    bases: Box<[AsyncMutex<Option<Base>>]>,
    /// Where the last sweep ended in each bucket: before it there is nothing but what was deleted. Nothing where the bucket has not
    /// been asked yet.
    swept: Mutex<Vec<Option<Timestamp>>>,
}

impl Cql {
    /// Connects to a cluster that has the schema.
    ///
    /// # Errors
    ///
    /// [`StorageError::Cluster`] if it cannot be reached, has no schema, or provers of another datacenter or with another
    /// `code.key` use it; [`StorageError::Newer`].
    pub(crate) async fn connect(config: &ClusterConfig, secrets: ClusterSecrets) -> Result<Self, StorageError> {
        let cluster = Cluster::open(config).await?;
        let about = schema::read(&cluster).await?;
        cluster.check_datacenter(&about.datacenter)?;
        if about.code_check != secrets.check {
            let reason =
                "the other provers of the cluster have another code.key: copy theirs to this one's state folder";
            return Err(cluster::Error::because(reason).into());
        }
        Self::over(cluster, about.buckets, secrets.buckets).await
    }

    /// Connects to read the audit trail, whatever the keys.
    ///
    /// # Errors
    ///
    /// As [`Cql::connect`], but for the key: from another datacenter, head and entries would come from another quorum.
    pub(crate) async fn connect_to_read(config: &ClusterConfig) -> Result<Self, StorageError> {
        let cluster = Cluster::open(config).await?;
        let about = schema::read(&cluster).await?;
        cluster.check_datacenter(&about.datacenter)?;
        Self::over(cluster, about.buckets, [0; 32]).await
    }

    /// Creates keyspace and tables, as far as they are missing, for provers with this `code.key`. A keyspace that is there is left as
    /// it is; with `replace_key`, so is all of it but for the key that provers must have.
    ///
    /// # Errors
    ///
    /// As [`Cql::connect`]; also if there is a database with another number of buckets.
    pub(crate) async fn create_schema(
        config: &ClusterConfig,
        schema: &SchemaConfig,
        secrets: ClusterSecrets,
        replace_key: bool,
    ) -> Result<(), StorageError> {
        schema::create(config, schema, &secrets.check, replace_key).await
    }

    async fn over(cluster: Cluster, buckets: u32, secret: [u8; 32]) -> Result<Self, StorageError> {
        let statements = Statements::prepare(&cluster).await?;
        let shared = Shared {
            cluster,
            statements,
            buckets,
            secret,
            bases: (0..buckets).map(|_| AsyncMutex::default()).collect(),
            swept: Mutex::new(vec![None; buckets as usize]),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How long a change may take; after that it is given up, and nobody knows what became of it.
    pub(crate) fn change_time(&self) -> Duration {
        self.shared.change_time()
    }

    /// Tells the other provers which keys this one has; answers how many of them have others.
    pub(crate) async fn compare_keys(&self, replica: &[u8; 16], keys: &[u8; 32]) -> Result<u32, StorageError> {
        let Shared { cluster, statements, .. } = &*self.shared;
        cluster.put(&statements.put_replica, (replica.as_slice(), keys.as_slice())).await?;
        let rows = cluster.read(&statements.replicas, ()).await?;
        let mut others = 0;
        for row in rows.rows::<(&[u8],)>().map_err(unreadable)? {
            let (theirs,) = row.map_err(unreadable)?;
            others += u32::from(theirs != keys);
        }
        Ok(others)
    }

    /// Checks the audit trail of each bucket, and shows each entry once it is found to follow, with its bucket and number; answers
    /// how many there are.
    pub(crate) async fn walk_audit<E: From<StorageError>>(
        &self,
        mut show: impl FnMut(u32, u64, &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut entries = 0;
        for bucket in 0..self.shared.buckets {
            entries += self.shared.walk_audit(bucket, &mut |number, value| show(bucket, number, value)).await?;
        }
        Ok(entries)
    }
}

impl Shared {
    /// In which bucket the enrollment lies that a request opens.
    fn bucket_of(&self, request: &RequestKey) -> u32 {
        let hash = Sha256::new_with_prefix(self.secret).chain_update(request).finalize();
        let (first, _) = hash.split_first_chunk().expect("SHA-256 has more than 4 bytes");
        // Their number is a power of two.
        u32::from_be_bytes(*first) % self.buckets
    }

    /// In which bucket the enrollment of this number lies, if it can be here.
    fn bucket_in(&self, id: &EnrollmentId) -> Option<u32> {
        let [a, b, ..] = *id.as_bytes();
        Some(u32::from(u16::from_be_bytes([a, b]))).filter(|bucket| *bucket < self.buckets)
    }

    fn swept(&self) -> MutexGuard<'_, Vec<Option<Timestamp>>> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Cql {
    async fn enrollment(&self, id: EnrollmentId) -> Result<Option<Stored>, StorageError> {
        match self.shared.bucket_in(&id) {
            Some(bucket) => self.shared.enrollment(bucket, id.as_bytes()).await,
            None => Ok(None),
        }
    }

    async fn enrollment_of(&self, request: RequestKey) -> Result<Option<Stored>, StorageError> {
        let bucket = self.shared.bucket_of(&request);
        match self.shared.opened_by(bucket, &request).await? {
            Some(id) => self.shared.enrollment(bucket, &id).await,
            None => Ok(None),
        }
    }

    async fn credential(&self, id: [u8; 16]) -> Result<Option<Vec<u8>>, StorageError> {
        let Shared { cluster, statements, .. } = &*self.shared;
        let rows = cluster.read(&statements.credential, (id.as_slice(),)).await?;
        Ok(rows.maybe_first_row::<(Vec<u8>,)>().map_err(unreadable)?.map(|(credential,)| credential))
    }

    fn new_id(&self, request: &RequestKey) -> EnrollmentId {
        let mut id: [u8; 16] = rand::random();
        let bucket = u16::try_from(self.shared.bucket_of(request)).expect("there are 2^16 buckets at most");
        id[..2].copy_from_slice(&bucket.to_be_bytes());
        EnrollmentId::from_bytes(id)
    }

    async fn write(&self, change: Change) -> Result<(), WriteError> {
        self.shared.write(change).await
    }

    async fn sweep(&self, now: Timestamp, most: usize) -> Result<usize, WriteError> {
        self.shared.sweep(now, most).await
    }

    async fn check_audit(&self) -> Result<u64, StorageError> {
        self.walk_audit(|_, _, _| Ok(())).await
    }

    /// Whether a quorum answers.
    async fn is_ready(&self) -> bool {
        let Shared { cluster, statements, .. } = &*self.shared;
        let asked = cluster.read(&statements.ready, (schema::DATABASE,)).await;
        asked.is_ok_and(|rows| rows.rows_num() == 1)
    }
}

#[cfg(test)]
mod tests;
