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
    assert!(after.keys(&scene.config, Timestamp::from_seconds(START)).is_empty());
    assert!(matches!(KeyRing::open(&scene.config, clock(&scene.now, 0)).err(), Some(KeyError::ClockBehind)));
    // A copy from before can.
    let (_, copy) = fleet.join(0);
    assert!(opens(&copy, &old).is_ok());
}

/// Without a clock that runs while the machine is off, say: there would be no key to publish.
#[test]
fn a_clock_before_the_file_is_refused_and_one_within_the_skew_is_not() {
    let fleet = Fleet::new();
    let (scene, ring) = fleet.join(0);
    let begin = epoch_of(START) * ROTATION;
    fleet.origin.now.store(begin - 1, Ordering::SeqCst);
    let open = |ahead| KeyRing::open(&scene.config, clock(&scene.now, ahead));
    let refused = open(0).err().unwrap();
    assert_eq!(refused.to_string(), "shared keys: the clock is before the time of the file");
    // One at work keeps what it has.
    let before = ring.published().0.signed;
    assert!(matches!(ring.rotate(), Err(KeyError::ClockBehind)));
    assert_eq!(ring.published().0.signed, before);
    assert_eq!(open(1).unwrap().published().0.plain, ring.published().0.plain);

    // The gateway whose clock is ahead is the first to leave the epoch: its file is still good for the one that is behind.
    let (ahead, early) = fleet.join(150);
    fleet.origin.now.store(begin + ROTATION + CACHE + 2 * SKEW - 150, Ordering::SeqCst);
    early.tend().unwrap();
    assert!(!Chain::read(&ahead.state()).unwrap().unwrap().is(&Chain::read(&scene.state()).unwrap().unwrap()));
    let late = KeyRing::open(&ahead.config, clock(&ahead.now, -150)).unwrap();
    assert_eq!(late.published().0.plain, early.published().0.plain);
    assert!(opens(&late, &capsule(&early)).is_ok());
}

/// What a client gets does not tell which gateway its relay asked, and no key goes before the last configuration that names it.
#[test]
fn gateways_whose_clocks_differ_sign_the_same_octets() {
    const STEP: u64 = 500;
    let mut fleet = Fleet::new();
    // There is no whole number of halves in an epoch.
    fleet.origin.config.cache_seconds = 5000;
    let gateways = [-150, 0, 150].map(|ahead| fleet.join(ahead).1);
    let (mut alike, mut held) = (0, Vec::new());
    for _ in 0..2 * ROTATION / STEP {
        fleet.origin.pass(STEP);
        let signed = gateways.each_ref().map(|ring| {
            ring.tend().unwrap();
            let (published, now) = ring.published();
            let signed = KeyConfiguration::verify(published.signed.bytes(), &ring.signing_key(), now).unwrap();
            let left = signed.document().expires_at.since(now).as_secs();
            assert!((2500..=5000).contains(&left), "{left}");
            held.push((capsule(ring), signed.document().expires_at));
            signed
        });
        for [one, other] in [[0, 1], [1, 2], [2, 0]].map(|pair| pair.map(|index| &signed[index])) {
            assert_eq!(one.bytes() == other.bytes(), one.document().issued_at == other.document().issued_at);
        }
        alike += u64::from(signed[0] == signed[2]);
        let now = fleet.origin.now.load(Ordering::SeqCst);
        for (capsule, _) in held.extract_if(.., |(_, expires_at)| expires_at.seconds() < now + STEP) {
            assert!(gateways.iter().all(|ring| opens(ring, &capsule).is_ok()));
        }
    }
    // But for the moments at which their clocks stand on both sides of an edge.
    assert!(alike * 4 > 2 * ROTATION / STEP * 3, "{alike}");
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
