//! The gateway's HPKE keys: one in use for each KEM, replaced ones honoured until nobody can hold them any more.
//!
//! A rotation makes new keys and publishes them alone, so that no client can pick a key that is about to go. What it
//! replaces *retires*: it opens capsules until the cache life of the configuration that named it, and the clock skew, have
//! passed; then its seed is wiped. Keys are told apart by the key identifier, the first byte of a capsule.
//!
//! Stored (`state`): JSON, mode 0600, `[{id, kem, seed, made_at, retires_at}]`, seeds in hexadecimal. Gateways that share their keys have a
//! `chain` there instead.

mod chain;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use documents::key::{PublicKey, SigningKey};
use documents::key_configuration::{KeyConfiguration, MEDIA_TYPE as SIGNED_MEDIA_TYPE};
use documents::signed::Signed;
use documents::time::{CLOCK_SKEW, Timestamp};
use encapsulation::{KeyRefused, OpenError, Opener, Sealer};
use service::published::Representation;
use service::secret_file::{self, SecretFileError};
use zeroize::Zeroizing;

use crate::config::{AeadName, KemName, KeysConfig};
use chain::{Chain, Stage};
use state::StoredKey;

/// The plain form of the key configuration (RFC 9458 §3.2).
pub const PLAIN_MEDIA_TYPE: &str = "application/ohttp-keys";

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().into())
}

/// Why keys could not be read, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The state file does not hold keys.
    #[error("the state file is damaged: {0}")]
    Damaged(String),
    /// All 256 key identifiers are in use.
    #[error("no key identifier is free: keys rotate faster than they retire")]
    NoIdentifier,
    /// Keys are to be shared, and there are none.
    #[error(
        "shared keys: {0} is missing: make it once with `gateway --make-shared-keys`, and copy it to every gateway"
    )]
    NotShared(PathBuf),
    /// Keys were to be made for sharing where some are.
    #[error("shared keys: {0} is there already")]
    Exists(PathBuf),
    /// Keys were to be made for sharing by a configuration that does not share.
    #[error("shared keys: the configuration does not say `shared = true` under [keys]")]
    Own,
    /// The chain was made for another rotation.
    #[error("shared keys: the file was made for other `rotation_seconds` than the configuration has")]
    OtherRotation,
    /// The chain begins after the present.
    #[error("shared keys: the clock is before the time of the file")]
    ClockBehind,
    /// The HPKE library refuses.
    #[error(transparent)]
    Hpke(#[from] KeyRefused),
}

/// A key that opens capsules.
struct Live {
    stage: Stage,
    stored: StoredKey,
    opener: Opener,
}

/// The published key configuration, in both forms.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) plain: Representation,
    pub(crate) signed: Representation,
    pub(crate) expires_at: Timestamp,
    issued_at: Timestamp,
}

struct Ring {
    /// Published keys first, in the order of preference, then retiring ones.
    live: Vec<Arc<Live>>,
    published: Published,
}

/// The keys of a gateway.
pub struct KeyRing {
    ring: ArcSwap<Ring>,
    /// Held by whoever changes the ring; readers never wait.
    kept: Mutex<Kept>,
    config: KeysConfig,
    signing_key: SigningKey,
    clock: Clock,
}

impl KeyRing {
    /// Opens the state file, making keys if there are none, or not for every KEM. Shared keys are never made here.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn open(config: &KeysConfig, clock: Clock) -> Result<Self, KeyError> {
        let now = clock();
        let (seed, mut kept) = if config.shared {
            let seed = secret_file::read_key(&config.signing_key_file)?;
            let seed = seed.ok_or_else(|| KeyError::NotShared(config.signing_key_file.clone()))?;
            (seed, Kept::shared(config)?)
        } else {
            let seed = secret_file::read_or_create(&config.signing_key_file, random)?;
            (Zeroizing::new(seed), Kept::Own(state::read(&config.state_file)?))
        };
        let signing_key = SigningKey::from_seed(&seed);
        let keys = kept.take_up(config, now)?;
        let ring = Ring::new(keys, config, &signing_key, kept.issued_at(config, now))?;
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            kept: Mutex::new(kept),
            config: config.clone(),
            signing_key,
            clock,
        })
    }

    /// Makes keys for several gateways to share: the state file, and the signing key if there is none. Both are then copied to all of them.
    ///
    /// # Errors
    ///
    /// [`KeyError::Own`], [`KeyError::Exists`], [`KeyError::File`].
    pub fn make_shared(config: &KeysConfig, clock: &Clock) -> Result<(), KeyError> {
        if !config.shared {
            return Err(KeyError::Own);
        }
        if secret_file::read(&config.state_file)?.is_some() {
            return Err(KeyError::Exists(config.state_file.clone()));
        }
        secret_file::read_or_create(&config.signing_key_file, random)?;
        Chain::new(Zeroizing::new(random()), config, clock()).write(&config.state_file)
    }

    /// The key under which the key configuration is signed; clients pin it.
    #[must_use]
    pub fn signing_key(&self) -> PublicKey {
        self.signing_key.public()
    }

    /// Makes new keys at once; the old ones retire. Shared keys are read again instead: if the file has been replaced, those of the one
    /// before retire, as long as this process lives.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; everything stays as it was then.
    pub fn rotate(&self) -> Result<(), KeyError> {
        self.change(|kept, config, now| match kept {
            Kept::Own(stored) => rotate(stored, config, now),
            Kept::Shared { chain, replaced } => {
                let mut read = Chain::read(&config.state_file)?.ok_or_else(|| missing(config))?;
                read.advance(config, now)?;
                if !read.is(chain) {
                    let until = now.plus(chain::honoured_for(config));
                    replaced.extend(chain.keys(config, now).into_iter().map(|(_, key)| {
                        let retires_at = key.retires_at.map_or(until, |at| at.min(until));
                        StoredKey { retires_at: Some(retires_at), ..key }
                    }));
                    *chain = read;
                }
                Ok(())
            }
        })
    }

    /// What is due: rotation by age, wiping retired keys, signing the configuration anew. Says whether keys rotated.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; everything stays as it was then.
    pub fn tend(&self) -> Result<bool, KeyError> {
        let (ring, now) = (self.ring.load_full(), (self.clock)());
        let due = self.age().as_secs() >= self.config.rotation_seconds;
        let retired = ring.live.iter().any(|key| key.stored.retires_at.is_some_and(|at| at <= now));
        let half = Duration::from_secs(self.config.cache_seconds / 2);
        let stale = now.since(ring.published.issued_at) >= half;
        if due || retired || stale {
            self.change(|kept, config, now| match kept {
                Kept::Own(stored) if due => rotate(stored, config, now),
                // A chain has the next keys by itself.
                Kept::Own(_) | Kept::Shared { .. } => Ok(()),
            })?;
        }
        Ok(due)
    }

    /// How old the keys in use are.
    #[must_use]
    pub fn age(&self) -> Duration {
        let ring = self.ring.load();
        let newest = ring.published_keys().map(|key| key.stored.made_at).max();
        newest.map_or(Duration::ZERO, |made_at| (self.clock)().since(made_at))
    }

    /// The identifier of the newest key in use.
    #[must_use]
    pub fn newest_id(&self) -> u8 {
        let ring = self.ring.load();
        ring.published_keys().max_by_key(|key| key.stored.made_at).map_or(0, |key| key.stored.id)
    }

    /// The published configuration and the time.
    pub(crate) fn published(&self) -> (Published, Timestamp) {
        (self.ring.load().published.clone(), (self.clock)())
    }

    /// Opens a capsule by the key that its first byte names.
    pub(crate) fn decapsulate(&self, capsule: &[u8]) -> Result<(Vec<u8>, Sealer), DecapsulationError> {
        let id = *capsule.first().ok_or(DecapsulationError::Malformed)?;
        let ring = self.ring.load();
        let now = (self.clock)();
        let honoured = |key: &&Arc<Live>| key.stored.id == id && key.stored.retires_at.is_none_or(|at| at > now);
        let mut failure = DecapsulationError::UnknownKey;
        // There is one, but for a while after shared keys were replaced: then each of them may be meant.
        for key in ring.live.iter().filter(honoured) {
            match key.opener.open(capsule) {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Suite) => {}
                Err(OpenError::Sealed) => failure = DecapsulationError::Malformed,
            }
        }
        Err(failure)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Kept, &KeysConfig, Timestamp) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let mut held = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        let mut kept = held.clone();
        change(&mut kept, &self.config, now)?;
        // On disk before anybody can see it: a restart must know every key that was ever published.
        let keys = kept.take_up(&self.config, now)?;
        let issued_at = kept.issued_at(&self.config, now);
        self.ring.store(Arc::new(Ring::new(keys, &self.config, &self.signing_key, issued_at)?));
        *held = kept;
        Ok(())
    }
}

/// What the state file stands for.
#[derive(Clone)]
enum Kept {
    /// Keys of this gateway alone, those in use first.
    Own(Vec<StoredKey>),
    /// A chain that other gateways have too.
    Shared {
        chain: Chain,
        /// Retiring keys of the chain before it.
        replaced: Vec<StoredKey>,
    },
}

impl Kept {
    fn shared(config: &KeysConfig) -> Result<Self, KeyError> {
        let chain = Chain::read(&config.state_file)?.ok_or_else(|| missing(config))?;
        Ok(Self::Shared { chain, replaced: Vec::new() })
    }

    /// When a configuration is dated that is signed at `now`.
    fn issued_at(&self, config: &KeysConfig, now: Timestamp) -> Timestamp {
        match self {
            Self::Own(_) => now,
            Self::Shared { chain, .. } => chain.issued_at(config, now),
        }
    }

    /// Drops what has retired, makes what is missing, writes what has changed; the keys from here on.
    fn take_up(&mut self, config: &KeysConfig, now: Timestamp) -> Result<Vec<(Stage, StoredKey)>, KeyError> {
        match self {
            Self::Own(stored) => {
                stored.retain(|key| key.retires_at.is_none_or(|at| at > now));
                let in_use = |kem: &KemName| stored.iter().any(|key| key.kem == *kem && key.retires_at.is_none());
                let wanted = |key: &StoredKey| key.retires_at.is_some() || config.kems.contains(&key.kem);
                if !config.kems.iter().all(in_use) || !stored.iter().all(wanted) {
                    rotate(stored, config, now)?;
                }
                state::write(&config.state_file, stored)?;
                let stage = |key: &StoredKey| if key.retires_at.is_none() { Stage::Current } else { Stage::Retiring };
                Ok(stored.iter().map(|key| (stage(key), key.clone())).collect())
            }
            Self::Shared { chain, replaced } => {
                replaced.retain(|key| key.retires_at.is_some_and(|at| at > now));
                if chain.advance(config, now)? {
                    chain.write(&config.state_file)?;
                }
                let mut keys = chain.keys(config, now);
                keys.extend(replaced.iter().map(|key| (Stage::Retiring, key.clone())));
                Ok(keys)
            }
        }
    }
}

/// How long a client may hold keys that are published no more: for `cache_seconds` by its own clock.
fn held_for(config: &KeysConfig) -> Duration {
    Duration::from_secs(config.cache_seconds) + CLOCK_SKEW
}

fn missing(config: &KeysConfig) -> KeyError {
    KeyError::NotShared(config.state_file.clone())
}

/// Why a capsule did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecapsulationError {
    /// No such key, or not with this KEM, KDF or AEAD.
    UnknownKey,
    /// Truncated, or not sealed to the key.
    Malformed,
}

impl Ring {
    fn new(
        keys: Vec<(Stage, StoredKey)>,
        config: &KeysConfig,
        signing_key: &SigningKey,
        issued_at: Timestamp,
    ) -> Result<Self, KeyError> {
        let live = keys
            .into_iter()
            .map(|(stage, stored)| Live::new(stage, stored, &config.aeads).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let published = live.iter().filter(|key| key.stage == Stage::Current);
        let plain = encapsulation::encode_list(published.map(|key| key.opener.configuration()));
        let expires_at = issued_at.plus(Duration::from_secs(config.cache_seconds));
        let document =
            KeyConfiguration { issuer: config.provider.clone(), ohttp_keys: plain.clone(), issued_at, expires_at };
        let signed = Signed::sign(document, signing_key).bytes().to_vec();
        let published = Published {
            plain: Representation::new(PLAIN_MEDIA_TYPE, plain),
            signed: Representation::new(SIGNED_MEDIA_TYPE, signed),
            expires_at,
            issued_at,
        };
        Ok(Self { live, published })
    }

    fn published_keys(&self) -> impl Iterator<Item = &Arc<Live>> {
        self.live.iter().filter(|key| key.stage == Stage::Current)
    }
}

impl Live {
    fn new(stage: Stage, stored: StoredKey, aeads: &[AeadName]) -> Result<Self, KeyError> {
        let opener = Opener::derive(stored.id, stored.kem, aeads, &stored.seed)?;
        Ok(Self { stage, stored, opener })
    }
}

/// Retires what is in use and makes a new key for each KEM, under identifiers that no live key has.
fn rotate(stored: &mut Vec<StoredKey>, config: &KeysConfig, now: Timestamp) -> Result<(), KeyError> {
    let retires_at = now.plus(held_for(config));
    stored.iter_mut().filter(|key| key.retires_at.is_none()).for_each(|key| key.retires_at = Some(retires_at));
    for (place, kem) in config.kems.iter().enumerate() {
        let first: u8 = rand::random();
        let id =
            (0..=u8::MAX).map(|offset| first.wrapping_add(offset)).find(|id| stored.iter().all(|key| key.id != *id));
        let id = id.ok_or(KeyError::NoIdentifier)?;
        stored
            .insert(place, StoredKey { id, kem: *kem, seed: Zeroizing::new(random()), made_at: now, retires_at: None });
    }
    Ok(())
}

fn random() -> [u8; 32] {
    rand::random()
}

#[cfg(test)]
mod tests;
