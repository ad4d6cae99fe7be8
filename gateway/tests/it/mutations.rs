//! Capsules, and what is in them, with a few bytes changed: the gateway refuses or answers them, and never fails.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::scene::{Opened, Scene, binary, lookup, seal};

#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Overwrite(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    Truncate(Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len() + 1;
        let range = |a: &Index, b: &Index| {
            let (a, b) = (a.index(end), b.index(end));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Flip(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Flip(..) => {}
            Self::Overwrite(at, with) => {
                let at = at.index(end);
                bytes.truncate(at);
                bytes.extend(with);
            }
            Self::Insert(at, more) => drop(bytes.splice(at.index(end)..at.index(end), more.iter().copied())),
            Self::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Self::Repeat(from, to) => bytes.extend_from_within(range(from, to)),
            Self::Truncate(at) => bytes.truncate(at.index(end)),
        }
    }
}

fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let at = any::<Index>;
    let some = || prop::collection::vec(any::<u8>(), 1..20);
    let mutation = prop_oneof![
        4 => (at(), 1..=u8::MAX).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        1 => (at(), some()).prop_map(|(at, with)| Mutation::Overwrite(at, with)),
        2 => (at(), some()).prop_map(|(at, more)| Mutation::Insert(at, more)),
        1 => (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        1 => (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        1 => at().prop_map(Mutation::Truncate),
    ];
    prop::collection::vec(mutation, 1..4).prop_map(move |mutations| {
        let mut bytes = bytes.clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        bytes
    })
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 1000, failure_persistence: None, ..Config::default() })
}

fn scene() -> (Runtime, Scene) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let scene = runtime.block_on(Scene::start());
    (runtime, scene)
}

#[test]
fn of_capsules() {
    let (runtime, scene) = scene();
    let keys = runtime.block_on(scene.plain_keys());
    let (capsule, _) = seal(&keys, &binary(&lookup(b"what is asked")));
    runner()
        .run(&mutated(capsule.clone()), |changed| {
            // A panic would end the connection, and the answer would not come.
            let answer = runtime.block_on(scene.post(changed.clone()));
            let expected: &[u16] = if changed == capsule { &[200] } else { &[400, 422] };
            prop_assert!(expected.contains(&answer.status().as_u16()), "{}", answer.status());
            Ok(())
        })
        .unwrap();
    assert_eq!(runtime.block_on(scene.look_up(b"still there")).status(), 200);
}

#[test]
fn of_what_is_in_capsules() {
    let (runtime, scene) = scene();
    let keys = runtime.block_on(scene.plain_keys());
    let mut request = lookup(b"what is asked");
    request.put_header("x-first", "1");
    request.put_header("x-second", "2");
    runner()
        .run(&mutated(binary(&request)), |changed| {
            let (capsule, opener) = seal(&keys, &changed);
            // Whatever it is, it is answered inside.
            let answer = Opened::new(&runtime.block_on(scene.post(capsule)), opener);
            prop_assert!([200, 400, 403, 417].contains(&answer.status()), "{}", answer.status());
            Ok(())
        })
        .unwrap();
    let asked = scene.target.asked();
    assert!(!asked.is_empty(), "no mutation passed");
    for request in asked {
        assert!(request.uri().to_string().eq_ignore_ascii_case("https://store.example/v1/lookup"), "{}", request.uri());
        for name in ["connection", "host", "te", "transfer-encoding", "upgrade", "expect"] {
            assert!(!request.headers().contains_key(name));
        }
    }
}
