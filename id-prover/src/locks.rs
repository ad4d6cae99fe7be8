//! One lock for each key that is being worked on: two requests for one enrollment wait for each other, others do not.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

type Table<K> = Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>;

/// Locks by key. As many are remembered as are held or waited for.
#[derive(Debug)]
pub(crate) struct Locks<K: Hash + Eq + Copy> {
    table: Arc<Table<K>>,
}

/// A held lock.
pub(crate) struct Held<K: Hash + Eq + Copy> {
    table: Arc<Table<K>>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K: Hash + Eq + Copy> Default for Locks<K> {
    fn default() -> Self {
        Self { table: Arc::default() }
    }
}

impl<K: Hash + Eq + Copy> Locks<K> {
    /// Waits for the lock of `key`.
    pub(crate) async fn hold(&self, key: K) -> Held<K> {
        let mut held = Held { table: Arc::clone(&self.table), key, guard: None };
        let lock = {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(table.entry(key).or_default())
        };
        held.guard = Some(lock.lock_owned().await);
        held
    }
}

impl<K: Hash + Eq + Copy> Drop for Held<K> {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // The table's own reference is the last one: nobody holds the lock or waits for it.
        if table.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            table.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_a_key_and_nothing_is_left() {
        let locks = Locks::default();
        let first = locks.hold(1).await;
        let other = locks.hold(2).await;
        let mut waiting = std::pin::pin!(locks.hold(1));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())).await
        );
        drop(first);
        drop(waiting.await);
        drop(other);
        assert!(locks.table.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn giving_up_leaves_nothing() {
        let locks = Locks::default();
        let first = locks.hold(1).await;
        let waited = tokio::time::timeout(std::time::Duration::ZERO, locks.hold(1)).await;
        assert!(waited.is_err());
        drop(first);
        assert!(locks.table.lock().unwrap().is_empty());
    }
}
