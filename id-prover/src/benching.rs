//! What is measured by itself, for the benches: only with the feature `benching`, which no other crate enables.

use std::path::Path;
use std::sync::Arc;

use protocol::cpi::Cpi;
use protocol::credential::Method;
use protocol::enrollment::EnrollmentId;
use protocol::mimi_uri::Msp;
use protocol::{PublicKey, Timestamp};
use service::Rate;
use tokio::task::JoinSet;

use crate::clock::system_clock;
use crate::config::LimitsConfig;
use crate::enrollment::{CodeHash, Facts, Requested, Stored};
use crate::limits::{Budgets, Limits, Secret};
use crate::storage::audit::Event;
use crate::storage::change::Change;
use crate::storage::{Rocks, Storage as _, StorageError};

/// A limit of a million an hour for each of many keys.
pub struct LimitKeys(Budgets);

impl LimitKeys {
    /// With room for as many keys.
    #[must_use]
    pub fn new(max_keys: usize) -> Self {
        // Keys fall into shards by chance: room for the fullest.
        let room = max_keys + max_keys / 10 + 10_000;
        Self(Budgets::new(Rate::new(1_000_000, 3600), room, system_clock(), Secret([7; 32])))
    }

    /// Takes one from the budget of this key; whether there was one.
    #[must_use]
    pub fn take(&self, key: u64) -> bool {
        self.0.take(&key.to_be_bytes()).is_ok()
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Enrollments that wait for their codes: what a prover keeps of each, in memory and in its database, without the signatures and
/// messages that led to it.
#[derive(Clone)]
pub struct OpenEnrollments {
    storage: Arc<Rocks>,
    limits: Arc<Limits>,
    user_key: PublicKey,
    now: Timestamp,
}

/// The length of a signed challenge by a prover whose name has 14 characters.
const CHALLENGE_BYTES: usize = 296;
const TRIES: u8 = 5;

impl OpenEnrollments {
    /// A database in this folder.
    ///
    /// # Errors
    ///
    /// `StorageError`.
    pub fn new(folder: &Path, cache_bytes: usize, user_key: PublicKey) -> Result<Self, StorageError> {
        let plenty = Rate::new(100_000_000, 1);
        let limits = LimitsConfig {
            total: plenty,
            per_msp: plenty,
            per_number_range: plenty,
            per_country: plenty,
            ..LimitsConfig::default()
        };
        let (clock, storage) = (system_clock(), Arc::new(Rocks::open(folder, cache_bytes)?));
        let now = clock().into();
        let limits = Arc::new(Limits::new(&limits, &clock, Secret([7; 32])));
        Ok(Self { storage, limits, user_key, now })
    }

    /// Opens one for each of these telephone numbers; returns once all are durable.
    ///
    /// # Panics
    ///
    /// If one cannot be opened.
    pub async fn open(&self, numbers: std::ops::Range<u64>) {
        let mut opening = JoinSet::new();
        for number in numbers {
            let this = self.clone();
            opening.spawn(async move { this.open_one(number).await });
        }
        while let Some(opened) = opening.join_next().await {
            assert!(opened.is_ok_and(|opened| opened.is_some()), "an enrollment was not opened");
        }
    }

    async fn open_one(&self, number: u64) -> Option<()> {
        // The numbering plan has these, ten million of them.
        let cpi = Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + number)).ok()?;
        let facts = Facts {
            id: EnrollmentId::from_bytes(rand::random()),
            cpi,
            msp: Msp::from_domain("a.example").ok()?,
            user_key: self.user_key,
            method: Method::SmsOtp,
            request_id: rand::random(),
            request_hash: rand::random(),
            signed_at: self.now,
            requested_at: self.now,
            expires_at: self.now.plus(std::time::Duration::from_secs(3600)),
        };
        let taken = self.limits.take(&facts.cpi, &facts.msp).ok()?;
        let requested = Requested { facts, code: CodeHash(rand::random()), sending: None };
        let change = Change::open(&requested, self.now).counting(&self.limits, taken.counters());
        self.storage.write(change).await.ok()?;
        let mut challenge = vec![0; CHALLENGE_BYTES];
        rand::fill(&mut challenge[..]);
        let before = Stored::Requested(requested.clone());
        let challenged = Stored::Challenged(requested.delivered(challenge, TRIES));
        self.storage.write(Change::next(before, &challenged, Event::Delivered, self.now)).await.ok()
    }
}
