//! Keys that several gateways share: the same at the same time, whatever their clocks do, and gone when nobody can hold them.

use super::*;
use crate::keys::chain::Chain;

const SKEW: u64 = 300;
const KEMS: [KemName; 2] = [KemName::XWing, KemName::X25519];

/// A chain's file, and the gateways that have a copy of it.
struct Fleet {
    origin: Scene,
}

impl Fleet {
    fn new() -> Self {
        let mut origin = Scene::new();
        origin.config.shared = true;
        origin.config.kems = KEMS.to_vec();
        KeyRing::make_shared(&origin.config, &clock(&origin.now, 0)).unwrap();
        Self { origin }
    }

    /// Another gateway, with copies of both files as they were made, and a clock that is so many seconds off.
    fn join(&self, ahead: i64) -> (Scene, KeyRing) {
        let (mut scene, from) = (Scene::new(), &self.origin.config);
        scene.config = KeysConfig {
            state_file: scene.config.state_file,
            signing_key_file: scene.config.signing_key_file,
            ..from.clone()
        };
        std::fs::copy(&from.state_file, &scene.config.state_file).unwrap();
        std::fs::copy(&from.signing_key_file, &scene.config.signing_key_file).unwrap();
        scene.now = Arc::clone(&self.origin.now);
        let ring = KeyRing::open(&scene.config, clock(&scene.now, ahead)).unwrap();
        (scene, ring)
    }
}

fn clock(now: &Arc<AtomicU64>, ahead: i64) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || Timestamp::from_seconds(now.load(Ordering::SeqCst).saturating_add_signed(ahead)))
}

fn epoch_of(time: u64) -> u64 {
    time / ROTATION
}

#[test]
fn gateways_of_one_chain_publish_the_same_keys_and_open_each_others_capsules() {
    let fleet = Fleet::new();
    let rings = [fleet.join(0).1, fleet.join(0).1, fleet.join(0).1];
    for _ in 0..5 {
        for ring in &rings {
            ring.tend().unwrap();
            assert_eq!(ring.published().0.plain, rings[0].published().0.plain);
            assert_eq!(ring.signing_key(), rings[0].signing_key());
            for other in &rings {
                assert_eq!(opens(other, &capsule(ring)).unwrap(), b"hello");
            }
        }
        fleet.origin.pass(ROTATION);
    }
}

#[test]
fn clocks_that_differ_by_the_skew_part_nobody() {
    let fleet = Fleet::new();
    let (early, late) = (fleet.join(150).1, fleet.join(-150).1);
    // Through two whole epochs, in steps that meet both edges of each.
    for _ in 0..2 * ROTATION / 100 {
        fleet.origin.pass(100);
        for ring in [&early, &late] {
            ring.tend().unwrap();
        }
        assert!(opens(&late, &capsule(&early)).is_ok() && opens(&early, &capsule(&late)).is_ok());
    }
}

#[test]
fn a_key_is_honoured_as_long_as_somebody_can_hold_it_and_no_longer() {
    let fleet = Fleet::new();
    let (_, ring) = fleet.join(0);
    let old = capsule(&ring);
    let end = (epoch_of(START) + 1) * ROTATION;
    fleet.origin.now.store(end + CACHE + 2 * SKEW - 1, Ordering::SeqCst);
    ring.tend().unwrap();
    assert_ne!(capsule(&ring)[0], old[0]);
    assert!(opens(&ring, &old).is_ok());
    fleet.origin.pass(1);
    assert_eq!(opens(&ring, &old), Err(DecapsulationError::UnknownKey));
}

/// Whoever takes the file cannot open what was sealed under keys that have retired.
#[test]
fn the_file_moves_forward_and_not_back() {
    let fleet = Fleet::new();
    let (scene, ring) = fleet.join(0);
    let old = capsule(&ring);
    let before = Chain::read(&scene.state()).unwrap().unwrap();
    fleet.origin.pass(3 * ROTATION);
    ring.tend().unwrap();
    let after = Chain::read(&scene.state()).unwrap().unwrap();
    assert!(!after.is(&before));
    // With the clock as it was: the keys of then cannot be had from the file of now.
    fleet.origin.now.store(START, Ordering::SeqCst);
    let robbed = KeyRing::open(&scene.config, clock(&scene.now, 0)).unwrap();
    assert_eq!(opens(&robbed, &old), Err(DecapsulationError::UnknownKey));
    // A copy from before can.
    let (_, copy) = fleet.join(0);
    assert!(opens(&copy, &old).is_ok());
}

#[test]
fn a_gateway_that_was_away_for_long_comes_back_to_the_same_keys() {
    let fleet = Fleet::new();
    let (_, stayed) = fleet.join(0);
    for _ in 0..300 {
        fleet.origin.pass(ROTATION);
        stayed.tend().unwrap();
    }
    let (_, returned) = fleet.join(0);
    assert_eq!(returned.published().0.plain, stayed.published().0.plain);
    assert!(opens(&stayed, &capsule(&returned)).is_ok());
}

#[test]
fn a_replaced_chain_retires_and_both_open_meanwhile() {
    let fleet = Fleet::new();
    let (scene, ring) = fleet.join(0);
    let old = capsule(&ring);
    ring.rotate().unwrap();
    assert_eq!(capsule(&ring)[0], old[0], "the same file, the same keys");
    std::fs::copy(&Fleet::new().origin.config.state_file, scene.state()).unwrap();
    ring.rotate().unwrap();
    let new = capsule(&ring);
    // The identifiers follow from the time: both chains have the same.
    assert_eq!(new[0], old[0]);
    assert!(opens(&ring, &new).is_ok() && opens(&ring, &old).is_ok());
    let mut torn = old.clone();
    *torn.last_mut().unwrap() ^= 1;
    assert_eq!(opens(&ring, &torn), Err(DecapsulationError::Malformed));
    fleet.origin.pass(CACHE + 2 * SKEW);
    ring.tend().unwrap();
    assert!(opens(&ring, &old).is_err());
    assert!(opens(&ring, &capsule(&ring)).is_ok());
}

#[test]
fn nothing_is_shared_by_accident() {
    let fleet = Fleet::new();
    let refused = |change: &dyn Fn(&mut KeysConfig)| {
        let (scene, _) = fleet.join(0);
        let mut config = scene.config.clone();
        change(&mut config);
        let error = KeyRing::open(&config, clock(&scene.now, 0)).map(|_| ()).unwrap_err().to_string();
        (error, scene)
    };
    let missing = refused(&|config| std::fs::remove_file(&config.state_file).unwrap()).0;
    assert!(missing.contains("keys.json is missing: make it once"), "{missing}");
    let (unsigned, scene) = refused(&|config| std::fs::remove_file(&config.signing_key_file).unwrap());
    assert!(unsigned.contains("signing.key is missing"), "{unsigned}");
    assert!(!scene.config.signing_key_file.exists(), "none is made");
    assert_eq!(
        refused(&|config| config.rotation_seconds += 1).0,
        "shared keys: the file was made for other `rotation_seconds` than the configuration has"
    );
    assert!(refused(&|config| config.shared = false).0.starts_with("the state file is damaged"));
    let again = KeyRing::make_shared(&fleet.origin.config, &clock(&fleet.origin.now, 0)).unwrap_err();
    assert!(matches!(again, KeyError::Exists(_)));
    let own = Scene::new();
    assert!(matches!(KeyRing::make_shared(&own.config, &clock(&own.now, 0)), Err(KeyError::Own)));
}
