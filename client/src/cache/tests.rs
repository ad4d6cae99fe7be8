//! How long each answer is kept and when it is asked for again; nothing saved is believed unverified.

use super::*;

use crate::sample::{NOW, at, cpi, mapping, trust};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn found(days: u32, msps: &[&str]) -> Found {
    let mappings = msps.iter().map(|msp| mapping(msp, &[], DAY * days)).collect();
    Found::of(cpi(), mappings)
}

fn cache_with(found: &Found) -> Cache {
    let mut cache = Cache::new(Freshness::default());
    cache.insert(found, NOW);
    cache
}

fn is_due(cache: &Cache, after: Duration) -> bool {
    !cache.due(&[cpi()], NOW.plus(after)).cpis.is_empty()
}

#[test]
fn an_answer_holds_until_its_first_document_expires() {
    let mappings = vec![mapping("mimi://a.example", &[], DAY * 6), mapping("mimi://b.example", &[], DAY * 3)];
    let cache = cache_with(&Found::of(cpi(), mappings));
    assert_eq!(cache.find(&cpi(), &trust(), NOW.plus(DAY)).unwrap().mappings.len(), 2);
    assert_eq!(cache.find(&cpi(), &trust(), NOW.plus(DAY * 3)), None);
    // Asked for again before that: here a quarter of three days is less than one day.
    assert!(!is_due(&cache, DAY * 2));
    assert!(is_due(&cache, DAY * 2 + HOUR * 6));
}

/// Withdrawals are learnt by asking alone.
#[test]
fn no_answer_holds_longer_than_a_week() {
    let cache = cache_with(&found(40, &["mimi://a.example"]));
    assert!(cache.find(&cpi(), &trust(), NOW.plus(DAY * 7).minus(HOUR)).is_some());
    assert_eq!(cache.find(&cpi(), &trust(), NOW.plus(DAY * 7)), None);
    assert!(!is_due(&cache, DAY * 5));
    assert!(is_due(&cache, DAY * 6));
}

#[test]
fn not_found_is_kept_for_an_hour() {
    let cache = cache_with(&found(1, &[]));
    let kept = cache.find(&cpi(), &trust(), NOW).unwrap();
    assert_eq!((kept.outcome, kept.mappings.len()), (Outcome::NeverMapped, 0));
    assert!(!is_due(&cache, Duration::from_secs(44 * 60)));
    assert!(is_due(&cache, Duration::from_secs(45 * 60)));
    assert_eq!(cache.find(&cpi(), &trust(), NOW.plus(HOUR)), None);
}

/// An answer in which something did not verify is asked for again soon, though what did verify counts.
#[test]
fn a_doubtful_answer_is_not_kept_for_long() {
    let doubtful = Found { refused: vec![crate::lookup::Refused::Replaced], ..found(40, &["mimi://a.example"]) };
    let cache = cache_with(&doubtful);
    assert!(cache.find(&cpi(), &trust(), NOW).is_some());
    assert_eq!(cache.find(&cpi(), &trust(), NOW.plus(HOUR)), None);
}

#[test]
fn a_clock_that_was_set_back_makes_answers_stale() {
    let cache = cache_with(&found(40, &["mimi://a.example"]));
    assert!(cache.find(&cpi(), &trust(), NOW.minus(CLOCK_SKEW)).is_some());
    assert!(cache.due(&[cpi()], NOW.minus(HOUR)).cpis == [cpi()]);
}

#[test]
fn only_what_is_new_or_stale_is_due() {
    let cache = cache_with(&found(40, &["mimi://a.example"]));
    let due = cache.due(&[cpi(), at(7), cpi(), at(7)], NOW);
    assert_eq!(due, Due { cpis: vec![at(7)], fresh: 1 });
}

#[test]
fn a_change_is_told_from_a_renewal() {
    let mut cache = Cache::new(Freshness::default());
    assert_eq!(cache.insert(&found(1, &[]), NOW), None, "nothing known, nothing found");
    assert_eq!(cache.insert(&found(1, &["mimi://a.example"]), NOW), Some(Change::New));
    assert_eq!(cache.insert(&found(2, &["mimi://a.example"]), NOW), None, "a later end alone");
    assert_eq!(cache.insert(&found(2, &["mimi://a.example", "mimi://b.example"]), NOW), Some(Change::Otherwise));
    assert_eq!(cache.insert(&found(2, &["mimi://b.example", "mimi://a.example"]), NOW), None, "another order alone");
    let tagged = Found::of(cpi(), vec![mapping("mimi://a.example", &["Business"], DAY)]);
    assert_eq!(cache.insert(&tagged, NOW), Some(Change::Otherwise));
    assert_eq!(cache.insert(&found(1, &[]), NOW), Some(Change::Gone));
}

#[test]
fn what_is_expired_by_hand_is_asked_for_and_still_known() {
    let mut cache = cache_with(&found(2, &["mimi://a.example"]));
    cache.expire();
    assert!(is_due(&cache, Duration::ZERO));
    assert_eq!(cache.find(&cpi(), &trust(), NOW), None);
    assert_eq!(cache.insert(&found(2, &["mimi://a.example"]), NOW), None, "nothing has changed");
    assert!(!is_due(&cache, Duration::ZERO));
    cache.expire();
    assert_eq!(cache.insert(&found(1, &[]), NOW), Some(Change::Gone));
}

/// What the file says is verified: by other trust anchors, after a change of one byte, and under another CPI it is nothing.
#[test]
fn documents_are_verified_again() {
    let cache = cache_with(&found(2, &["mimi://a.example"]));
    assert_eq!(cache.find(&cpi(), &TrustAnchors::default(), NOW), None);
    let mut forged = cache.clone();
    *forged.answers.get_mut(&cpi()).unwrap().documents[0].last_mut().unwrap() ^= 1;
    assert_eq!(forged.find(&cpi(), &trust(), NOW), None);
    let mut moved = cache.clone();
    let kept = moved.answers.remove(&cpi()).unwrap();
    moved.answers.insert(at(7), kept);
    assert_eq!(moved.find(&at(7), &trust(), NOW), None);
}

fn full() -> Cache {
    let found = found(2, &["mimi://a.example", "mimi://b.example"]);
    let mut cache = cache_with(&found);
    cache.insert(&Found::of(at(7), Vec::new()), NOW);
    cache.remember(&cpi(), Some("Business"), Choice::of(&found.mappings[0]).unwrap());
    cache.remember(&cpi(), None, Choice::of(&found.mappings[1]).unwrap());
    cache.see_keys(NOW);
    cache
}

#[test]
fn bytes_round_trip_and_are_strict() {
    let bytes = full().to_bytes();
    assert_eq!(Cache::from_bytes(&bytes, Freshness::default()).unwrap(), full());
    assert_eq!(hex::encode(Cache::default().to_bytes()), "a4010102800380".to_owned() + "0400");
    for end in [0, 1, bytes.len() - 1] {
        assert!(matches!(Cache::from_bytes(&bytes[..end], Freshness::default()), Err(CacheError::Malformed)));
    }
    let other_version = hex::decode("a40102028003800400").unwrap();
    assert!(matches!(Cache::from_bytes(&other_version, Freshness::default()), Err(CacheError::Malformed)));
}

#[test]
fn choices_are_kept_by_context_and_forgotten_with_their_contact() {
    let mut cache = full();
    let msp = |cache: &Cache, context| cache.choice(&cpi(), context).map(|choice| choice.msp.to_string());
    assert_eq!(msp(&cache, Some("Business")).as_deref(), Some("mimi://a.example"));
    assert_eq!(msp(&cache, None).as_deref(), Some("mimi://b.example"));
    assert_eq!(msp(&cache, Some("Football")), None);
    cache.forget(&cpi());
    assert_eq!((cache.len(), msp(&cache, None).as_deref()), (1, Some("mimi://b.example")));
    cache.retain(&[at(7)]);
    assert_eq!((cache.len(), msp(&cache, None)), (1, None));
    assert_eq!(cache.newest_keys(), NOW);
}

#[test]
fn debug_shows_no_identifier() {
    assert_eq!(format!("{:?}", full()), "Cache(2 answers, 2 choices)");
}

#[cfg(all(unix, feature = "files"))]
mod files {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        assert_eq!(Cache::load(&path, Freshness::default()).unwrap(), Cache::default());
        for _ in 0..2 {
            full().save(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(Cache::load(&path, Freshness::default()).unwrap(), full());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Cache::load(&path, Freshness::default()), Err(CacheError::Exposed)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
        assert!(matches!(full().save(&folder.path().join("none/cache")), Err(CacheError::Io(_))));
    }
}
