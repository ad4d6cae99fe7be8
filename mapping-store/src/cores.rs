//! The same work on many things, on all cores.

use std::num::NonZeroUsize;
use std::thread;

/// `work` on each of `items`, in their order.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    shares(items, |share| share.iter().map(&work).collect())
}

/// `work` on equal shares of `items`, one for each core; what it makes of them, in their order.
pub(crate) fn shares<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = items.len().div_ceil(cores).max(1);
    let work = &work;
    thread::scope(|scope| {
        let shares: Vec<_> = items.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        let join = |share: thread::ScopedJoinHandle<'_, _>| {
            share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        shares.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_is_done_once_and_in_order() {
        for length in [0, 1, 2, 3, 1000] {
            let items: Vec<usize> = (0..length).collect();
            assert_eq!(super::map(&items, |item| item * 2), (0..length).map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
