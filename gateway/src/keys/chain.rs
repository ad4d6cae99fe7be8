//! Keys that several gateways share without speaking to each other: [`Chain`].
//!
//! Time is cut into epochs of `rotation_seconds`, counted from 1970. A chain has a secret for each: the next one is expanded from
//! the one before by HKDF-SHA256 (RFC 5869 §2.3), and so are the seeds of an epoch's keys. From the same file every gateway comes to the same keys at the same time; whoever takes the
//! file later cannot go back, since what came before the oldest key that is honoured has been left.
//!
//! File: JSON, mode 0600, `{epoch, rotation_seconds, secret}`, the secret in hexadecimal. Each gateway has its own copy and moves it forward.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use documents::time::{CLOCK_SKEW, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyError;
use super::state::{self, StoredKey};
use crate::config::{KemName, KeysConfig};

const NEXT: &[u8] = b"mimi-discovery gateway: next epoch";
const SEED: &[u8] = b"mimi-discovery gateway: HPKE seed";
/// Key identifiers of one epoch: one for each KEM there is.
const IDS_OF_AN_EPOCH: u64 = 2;
/// So many epochs have identifiers of their own.
const EPOCHS_APART: u64 = 256 / IDS_OF_AN_EPOCH;

/// The secret of an epoch, from which those of all later ones follow.
#[derive(Clone)]
pub(super) struct Chain {
    epoch: u64,
    rotation_seconds: u64,
    secret: Zeroizing<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    epoch: u64,
    rotation_seconds: u64,
    secret: Zeroizing<String>,
}

impl Chain {
    /// A new chain, as of `now`.
    pub(super) fn new(secret: Zeroizing<[u8; 32]>, config: &KeysConfig, now: Timestamp) -> Self {
        let chain = Self { epoch: 0, rotation_seconds: config.rotation_seconds.max(1), secret };
        Self { epoch: chain.oldest(config, now), ..chain }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let Some(entry) = state::read_json::<Entry>(path)? else { return Ok(None) };
        let secret = state::from_hex(&entry.secret, "the secret")?;
        Ok(Some(Self { epoch: entry.epoch, rotation_seconds: entry.rotation_seconds, secret }))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), KeyError> {
        let secret = Zeroizing::new(hex::encode(*self.secret));
        state::write_json(path, &Entry { epoch: self.epoch, rotation_seconds: self.rotation_seconds, secret })
    }

    /// Whether both are the same chain, moved forward to the same time.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.epoch == other.epoch && *self.secret == *other.secret
    }

    /// The epoch that has begun last.
    pub(super) fn epoch_at(&self, now: Timestamp) -> u64 {
        now.seconds() / self.rotation_seconds
    }

    /// When a configuration is dated that is signed at `now`: a whole number of times half of the cache life after the epoch began. So all
    /// gateways sign the same octets, and half of the life is left of them at least.
    pub(super) fn issued_at(&self, config: &KeysConfig, now: Timestamp) -> Timestamp {
        let begin = self.epoch_at(now) * self.rotation_seconds;
        let slot = (config.cache_seconds / 2).max(1);
        Timestamp::from_seconds(begin + (now.seconds() - begin) / slot * slot)
    }

    /// Leaves the epochs whose keys nobody can hold any more. Whether there were any.
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherRotation`] if the file was made for another rotation than `config` says; [`KeyError::ClockBehind`] if the chain has
    /// left the epoch of `now`; [`KeyError::NoIdentifier`] if more epochs are honoured at once than can be told apart.
    pub(super) fn advance(&mut self, config: &KeysConfig, now: Timestamp) -> Result<bool, KeyError> {
        if self.rotation_seconds != config.rotation_seconds || self.rotation_seconds == 0 {
            return Err(KeyError::OtherRotation);
        }
        // No gateway leaves an epoch within the cache life and twice the skew after its end: it is not their clocks that differ.
        if self.epoch > self.epoch_at(now) {
            return Err(KeyError::ClockBehind);
        }
        let oldest = self.oldest(config, now);
        if self.epoch_at(now) + 2 - oldest > EPOCHS_APART {
            return Err(KeyError::NoIdentifier);
        }
        let behind = self.epoch < oldest;
        while self.epoch < oldest {
            self.secret = derive(&self.secret, NEXT, &[]);
            self.epoch += 1;
        }
        Ok(behind)
    }

    /// The keys of the current epoch in the order of preference, those of the next one, for gateways whose clocks are ahead, and
    /// those that retire.
    pub(super) fn keys(&self, config: &KeysConfig, now: Timestamp) -> Vec<(Stage, StoredKey)> {
        let current = self.epoch_at(now);
        let mut keys = Vec::new();
        let mut secret = self.secret.clone();
        for epoch in self.epoch..=current + 1 {
            let stage = match epoch.cmp(&current) {
                std::cmp::Ordering::Less => Stage::Retiring,
                std::cmp::Ordering::Equal => Stage::Current,
                std::cmp::Ordering::Greater => Stage::Next,
            };
            for kem in &config.kems {
                let key = StoredKey {
                    id: identifier(epoch, *kem),
                    kem: *kem,
                    seed: derive(&secret, SEED, &kem.id().to_be_bytes()),
                    made_at: Timestamp::from_seconds(epoch * self.rotation_seconds),
                    retires_at: (stage == Stage::Retiring).then(|| self.retires_at(epoch, config)),
                };
                keys.push((stage, key));
            }
            secret = derive(&secret, NEXT, &[]);
        }
        // Nothing honours them beyond this.
        keys.retain(|(_, key)| key.retires_at.is_none_or(|at| at > now));
        keys.sort_by_key(|(stage, _)| *stage);
        keys
    }

    /// When nobody can hold a key of this epoch any more.
    fn retires_at(&self, epoch: u64, config: &KeysConfig) -> Timestamp {
        let end = (epoch + 1).saturating_mul(self.rotation_seconds);
        Timestamp::from_seconds(end).plus(honoured_for(config))
    }

    /// The oldest epoch whose keys are honoured at `now`.
    fn oldest(&self, config: &KeysConfig, now: Timestamp) -> u64 {
        let current = self.epoch_at(now);
        let begin = now.seconds().saturating_sub(honoured_for(config).as_secs()) / self.rotation_seconds;
        begin.min(current)
    }
}

/// How long a key is honoured that is published here no more: a gateway whose clock is behind still publishes it for up to `CLOCK_SKEW`.
pub(super) fn honoured_for(config: &KeysConfig) -> Duration {
    super::held_for(config) + CLOCK_SKEW
}

/// Where a key stands. In the order in which keys are tried and published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Published.
    Current,
    /// Honoured before it is published here: another gateway's clock may be ahead.
    Next,
    /// Published no more.
    Retiring,
}

fn identifier(epoch: u64, kem: KemName) -> u8 {
    let place = match kem {
        KemName::X25519 => 0,
        KemName::XWing => 1,
    };
    u8::try_from((epoch % EPOCHS_APART) * IDS_OF_AN_EPOCH + place).expect("at most 127 · 2 + 1")
}

fn derive(secret: &[u8; 32], label: &[u8], context: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    Prk::new_less_safe(HKDF_SHA256, secret)
        .expand(&[label, context], HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut *derived))
        .expect("HKDF-SHA256 gives 32 octets");
    derived
}
