//! Slots for capsules that are passed on to a gateway while they are still coming in: few in all, and fewer for one address,
//! so that nobody alone can take them all by sending slowly.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Slots of one route. As much memory as there are slots.
#[derive(Debug)]
pub(crate) struct Slots {
    in_all: usize,
    of_one: usize,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: IpAddr,
}

impl Slots {
    /// So many in all, and so many of them for one address.
    pub(crate) fn new(in_all: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { in_all, of_one, held: Mutex::default() })
    }

    /// One for this address (of IPv6 its /64), if there is one.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let mut held = self.held();
        if held.values().sum::<usize>() >= self.in_all {
            return None;
        }
        let own = held.entry(address).or_default();
        if *own >= self.of_one {
            return None;
        }
        *own += 1;
        Some(Slot { slots: Arc::clone(self), address })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.slots.held();
        match held.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(held.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[test]
    fn one_address_leaves_slots_for_others() {
        let slots = Slots::new(5, 2);
        let first: Vec<_> = (0..4).map_while(|_| slots.take(address(1))).collect();
        assert_eq!(first.len(), 2);
        let others: Vec<_> = (2..=9).filter_map(|number| slots.take(address(number))).collect();
        assert_eq!(others.len(), 3);
        drop(first);
        assert!(slots.take(address(1)).is_some());
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let slots = Slots::new(5, 2);
        let held: Vec<_> = (0..5).filter_map(|number| slots.take(address(number / 2))).collect();
        assert_eq!(held.len(), 5);
        drop(held);
        assert!(slots.held().is_empty());
    }
}
