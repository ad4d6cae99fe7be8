//! Histories made at random, played to a store and to [`Model`].

use proptest::prelude::*;

use super::*;
use model::Model;

/// One step of a history.
#[derive(Clone, Debug)]
enum Action {
    Publish { holder: u8, msp: u8, seq: u64, withdrawn: bool, default: bool, fresh: bool, age: u64, days: u64 },
    Again(prop::sample::Index),
    Remove { hours_ago: u64 },
    Pass { hours: u64 },
    Sweep,
    Reopen,
}

fn action() -> impl Strategy<Value = Action> {
    let publish = (1..4_u8, 0..3_u8, 0..6_u64, any::<(bool, bool)>(), prop::bool::weighted(0.2), 0..200_u64, 1..45_u64);
    let publish = publish.prop_map(|(holder, msp, seq, (withdrawn, default), fresh, age, days)| Action::Publish {
        holder,
        msp,
        seq,
        withdrawn,
        default,
        fresh,
        age,
        days,
    });
    prop_oneof![
        12 => publish,
        2 => any::<prop::sample::Index>().prop_map(Action::Again),
        1 => (0..100_u64).prop_map(|hours_ago| Action::Remove { hours_ago }),
        4 => prop_oneof![1..48_u64, 24..1200_u64].prop_map(|hours| Action::Pass { hours }),
        2 => Just(Action::Sweep),
        1 => Just(Action::Reopen),
    ]
}

impl Action {
    fn publication(&self, now: Timestamp) -> Option<Publication> {
        let Self::Publish { holder, msp, seq, withdrawn, default, fresh, age, days } = self.clone() else {
            return None;
        };
        let issued = now.minus(HOUR * u32::try_from(age).unwrap());
        let lifetime = now.since(issued) + DAY * u32::try_from(days).unwrap();
        Some(Publication {
            holder,
            msp: [Some("a.example"), Some("b.example"), None][usize::from(msp)],
            seq,
            state: if withdrawn { State::Withdrawn } else { State::Live },
            tags: if default { &["Default"] } else { &[] },
            fresh,
            issued,
            lifetime: lifetime.min(DEFAULT_LIFETIME),
        })
    }
}

/// Plays a history to store and model; they must agree after every step.
async fn play<S: Storage>(
    place: &Place,
    mut store: Store<S>,
    actions: &[Action],
    reopen: impl Fn(Store<S>) -> Store<S>,
) {
    let (mut model, mut published) = (Model::default(), Vec::<(Vec<u8>, Vec<u8>)>::new());
    for action in actions {
        let now = place.now();
        match action {
            Action::Publish { .. } => {
                let publication = action.publication(now).unwrap();
                let bytes = publication.bytes();
                let known = published.iter().find(|(known, _)| *known == bytes);
                match store.publish(&bytes).await {
                    Ok(Published::Known(receipt)) => assert_eq!(Some(&(bytes, receipt)), known),
                    Ok(Published::New(receipt)) => {
                        assert_eq!((known, model.publish(&publication, &bytes, now)), (None, Ok(())));
                        published.push((bytes, receipt));
                    }
                    Err(PublishError::Refused(refusal)) => {
                        assert_eq!((known, model.publish(&publication, &bytes, now)), (None, Err(refusal)));
                    }
                    Err(error) => assert!(now >= publication.issued.plus(publication.lifetime), "{error}"),
                }
            }
            Action::Again(which) if !published.is_empty() => {
                let (bytes, receipt) = which.get(&published);
                match store.publish(bytes).await {
                    Ok(again) => assert_eq!(again, Published::Known(receipt.clone())),
                    Err(error) => assert!(matches!(error, PublishError::Mapping(_)), "{error}"),
                }
            }
            Action::Again(_) => {}
            Action::Remove { hours_ago } => {
                let before = now.minus(HOUR * u32::try_from(*hours_ago).unwrap());
                if let Published::New(_) = store.remove(&removal(before, now)).await.unwrap() {
                    model.remove(before);
                }
            }
            Action::Pass { hours } => place.advance(HOUR * u32::try_from(*hours).unwrap()),
            Action::Sweep => sweep_all(&store, 3).await,
            Action::Reopen => store = reopen(store),
        }
        let mut mappings = served(&store, &cpi()).await.mappings;
        mappings.sort();
        assert_eq!(mappings, model.served(place.now()));
    }
    store.check().await.unwrap();
    // In the end time takes everything but the log.
    place.advance(DEFAULT_LIFETIME * 2 + NOTICE_LIFETIME);
    sweep_all(&store, 1).await;
    let checked = store.check().await.unwrap();
    assert_eq!((checked.records, checked.live, checked.tombstones), (0, 0, 0));
}

/// Sweeps until nothing is due, `most` at a time.
async fn sweep_all<S: Storage>(store: &Store<S>, most: usize) {
    for _ in 0..1000 {
        if store.sweep(most).await.unwrap() < most {
            return;
        }
    }
    panic!("something stays due");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_history_is_served_as_the_model_says(actions in proptest::collection::vec(action(), 1..40)) {
        let place = Place::new();
        runtime().block_on(play(&place, place.memory(3), &actions, |store| store));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_history_is_served_as_the_model_says_by_rocksdb(actions in proptest::collection::vec(action(), 1..40)) {
        let place = Place::new();
        let reopen = |store| {
            drop(store);
            place.rocks()
        };
        runtime().block_on(play(&place, place.rocks(), &actions, reopen));
    }
}
