//! A contact book of ten thousand: batches, order, padding, bounds.

use std::collections::HashSet;
use std::time::Duration;

use client::lookup::Progress;
use futures_util::{FutureExt as _, StreamExt as _};
use protocol::cpi::Cpi;
use protocol::lookup::{MAX_CPIS, Outcome};
use protocol::mapping::State;

use crate::fixtures::{HOLDER, number, signed};
use crate::server::{Manner, Server};

const BOOK: usize = 10_000;
const CONCURRENCY: usize = 3;

fn book() -> Vec<Cpi> {
    (0..BOOK).map(number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_are_asked_for_once_each_in_like_batches() {
    let server = Server::start().await;
    let mapped: HashSet<Cpi> = (0..BOOK).step_by(40).map(number).collect();
    for cpi in &mapped {
        server.publish(cpi.clone(), vec![signed(cpi, HOLDER, "mimi://a.example", &[], 1, State::Live)]);
    }
    let client = server.builder().concurrency(CONCURRENCY.try_into().unwrap()).build().unwrap();
    let mut twice = book();
    twice.extend(book());
    let done = std::sync::atomic::AtomicUsize::new(0);
    let found = client
        .lookup(&twice, |more| {
            done.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
        })
        .await
        .unwrap();
    assert_eq!(done.into_inner(), BOOK);
    assert!(found.iter().map(|found| &found.cpi).eq(&book()), "answers in the order of the book, each once");
    for found in &found {
        assert_eq!(found.outcome == Outcome::OneMapping, mapped.contains(&found.cpi));
    }

    let asked = server.asked();
    let sizes: Vec<usize> = asked.iter().map(|asked| asked.cpis.len()).collect();
    assert_eq!(sizes.len(), BOOK.div_ceil(MAX_CPIS));
    assert_eq!(sizes.iter().filter(|size| **size == MAX_CPIS).count(), BOOK / MAX_CPIS);
    let in_order = asked.iter().flat_map(|asked| &asked.cpis).cloned().collect::<Vec<_>>();
    assert_ne!(in_order, book(), "shuffled");
    assert_eq!(in_order.iter().collect::<HashSet<_>>().len(), BOOK);
    let lengths: HashSet<usize> = asked.iter().map(|asked| asked.capsule_bytes).collect();
    assert_eq!(lengths.len(), 1, "padded alike, the last and smaller one too");
    assert!(server.most_under_way() <= CONCURRENCY);
    assert_eq!(server.key_fetches(), 1);
}

/// Memory: a slow reader holds the requests up, so that no more than a few batches of answers are ever there.
#[tokio::test]
async fn answers_that_nobody_takes_are_not_asked_for() {
    let server = Server::start().await;
    let client = server.builder().concurrency(CONCURRENCY.try_into().unwrap()).build().unwrap();
    let mut lookups = client.lookups(&book());
    assert_eq!(server.capsules(), 0, "nothing is asked before the stream is polled");
    for taken in 1..=MAX_CPIS * 10 {
        lookups.next().await.unwrap().unwrap();
        assert_eq!(lookups.progress(), Progress { answered: taken, unanswered: 0, total: BOOK });
        assert!(server.capsules() <= taken.div_ceil(MAX_CPIS) + CONCURRENCY);
    }
    drop(lookups);
    let after = server.capsules();
    assert!(client.lookup(&[number(1)], |_| ()).await.is_ok());
    assert_eq!(server.capsules(), after + 1, "a stream that is dropped asks no more");
}

/// As many requests at once as were allowed, and not one more.
#[tokio::test]
async fn concurrency_is_what_was_set() {
    let server = Server::start().await;
    server.always(Manner::Slow);
    let client = server.builder().concurrency(2.try_into().unwrap()).build().unwrap();
    let lookup = tokio::spawn(async move { client.lookup(&book()[..640], |_| ()).await });
    while server.asked().len() < 10 {
        if server.under_way() == 2 {
            server.release();
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(lookup.await.unwrap().unwrap().len(), 640);
    assert_eq!(server.most_under_way(), 2);
}

/// The turns are counted in the unit tests of the pace; here it must be kept: the first request goes at once, the second
/// waits for an hour.
#[tokio::test]
async fn requests_wait_for_their_turn() {
    let server = Server::start().await;
    let client = server.builder().pace(Duration::from_secs(3600)).build().unwrap();
    let mut lookups = client.lookups(&book()[..65]);
    let first = lookups.next().await.unwrap().unwrap();
    let mut of_the_first = 1;
    while let Some(next) = lookups.next().now_or_never() {
        next.unwrap().unwrap();
        of_the_first += 1;
    }
    assert!(book().contains(&first.cpi));
    assert!([1, MAX_CPIS].contains(&of_the_first), "either batch may go first");
    assert_eq!(server.capsules(), 1);
}

/// An answer that would be too large is asked for in halves, which look like the whole from outside.
#[tokio::test]
async fn batches_are_halved_where_answers_are_too_large() {
    let server = Server::start().await;
    server.always(Manner::AtMost(16));
    let found = server.client().lookup(&book()[..64], |_| ()).await.unwrap();
    assert_eq!(found.len(), 64);
    let asked = server.asked();
    let sizes: Vec<_> = asked.iter().map(|asked| asked.cpis.len()).collect();
    assert_eq!(sizes, [64, 32, 16, 16, 32, 16, 16]);
    assert_eq!(asked.iter().map(|asked| asked.capsule_bytes).collect::<HashSet<_>>().len(), 1);
}

/// A book with one more than a batch does not show that by a small request at its end.
#[tokio::test]
async fn the_rest_of_a_book_looks_like_a_batch() {
    let server = Server::start().await;
    server.client().lookup(&book()[..65], |_| ()).await.unwrap();
    let asked = server.asked();
    let sizes: HashSet<_> = asked.iter().map(|asked| asked.cpis.len()).collect();
    assert_eq!(sizes, HashSet::from([64, 1]));
    assert_eq!(asked[0].capsule_bytes, asked[1].capsule_bytes);
}
