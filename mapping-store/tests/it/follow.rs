//! A standby follows a provider: verifies everything itself, keeps its position, trusts the source for nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use mapping_store::follow::{FollowConfig, FollowError, Follower, Step};
use protocol::lookup::Outcome;
use service::{CancellationToken, ClientTlsConfig};

use crate::binary::{Binary, wait_until_serving};
use crate::feed::entries;
use crate::papers::{DAY, NOW, Paper, key, number, signed_removal};
use crate::place::{PUBLISHER, Place, Server};

const DEADLINE: Duration = Duration::from_secs(60);

fn follower(place: &Place, source: &Server, store: &mapping_store::Store) -> Follower {
    let config = FollowConfig { url: source.base(), tls: place.follower_tls(), wait_seconds: 0 };
    Follower::new(&config, store.clone()).unwrap()
}

async fn step(follower: &Follower) -> Result<Step, FollowError> {
    let (name, shards) = follower.describe().await.unwrap();
    assert_eq!((name.as_str(), shards), (crate::place::PROVIDER, 1));
    follower.step(&name, 0).await
}

#[tokio::test]
async fn a_standby_comes_to_the_same_state_and_resumes_where_it_stopped() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let source = Server::start(&place).await;
    let standby = elsewhere.open();
    for n in 0..20 {
        source.publish_paper(&Paper::of(n)).await;
    }
    let taken = |taken, behind| Step { taken, refused: 0, behind };
    assert_eq!(step(&follower(&place, &source, &standby)).await.unwrap(), taken(20, 0));
    assert_eq!(step(&follower(&place, &source, &standby)).await.unwrap(), taken(0, 0));
    source.publish_paper(&Paper::withdrawal(3, 2)).await;
    source.remove(signed_removal(&number(4), NOW.plus(Duration::from_secs(1)))).await;
    drop(standby);
    let standby = elsewhere.open();
    assert_eq!(step(&follower(&place, &source, &standby)).await.unwrap(), taken(2, 0));
    assert_eq!(standby.check().await.unwrap().entries, 22);
    drop(standby);
    let standby = Server::start(&elsewhere).await;
    let all: Vec<_> = (0..20).map(number).collect();
    assert_eq!(standby.lookup(all.clone()).await, source.lookup(all).await);
    source.stop().await;
    standby.stop().await;
}

/// Documents in the log of a source that trusts more provers than the follower does.
#[tokio::test]
async fn what_does_not_verify_here_is_passed_over() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let source = Server::start(&place).await;
    let mut config = elsewhere.config();
    config.store.provers[0].keys = vec![hex::encode(key(77).public().as_bytes())];
    let standby = mapping_store::Store::open(&config.store, elsewhere.clock()).unwrap();
    source.publish_paper(&Paper::of(1)).await;
    source.publish_paper(&Paper::of(2)).await;
    let expected = Step { taken: 0, refused: 2, behind: 0 };
    assert_eq!(step(&follower(&place, &source, &standby)).await.unwrap(), expected);
    assert_eq!(standby.check().await.unwrap().records, 0);
    source.stop().await;
}

/// Restored from an older backup, the standby serves nothing that was withdrawn since, even where the withdrawal has expired.
#[tokio::test]
async fn an_older_backup_is_brought_forward() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let source = Server::start(&place).await;
    let long = Paper { lifetime: 40 * DAY, ..Paper::of(1) };
    source.publish_paper(&long).await;
    let backup = elsewhere.open();
    step(&follower(&place, &source, &backup)).await.unwrap();
    source.publish_paper(&Paper { lifetime: DAY, ..Paper::withdrawal(1, 2) }).await;
    elsewhere.advance(3 * DAY);
    drop(backup);
    let restored = Server::start(&elsewhere).await;
    assert_eq!(restored.lookup_one(&number(1)).await.mappings, [long.bytes()]);
    let expected = Step { taken: 1, refused: 0, behind: 0 };
    assert_eq!(step(&follower(&place, &source, &restored.store)).await.unwrap(), expected);
    assert_eq!(restored.lookup_one(&number(1)).await.outcome, Outcome::NeverMapped);
    source.stop().await;
    restored.stop().await;
}

#[tokio::test]
async fn a_source_that_has_lost_something_is_not_followed() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let source = Server::start(&place).await;
    source.publish_paper(&Paper::of(1)).await;
    source.publish_paper(&Paper::of(2)).await;
    let standby = elsewhere.open();
    step(&follower(&place, &source, &standby)).await.unwrap();
    source.stop().await;
    std::fs::remove_dir_all(place.path("database")).unwrap();
    let source = Server::start(&place).await;
    source.publish_paper(&Paper::of(3)).await;
    assert!(matches!(step(&follower(&place, &source, &standby)).await, Err(FollowError::WentBack)));
    source.stop().await;
}

/// Running, it takes what comes while it waits, and outlives a restart of the source.
#[tokio::test]
async fn a_running_follower_keeps_up() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let mut config = place.config();
    let source = Server::start_with(&place, config.clone()).await;
    config.listener.address = source.address;
    let standby = elsewhere.open();
    let following = FollowConfig { url: source.base(), tls: place.follower_tls(), wait_seconds: 20 };
    let follower = Follower::new(&following, standby.clone()).unwrap();
    let shutdown = CancellationToken::new();
    let running = {
        let shutdown = shutdown.clone();
        tokio::spawn(async move { follower.run(shutdown).await })
    };
    let caught_up = async |entries: u64| {
        let wait = async {
            // What is being written meanwhile may not add up yet.
            while !standby.check().await.is_ok_and(|checked| checked.entries >= entries) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.unwrap();
    };
    source.publish_paper(&Paper::of(1)).await;
    caught_up(1).await;
    source.stop().await;
    let source = Server::start_with(&place, config).await;
    source.publish_paper(&Paper::of(2)).await;
    caught_up(2).await;
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap();
    assert_eq!(standby.check().await.unwrap().entries, 2);
    source.stop().await;
}

/// `mapping-store follow URL`, killed on the way: it resumes, and in the end has everything once.
#[tokio::test]
async fn the_binary_follows_and_resumes_after_being_killed() {
    let (place, elsewhere) = (Place::at_present(), Place::at_present());
    let source = Server::start(&place).await;
    let binary = Binary::new(&elsewhere);
    let (url, tls) = (source.base(), place.follower_tls());
    let [ca, certificate, key] = [tls.ca, tls.certificate, tls.key].map(|path| path.unwrap().display().to_string());
    let tls = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
    let arguments = [&["follow", &url][..], &tls, &["--wait-seconds", "5"]].concat();
    let http = elsewhere.client(Some(PUBLISHER));
    let feed: http::Uri = format!("{}/v1/changes", binary.base()).parse().unwrap();
    for round in 1..=3 {
        let mut standby = binary.start(&arguments);
        wait_until_serving(&http, &binary.base()).await;
        for n in 0..20 {
            source.publish_paper(&Paper { seq: round, issued: place.now(), ..Paper::of(n) }).await;
        }
        let caught_up = async {
            loop {
                if let Ok(answer) = http.get(&feed, "*/*").await
                    && let found = entries(&answer)
                    && found.len() == usize::try_from(round * 20).unwrap()
                {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let followed = tokio::time::timeout(DEADLINE, caught_up).await.unwrap();
        // The order of different numbers is each log's own affair.
        let documents = |entries: Vec<(u64, u64, u64, Vec<u8>)>| -> BTreeSet<_> {
            entries.into_iter().map(|entry| entry.3).collect()
        };
        assert_eq!(documents(followed), documents(entries(&source.get("/v1/changes").await)));
        standby.kill();
    }
    source.stop().await;
    let standby = mapping_store::Store::open(&binary.config().store, elsewhere.clock()).unwrap();
    assert_eq!(standby.check().await.unwrap().live, 20);
}

#[tokio::test]
async fn settings_that_cannot_be_used() {
    let place = Place::new();
    let store = place.open();
    for url in ["", "dp.example", "http://dp.example", "https://dp.example/feed", "https://dp.example?x"] {
        let config = FollowConfig { url: url.to_owned(), tls: place.follower_tls(), wait_seconds: 1 };
        assert!(matches!(Follower::new(&config, store.clone()), Err(FollowError::Url)), "{url}");
    }
    let config =
        FollowConfig { url: "https://dp.example".to_owned(), tls: ClientTlsConfig::default(), wait_seconds: 1 };
    assert!(matches!(Follower::new(&config, store), Err(FollowError::Tls(_))));
}
