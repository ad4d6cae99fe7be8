//! A node that is parted from the two others, and a store that reaches this node alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::processes::{Door, NUMBERS, Post, Stores, earlier, settings};
use super::{DEADLINE, Scene};
use crate::binary::{Binary, Process};
use crate::feed::plain_get;
use crate::papers::{Paper, number};
use crate::place::Place;

/// Numbers that nobody else publishes: one is published on the side of the minority, the other was before and is removed there.
const PUBLISHED: u32 = 100;
const REMOVED: u32 = 101;

/// The store of the minority, and what it was asked to publish.
pub(super) struct Minority {
    binary: Binary,
    _process: Process,
    door: Door,
    refused: [Post; 2],
}

impl Minority {
    /// Starts the store, parts the last node from the others, and asks on its side from that moment on until all nodes know.
    pub(super) async fn part(place: &Place, scene: &Scene, stores: &Stores) -> Self {
        let cluster = settings(&scene.contact_points[2..], &scene.last);
        let binary = Binary::of(place, "three", &cluster);
        let door = Door::of(place, &binary);
        let process = door.start(&binary).await;
        let issued = earlier(place);
        let paper = |n| Paper { issued, ..Paper::of(n) };
        let refused =
            [Post::mapping(&paper(PUBLISHED)), Post::removal(REMOVED, issued.plus(std::time::Duration::from_secs(1)))];
        stores.doors[0].publish(&Post::mapping(&paper(REMOVED)), |_| {}).await.unwrap();
        assert_eq!(door.lookup(&[REMOVED], |_| {}).await, Some(vec![vec![paper(REMOVED).bytes()]]));
        assert!(stores.told.look_up(&door, &(0..NUMBERS).collect::<Vec<_>>()).await);

        scene.with_nodes(|cluster| cluster.part(2)).await;
        let (asked, refusals) = (AtomicU64::new(0), AtomicU64::new(0));
        let count = |refused: bool| {
            assert!(refused, "every request is answered");
            refusals.fetch_add(1, Ordering::SeqCst);
        };
        let publish =
            async |post: &Post| assert_eq!(door.publish(post, count).await, None, "a minority acknowledges nothing");
        let look_up = async {
            let until_known = scene.with_nodes(|cluster| {
                (0..2).for_each(|other| {
                    cluster.wait_until_seen(2, other, false);
                    cluster.wait_until_seen(other, 2, false);
                });
            });
            let asking = async {
                for n in (0..NUMBERS).chain([PUBLISHED, REMOVED]).cycle() {
                    asked.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(door.lookup(&[n], count).await, None, "a minority answers nothing");
                }
            };
            tokio::select! { () = until_known => {}, () = asking => {} }
        };
        tokio::join!(publish(&refused[0]), publish(&refused[1]), look_up);
        // And once all nodes know.
        for n in 0..NUMBERS {
            assert_eq!(door.lookup(&[n], count).await, None);
        }
        tokio::join!(publish(&refused[0]), publish(&refused[1]));
        wait_until_ready(&binary, "503").await;
        println!("the minority's store: {} requests refused, none answered", refusals.load(Ordering::SeqCst));
        Self { binary, _process: process, door, refused }
    }

    /// Lets the nodes meet again. What was refused may or may not have been done: all agree on which; and then it is done.
    pub(super) async fn join(self, scene: &Scene, stores: &Stores) {
        scene
            .with_nodes(|cluster| {
                cluster.join();
                (0..2).for_each(|other| {
                    cluster.wait_until_seen(2, other, true);
                    cluster.wait_until_seen(other, 2, true);
                });
            })
            .await;
        wait_until_ready(&self.binary, "200").await;
        let doors = [&self.door, &*stores.doors[0], &*stores.doors[1]];
        let mut seen = Vec::new();
        for door in doors {
            assert!(stores.told.look_up(door, &(0..NUMBERS).collect::<Vec<_>>()).await);
            seen.push(door.lookup(&[PUBLISHED, REMOVED], |_| {}).await.unwrap());
        }
        assert!(seen.iter().all(|found| *found == seen[0]), "the stores disagree on {}", number(PUBLISHED));
        for post in &self.refused {
            let receipts = [
                self.door.publish(post, |_| {}).await.unwrap(),
                stores.doors[0].publish(post, |_| {}).await.unwrap(),
                stores.doors[1].publish(post, |_| {}).await.unwrap(),
            ];
            assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
        }
        for door in doors {
            let found = door.lookup(&[PUBLISHED, REMOVED], |_| {}).await.unwrap();
            assert_eq!((found[0].len(), found[1].len()), (1, 0));
        }
    }
}

/// Waits until the admin endpoint says that it is ready, or that it is not.
async fn wait_until_ready(binary: &Binary, code: &str) {
    let until = Instant::now() + DEADLINE;
    while !plain_get(binary.admin(), "/ready").await.starts_with(&format!("HTTP/1.1 {code}")) {
        assert!(Instant::now() < until, "the store does not come to {code}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
