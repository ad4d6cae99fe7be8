//! The gateway's HPKE keys: one in use for each KEM, replaced ones honoured until nobody can hold them any more.
//!
//! A rotation makes new keys and publishes them alone, so that no client can pick a key that is about to go. What it
//! replaces *retires*: it opens capsules until the cache life of the configuration that named it, and the clock skew, have
//! passed; then its seed is wiped. Keys are told apart by the key identifier, the first byte of a capsule.
//!
//! Stored (`state`): JSON, mode 0600, `[{id, kem, seed, made_at, retires_at}]`, seeds in hexadecimal.

mod state;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use documents::key::{PublicKey, SigningKey};
use documents::key_configuration::KeyConfiguration;
use documents::signed::Signed;
use documents::time::{CLOCK_SKEW, Timestamp};
use http::HeaderValue;
use service::secret_file::{self, SecretFileError};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config::{AeadName, KeysConfig};
use crate::hpke::{self, KeyRefused, OpenError, Opener, Sealer};
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
    /// The HPKE library refuses.
    #[error(transparent)]
    Hpke(#[from] KeyRefused),
}

/// A key that opens capsules.
struct Live {
    stored: StoredKey,
    opener: Opener,
}

/// The published key configuration, in both forms.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) plain: Bytes,
    pub(crate) plain_tag: HeaderValue,
    pub(crate) signed: Bytes,
    pub(crate) signed_tag: HeaderValue,
    pub(crate) expires_at: Timestamp,
    issued_at: Timestamp,
}

struct Ring {
    /// Keys in use first, in the order of preference, then retiring ones.
    live: Vec<Arc<Live>>,
    published: Published,
}

/// The keys of a gateway.
pub struct KeyRing {
    ring: ArcSwap<Ring>,
    /// Serialises changes; readers never wait.
    changing: Mutex<()>,
    config: KeysConfig,
    signing_key: SigningKey,
    clock: Clock,
}

impl KeyRing {
    /// Opens the state file, making keys if there are none, or not for every KEM.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn open(config: &KeysConfig, clock: Clock) -> Result<Self, KeyError> {
        let seed = secret_file::read_or_create(&config.signing_key_file, random)?;
        let signing_key = SigningKey::from_seed(&seed);
        let now = clock();
        let mut stored = state::read(&config.state_file)?;
        stored.retain(|key| key.retires_at.is_none_or(|at| at > now));
        let complete =
            config.kems.iter().all(|kem| stored.iter().any(|key| key.kem == *kem && key.retires_at.is_none()));
        let wanted = |key: &StoredKey| key.retires_at.is_some() || config.kems.contains(&key.kem);
        if !complete || !stored.iter().all(wanted) {
            rotate(&mut stored, config, now)?;
        }
        state::write(&config.state_file, &stored)?;
        let ring = Ring::new(stored, config, &signing_key, now)?;
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            changing: Mutex::default(),
            config: config.clone(),
            signing_key,
            clock,
        })
    }

    /// The key under which the key configuration is signed; clients pin it.
    #[must_use]
    pub fn signing_key(&self) -> PublicKey {
        self.signing_key.public()
    }

    /// Makes new keys at once; the old ones retire.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; everything stays as it was then.
    pub fn rotate(&self) -> Result<(), KeyError> {
        self.change(rotate)
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
            self.change(|stored, config, now| {
                stored.retain(|key| key.retires_at.is_none_or(|at| at > now));
                if due { rotate(stored, config, now) } else { Ok(()) }
            })?;
        }
        Ok(due)
    }

    /// How old the keys in use are.
    #[must_use]
    pub fn age(&self) -> Duration {
        let ring = self.ring.load();
        let newest = ring.live.iter().filter(|key| key.stored.retires_at.is_none()).map(|key| key.stored.made_at).max();
        newest.map_or(Duration::ZERO, |made_at| (self.clock)().since(made_at))
    }

    /// The identifier of the newest key in use.
    #[must_use]
    pub fn newest_id(&self) -> u8 {
        let ring = self.ring.load();
        let in_use = ring.live.iter().filter(|key| key.stored.retires_at.is_none());
        in_use.max_by_key(|key| key.stored.made_at).map_or(0, |key| key.stored.id)
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
        let key = ring.live.iter().find(honoured).ok_or(DecapsulationError::UnknownKey)?;
        key.opener.open(capsule).map_err(|error| match error {
            OpenError::Suite => DecapsulationError::UnknownKey,
            OpenError::Sealed => DecapsulationError::Malformed,
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<StoredKey>, &KeysConfig, Timestamp) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        let mut stored = self.ring.load().live.iter().map(|key| key.stored.clone()).collect();
        change(&mut stored, &self.config, now)?;
        let ring = Ring::new(stored.clone(), &self.config, &self.signing_key, now)?;
        // On disk before anybody can see it: a restart must know every key that was ever published.
        state::write(&self.config.state_file, &stored)?;
        self.ring.store(Arc::new(ring));
        Ok(())
    }
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
        stored: Vec<StoredKey>,
        config: &KeysConfig,
        signing_key: &SigningKey,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let live = stored
            .into_iter()
            .map(|stored| Live::new(stored, &config.aeads).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let in_use = live.iter().filter(|key| key.stored.retires_at.is_none());
        let plain = hpke::encode_list(in_use.map(|key| key.opener.configuration()));
        let expires_at = now.plus(Duration::from_secs(config.cache_seconds));
        let document =
            KeyConfiguration { issuer: config.provider.clone(), ohttp_keys: plain.clone(), issued_at: now, expires_at };
        let signed = Signed::sign(document, signing_key).bytes().to_vec();
        let published = Published {
            plain_tag: entity_tag(&plain),
            plain: plain.into(),
            signed_tag: entity_tag(&signed),
            signed: signed.into(),
            expires_at,
            issued_at: now,
        };
        Ok(Self { live, published })
    }
}

impl Live {
    fn new(stored: StoredKey, aeads: &[AeadName]) -> Result<Self, KeyError> {
        let opener = Opener::derive(stored.id, stored.kem, aeads, &stored.seed)?;
        Ok(Self { stored, opener })
    }
}

/// Retires what is in use and makes a new key for each KEM, under identifiers that no live key has.
fn rotate(stored: &mut Vec<StoredKey>, config: &KeysConfig, now: Timestamp) -> Result<(), KeyError> {
    let retires_at = now.plus(Duration::from_secs(config.cache_seconds)).plus(CLOCK_SKEW);
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

fn entity_tag(bytes: &[u8]) -> HeaderValue {
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..8]));
    HeaderValue::try_from(tag).expect("hexadecimal digits in quotes are a header value")
}

#[cfg(test)]
mod tests;
