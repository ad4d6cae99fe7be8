//! Publication and lookup: the five outcomes, replacement, withdrawal, and who may do what.

use client::conflict::Asked;
use client::enrollment::Wish;
use client::msp::StoreConnection;
use discovery::enroll::now;
use protocol::SigningKey;
use protocol::cpi::Cpi;
use protocol::lookup::Outcome;
use protocol::mapping::{Reachability, State, Tags};
use protocol::problem::ProblemType;

use crate::scene::{Scene, key, wish};

const NUMBER: &str = "tel:+14155550132";

/// R5: zero, one, many; the five outcomes told apart.
#[tokio::test(flavor = "multi_thread")]
async fn r05_five_outcomes_are_told_apart() {
    let scene = Scene::start().await;
    let (ann, ben) = (key(), key());
    let outcome = async || {
        let found = scene.look_up(NUMBER).await;
        assert_eq!(found.outcome, found.claimed);
        assert_eq!(found.refused, []);
        (found.outcome, found.mappings.len())
    };
    assert_eq!(outcome().await, (Outcome::NeverMapped, 0));

    let desk = scene.desk("a.example");
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &ann, &scene.codes()).await.unwrap();
    let nowhere = Wish { reachability: Reachability::Nowhere, ..wish("a.example", 1) };
    desk.publish(&enrolled, nowhere.clone(), &ann).await.unwrap();
    assert_eq!(outcome().await, (Outcome::Unreachable, 1));
    desk.publish(&enrolled, Wish { seq: 2, state: State::Withdrawn, ..nowhere }, &ann).await.unwrap();

    desk.publish(&enrolled, wish("a.example", 1), &ann).await.unwrap();
    assert_eq!(outcome().await, (Outcome::OneMapping, 1));
    scene.publish("b.example", NUMBER, &ann).await;
    assert_eq!(outcome().await, (Outcome::SeveralProviders, 2));
    scene.publish("c.example", NUMBER, &ben).await;
    assert_eq!(outcome().await, (Outcome::SeveralHolders, 3));
}

/// R2: tags are the holder's, signed, and come back as they were set.
#[tokio::test(flavor = "multi_thread")]
async fn r02_tags_come_back_as_they_were_set() {
    let scene = Scene::start().await;
    let (desk, key) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &key, &scene.codes()).await.unwrap();
    let tags = Tags::new(["Business", "24×7"]).unwrap();
    desk.publish(&enrolled, Wish { tags: tags.clone(), ..wish("a.example", 1) }, &key).await.unwrap();
    assert_eq!(scene.look_up(NUMBER).await.mappings[0].mapping().tags, tags);
    let fewer = Tags::new(["Personal"]).unwrap();
    desk.publish(&enrolled, Wish { tags: fewer.clone(), ..wish("a.example", 2) }, &key).await.unwrap();
    let found = scene.look_up(NUMBER).await;
    assert_eq!((found.mappings.len(), &found.mappings[0].mapping().tags), (1, &fewer));
}

/// R9: what is withdrawn is gone on the next lookup, and an older mapping does not bring it back.
#[tokio::test(flavor = "multi_thread")]
async fn r09_a_withdrawn_mapping_is_gone_and_stays_gone() {
    let scene = Scene::start().await;
    let (desk, key) = (scene.desk("a.example"), key());
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), &key, &scene.codes()).await.unwrap();
    let (old, receipt) = desk.publish(&enrolled, wish("a.example", 1), &key).await.unwrap();
    desk.publish(&enrolled, Wish { state: State::Withdrawn, ..wish("a.example", 2) }, &key).await.unwrap();
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::NeverMapped);

    let receipt_key = desk.trust().provider.receipt_key;
    let store = StoreConnection::new(scene.http(None), &scene.description().store_url, receipt_key);
    let again = store.publish(&old).await.unwrap();
    assert_eq!(again.document(), receipt.document(), "the same publication yields the same receipt, and no more");
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::NeverMapped);
    let tags = Tags::new(["Business"]).unwrap();
    let older = enrolled.map(Wish { tags, ..wish("a.example", 2) }, &key, now()).unwrap();
    let problem = store.publish(&older).await.unwrap_err().problem.unwrap();
    assert_eq!((problem.problem_type, problem.current_seq), (ProblemType::StaleSequence, Some(2)));
    assert_eq!(scene.look_up(NUMBER).await.outcome, Outcome::NeverMapped);
}

/// R3, D2: a whole book at once, every mapping of every identifier, in the order asked.
#[tokio::test(flavor = "multi_thread")]
async fn r03_a_whole_book_at_once() {
    let scene = Scene::start().await;
    let ann = key();
    for (msp, cpi) in [("a.example", NUMBER), ("b.example", NUMBER), ("a.example", "mailto:ann@example.com")] {
        scene.publish(msp, cpi, &ann).await;
    }
    let mut book: Vec<Cpi> = (0..200).map(|n| Cpi::parse(&format!("mailto:nobody{n}@example.org")).unwrap()).collect();
    book.insert(77, Cpi::parse(NUMBER).unwrap());
    book.insert(150, Cpi::parse("mailto:ann@example.com").unwrap());
    book.push(Cpi::parse(NUMBER).unwrap());
    let found = scene.asker().lookup(&book, |_| ()).await.unwrap();
    assert_eq!(found.len(), 202, "each identifier once");
    assert!(found.iter().zip(&book).all(|(found, asked)| found.cpi == *asked));
    assert_eq!((found[77].outcome, found[77].mappings.len()), (Outcome::SeveralProviders, 2));
    assert_eq!(found[150].outcome, Outcome::OneMapping);
    assert_eq!(found.iter().filter(|found| found.outcome == Outcome::NeverMapped).count(), 200);
}

/// `after` claims the number afresh that is `before`'s.
async fn recycle(scene: &Scene, before: &SigningKey, after: &SigningKey) {
    scene.publish("a.example", NUMBER, before).await;
    // Times are whole seconds: the new credential must be later than the old one.
    let issued = now();
    while now() == issued {
        tokio::task::yield_now().await;
    }
    let desk = scene.desk("b.example");
    let enrolled = desk.enroll(&Cpi::parse(NUMBER).unwrap(), after, &scene.codes()).await.unwrap();
    desk.publish(&enrolled, Wish { fresh: true, ..wish("b.example", 1) }, after).await.unwrap();
}

/// D8: the fresh bit, as the new holder of a recycled number sets it.
#[tokio::test(flavor = "multi_thread")]
async fn d08_a_recycled_number_is_its_new_holders_alone() {
    let scene = Scene::start().await;
    let (before, after) = (key(), key());
    recycle(&scene, &before, &after).await;
    let found = scene.look_up(NUMBER).await;
    assert_eq!((found.outcome, found.mappings.len()), (Outcome::OneMapping, 1));
    assert_eq!(*found.mappings[0].holder(), after.public());
}

/// D11: the earlier holder asks, and learns that it was displaced; the later one learns nothing of the kind.
#[tokio::test(flavor = "multi_thread")]
async fn d11_a_displaced_holder_learns_that_it_was() {
    let scene = Scene::start().await;
    let (before, after) = (key(), key());
    recycle(&scene, &before, &after).await;
    let trust = scene.desk("a.example").trust().provider.clone();
    let store = StoreConnection::new(scene.http(None), &scene.description().store_url, trust.receipt_key);
    let ask = async |key: &SigningKey| {
        let asked = Asked::new(Cpi::parse(NUMBER).unwrap(), &trust.name, key, now());
        store.conflict(&asked).await.unwrap()
    };
    let notice = ask(&before).await.unwrap();
    assert_eq!(notice.document().holder, before.public().thumbprint());
    assert!(notice.document().displaced_at <= now());
    let told = notice.bytes();
    let secret = after.public();
    for by_whom in [secret.as_bytes().as_slice(), secret.thumbprint().as_bytes(), b"b.example"] {
        assert!(!told.windows(by_whom.len()).any(|window| window == by_whom));
    }
    assert_eq!(ask(&after).await, None);
    assert_eq!(ask(&key()).await, None);
}
