//! The life of a gateway's keys by a clock that tests set: rotation, overlap, restart, damage.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use ohttp::{ClientRequest, KeyConfig};

use super::*;

const START: u64 = 1_800_000_000;
const CACHE: u64 = 3600;
const ROTATION: u64 = 24 * 3600;

struct Scene {
    folder: tempfile::TempDir,
    now: Arc<AtomicU64>,
    config: KeysConfig,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = KeysConfig {
            state_file: folder.path().join("keys.json"),
            shared: false,
            provider: "provider.example".to_owned(),
            signing_key_file: folder.path().join("signing.key"),
            rotation_seconds: ROTATION,
            cache_seconds: CACHE,
            kems: vec![KemName::X25519],
            aeads: vec![AeadName::Aes128Gcm, AeadName::ChaCha20Poly1305],
        };
        Self { folder, now: Arc::new(AtomicU64::new(START)), config }
    }

    fn open(&self) -> KeyRing {
        let now = Arc::clone(&self.now);
        KeyRing::open(&self.config, Arc::new(move || Timestamp::from_seconds(now.load(Ordering::SeqCst)))).unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }
}

fn capsule(ring: &KeyRing) -> Vec<u8> {
    let (published, _) = ring.published();
    ClientRequest::from_encoded_config_list(published.plain.bytes()).unwrap().encapsulate(b"hello").unwrap().0
}

fn opens(ring: &KeyRing, capsule: &[u8]) -> Result<Vec<u8>, DecapsulationError> {
    ring.decapsulate(capsule).map(|(content, _)| content)
}

#[test]
fn a_replaced_key_is_honoured_for_the_cache_life_and_the_skew() {
    let scene = Scene::new();
    let ring = scene.open();
    let old = capsule(&ring);
    ring.rotate().unwrap();
    let new = capsule(&ring);
    assert_ne!(old[0], new[0]);
    scene.pass(CACHE + 299);
    assert!(opens(&ring, &old).is_ok() && opens(&ring, &new).is_ok());
    scene.pass(1);
    assert_eq!(opens(&ring, &old), Err(DecapsulationError::UnknownKey));
    assert!(opens(&ring, &new).is_ok());
}

#[test]
fn a_retired_key_leaves_the_state_file() {
    let scene = Scene::new();
    let ring = scene.open();
    ring.rotate().unwrap();
    assert_eq!(state::read(&scene.state()).unwrap().len(), 2);
    scene.pass(CACHE + 300);
    assert!(!ring.tend().unwrap());
    assert_eq!(state::read(&scene.state()).unwrap().len(), 1);
}

#[test]
fn keys_rotate_by_age_and_only_then() {
    let scene = Scene::new();
    let ring = scene.open();
    scene.pass(ROTATION - 1);
    assert!(!ring.tend().unwrap());
    scene.pass(1);
    assert!(ring.tend().unwrap());
    assert!(!ring.tend().unwrap());
    assert_eq!(ring.age(), Duration::ZERO);
}

#[test]
fn a_restart_keeps_every_key() {
    let scene = Scene::new();
    let (old, new, signing_key) = {
        let ring = scene.open();
        let old = capsule(&ring);
        ring.rotate().unwrap();
        (old, capsule(&ring), ring.signing_key())
    };
    let ring = scene.open();
    assert!(opens(&ring, &old).is_ok() && opens(&ring, &new).is_ok());
    assert_eq!(ring.signing_key(), signing_key);
    assert_eq!(capsule(&ring)[0], new[0]);
}

#[test]
fn a_damaged_or_exposed_state_file_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    drop(scene.open());
    let open = || KeyRing::open(&scene.config, system_clock()).err();
    secret_file::write(&scene.state(), b"[{}]").unwrap();
    assert!(matches!(open(), Some(KeyError::Damaged(_))));
    std::fs::set_permissions(scene.state(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(open(), Some(KeyError::File(SecretFileError::Exposed(_)))));
}

#[test]
fn the_signed_form_holds_the_plain_one_and_is_renewed_in_time() {
    let scene = Scene::new();
    let ring = scene.open();
    let read = || {
        let (published, now) = ring.published();
        let signed = KeyConfiguration::verify(published.signed.bytes(), &ring.signing_key(), now).unwrap();
        assert_eq!(&signed.document().ohttp_keys, published.plain.bytes());
        assert!(published.expires_at.since(now) >= Duration::from_secs(CACHE / 2));
        published.signed
    };
    let first = read();
    scene.pass(CACHE / 2);
    ring.tend().unwrap();
    assert_ne!(read(), first);
}

#[test]
fn each_kem_has_a_key_of_its_own() {
    let mut scene = Scene::new();
    scene.config.kems = vec![KemName::XWing, KemName::X25519];
    let ring = scene.open();
    let (published, _) = ring.published();
    let configs = KeyConfig::decode_list(published.plain.bytes()).unwrap();
    assert_eq!(configs.len(), 2);
    for mut config in configs {
        let (capsule, _) = ClientRequest::from_config(&mut config).unwrap().encapsulate(b"hello").unwrap();
        assert_eq!(opens(&ring, &capsule), Ok(b"hello".to_vec()));
    }
}

#[test]
fn what_does_not_open_says_why() {
    let scene = Scene::new();
    let ring = scene.open();
    let good = capsule(&ring);
    assert_eq!(opens(&ring, &[]), Err(DecapsulationError::Malformed));
    for length in 1..good.len() {
        assert!(opens(&ring, &good[..length]).is_err(), "{length}");
    }
    let changed = |at: usize| {
        let mut capsule = good.clone();
        capsule[at] ^= 1;
        opens(&ring, &capsule)
    };
    assert_eq!(changed(0), Err(DecapsulationError::UnknownKey));
    assert_eq!(changed(good.len() - 1), Err(DecapsulationError::Malformed));
    assert!((0..7).all(|at| changed(at).is_err()));
}

mod shared;
